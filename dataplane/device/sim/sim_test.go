package sim

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

// rig is one wire with a checked pool at each end.
type rig struct {
	t     testing.TB
	net   *Net
	wire  *Wire
	pools [2]*Pool
	burst []*pkt.Buf
}

func newRig(t testing.TB, seed uint64, c Config, room int) *rig {
	t.Helper()
	r := &rig{t: t, net: NewNet(seed), burst: make([]*pkt.Buf, pkt.MaxBurst)}
	for i := range r.pools {
		p, err := NewPool("end", 2048, room)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		r.pools[i], c.Pools[i] = p, p
	}
	var err error
	if r.wire, err = r.net.NewWire(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// frame makes frame number n, size bytes long, in end i's pool.
func (r *rig) frame(i, n, size int) *pkt.Buf {
	if r.pools[i].Alloc(r.burst[:1]) != 1 {
		r.t.Fatal("pool is empty")
	}
	b := r.burst[0]
	data := b.Append(size)
	clear(data)
	binary.BigEndian.PutUint32(data, uint32(n))
	return b
}

// send sends frames numbered from first and returns how many were taken; the rest is
// freed.
func (r *rig) send(i, first, count, size int) int {
	taken := 0
	for k := range count {
		b := r.frame(i, first+k, size)
		r.burst[0] = b
		n := r.wire.End(i).TxBurst(r.burst[:1])
		if n == 0 {
			r.pools[i].Free([]*pkt.Buf{b})
		}
		taken += n
	}
	return taken
}

// recv receives at end i and returns the numbers of the frames.
func (r *rig) recv(i int) (got []int) {
	for {
		n := r.wire.End(i).RxBurst(r.burst)
		if n == 0 {
			return got
		}
		for _, b := range r.burst[:n] {
			got = append(got, int(binary.BigEndian.Uint32(b.Data())))
		}
		r.pools[i].Free(r.burst[:n])
	}
}

// recvAll jumps from arrival to arrival until nothing is under way.
func (r *rig) recvAll(i int) (got []int) {
	for r.net.Next() != math.MaxInt64 {
		r.net.SetNow(r.net.Next())
		got = append(got, r.recv(i)...)
	}
	for _, p := range r.pools {
		if p.Leaked() != 0 {
			r.t.Fatalf("%d buffers leaked", p.Leaked())
		}
	}
	return got
}

func upTo(n int) (want []int) {
	for i := range n {
		want = append(want, i)
	}
	return want
}

func TestDelay(t *testing.T) {
	r := newRig(t, 1, Config{Links: [2]Link{{Delay: 1000}, {Delay: 5}}}, pkt.DefaultRoom)
	r.send(0, 0, 3, 64)
	if got := r.recv(1); len(got) != 0 {
		t.Fatalf("%v arrived at once", got)
	}
	if r.net.Next() != 1000 {
		t.Fatalf("next is %d, want 1000", r.net.Next())
	}
	r.net.SetNow(999)
	if got := r.recv(1); len(got) != 0 {
		t.Fatalf("%v arrived early", got)
	}
	r.net.SetNow(1000)
	if got := r.recv(1); !slices.Equal(got, upTo(3)) {
		t.Fatalf("got %v", got)
	}
	r.send(1, 7, 1, 64)
	if r.net.Next() != 1005 {
		t.Fatalf("the other direction takes until %d, want 1005", r.net.Next())
	}
}

func TestRateAndQueue(t *testing.T) {
	// 1000-byte frames at 8 Gb/s take 1 us each.
	r := newRig(t, 1, Config{Links: [2]Link{{Delay: 500, Rate: 8e9, Queue: 4}}}, pkt.DefaultRoom)
	r.send(0, 0, 6, 1000)
	var at []int64
	for r.net.Next() != math.MaxInt64 {
		at = append(at, r.net.Next())
		r.net.SetNow(r.net.Next())
		r.recv(1)
	}
	if !slices.Equal(at, []int64{1500, 2500, 3500, 4500}) {
		t.Fatalf("arrivals at %v", at)
	}
	if s := r.wire.Stats(0); s.Fates[QueueFull] != 2 || s.Fates[Passed] != 4 {
		t.Fatalf("stats %+v", s)
	}
	if r.send(0, 0, 1, 1000); r.net.Next() != r.net.Now()+1500 {
		t.Fatal("an idle line did not start at once")
	}
}

func TestRingRefuses(t *testing.T) {
	r := newRig(t, 1, Config{Ring: 3}, pkt.DefaultRoom)
	if n := r.send(0, 0, 5, 64); n != 3 {
		t.Fatalf("ring took %d, want 3", n)
	}
	if got := r.recv(1); !slices.Equal(got, upTo(3)) {
		t.Fatalf("got %v", got)
	}
	if n := r.send(0, 0, 1, 64); n != 1 {
		t.Fatal("a drained ring refuses")
	}
	r.wire.Refuse(0, true)
	if n := r.send(0, 0, 1, 64); n != 0 {
		t.Fatal("Refuse did not")
	}
	r.wire.Refuse(0, false)
	r.recvAll(1)

	limited := newRig(t, 1, Config{Ring: 2, Links: [2]Link{{Rate: 8e9, Delay: 1e6}}}, pkt.DefaultRoom)
	if n := limited.send(0, 0, 3, 1000); n != 2 {
		t.Fatalf("ring took %d, want 2", n)
	}
	limited.net.SetNow(1000) // the first has left, though it has not arrived
	if n := limited.send(0, 2, 2, 1000); n != 1 {
		t.Fatalf("ring took %d, want 1", n)
	}
}

func TestImpairments(t *testing.T) {
	const n = 1000
	run := func(seed uint64, l Link) (got []int, s Stats) {
		r := newRig(t, seed, Config{Links: [2]Link{l}}, pkt.DefaultRoom)
		for i := 0; i < n; i += 50 {
			r.send(0, i, 50, 100)
			r.net.SetNow(r.net.Now() + 100)
			got = append(got, r.recv(1)...)
		}
		return append(got, r.recvAll(1)...), r.wire.Stats(0)
	}
	near := func(name string, got uint64, want float64) {
		t.Helper()
		if math.Abs(float64(got)-want) > 4*math.Sqrt(want) {
			t.Errorf("%s: %d, want about %.0f", name, got, want)
		}
	}

	got, s := run(1, Link{Loss: .1})
	near("lost", s.Fates[Lost], .1*n)
	if len(got) != n-int(s.Fates[Lost]) || !slices.IsSorted(got) {
		t.Errorf("loss: %d arrived, sorted %v", len(got), slices.IsSorted(got))
	}
	_, burst := run(1, Link{Loss: .05, LossBurst: .8})
	if burst.Fates[Lost] < 2*n*5/100 {
		t.Errorf("only %d lost in bursts", burst.Fates[Lost])
	}
	got, s = run(2, Link{Duplicate: .1, Delay: 10})
	near("duplicated", s.Fates[Duplicated], .1*n)
	if len(got) != n+int(s.Fates[Duplicated]) {
		t.Errorf("duplicate: %d arrived", len(got))
	}
	got, s = run(3, Link{Reorder: .1, ReorderBy: 150, Delay: 10})
	near("reordered", s.Fates[Reordered], .1*n)
	if slices.IsSorted(got) {
		t.Error("nothing was reordered")
	}
	slices.Sort(got)
	if !slices.Equal(got, upTo(n)) {
		t.Error("reordering lost or made frames")
	}
	got, _ = run(4, Link{Jitter: 1000})
	if !slices.Equal(got, upTo(n)) {
		t.Error("jitter does not keep the order")
	}

	all := Link{Loss: .1, Duplicate: .1, Corrupt: .1, Reorder: .1, ReorderBy: 300, Jitter: 50}
	one, _ := run(9, all)
	two, _ := run(9, all)
	other, _ := run(10, all)
	if !slices.Equal(one, two) {
		t.Error("the same seed gave different frames")
	}
	if slices.Equal(one, other) {
		t.Error("different seeds gave the same frames")
	}
}

func TestCorruptFlipsOneBit(t *testing.T) {
	r := newRig(t, 5, Config{Links: [2]Link{{Corrupt: 1}}, Offload: true}, pkt.DefaultRoom)
	for range 100 {
		b := r.frame(0, 0, 200)
		b.Flags |= pkt.CsumPartial
		r.burst[0] = b
		r.wire.End(0).TxBurst(r.burst[:1])
		r.wire.End(1).RxBurst(r.burst)
		bits := 0
		for _, c := range r.burst[0].Data() {
			for ; c != 0; c &= c - 1 {
				bits++
			}
		}
		if bits != 1 {
			t.Fatalf("%d bits flipped", bits)
		}
		if r.burst[0].Flags&pkt.L4Good != 0 {
			t.Fatal("a corrupted frame counts as verified")
		}
		r.pools[1].Free(r.burst[:1])
	}
}

func TestHooksAndTap(t *testing.T) {
	r := newRig(t, 1, Config{}, pkt.DefaultRoom)
	r.wire.DropNth(0, 2, 4)
	r.wire.Hook(0, func(n uint64, f []byte) bool {
		f[10] = 0xee
		return n == 5
	})
	var fates []Fate
	r.wire.Tap(0, func(f Frame) {
		fates = append(fates, f.Fate)
		if f.Data[10] != 0xee || f.Number != uint64(len(fates)) {
			t.Errorf("tap saw %+v", f)
		}
	})
	r.send(0, 1, 6, 64)
	if got := r.recvAll(1); !slices.Equal(got, []int{1, 3, 6}) {
		t.Fatalf("got %v", got)
	}
	if want := []Fate{Passed, Hooked, Passed, Hooked, Hooked, Passed}; !slices.Equal(fates, want) {
		t.Fatalf("fates %v", fates)
	}
	r.wire.SetUp(false)
	if r.wire.End(0).Link().Up {
		t.Fatal("a pulled wire is up")
	}
	r.send(0, 7, 1, 64)
	if got := r.recvAll(1); len(got) != 0 || fates[6] != Pulled {
		t.Fatalf("pulled wire delivered %v (%v)", got, fates[6])
	}
}

func TestLongFramesAndPool(t *testing.T) {
	r := newRig(t, 1, Config{Pad: true, MTU: 65000}, 65535)
	r.send(0, 1, 1, 60000)
	r.net.SetNow(1)
	if n := r.wire.End(1).RxBurst(r.burst); n != 1 || r.burst[0].DataLen != 60000 {
		t.Fatalf("%d frames of %d bytes", n, r.burst[0].DataLen)
	}
	r.pools[1].Free(r.burst[:1])
	r.send(0, 1, 1, 20)
	if r.wire.End(1).RxBurst(r.burst); r.burst[0].DataLen != minFrame {
		t.Fatalf("a short frame has %d bytes", r.burst[0].DataLen)
	}
	r.pools[1].Free(r.burst[:1])

	// A frame that is too long for the receiver is counted.
	small := newRig(t, 1, Config{}, pkt.DefaultRoom)
	small.wire.ends[1].pool = r.pools[1]
	small.wire.ends[0].pool = r.pools[1]
	big := r.frame(1, 0, 5000)
	small.burst[0] = big
	small.wire.End(0).TxBurst(small.burst[:1])
	small.wire.ends[1].pool = small.pools[1]
	if n := small.wire.End(1).RxBurst(small.burst); n != 0 || small.wire.Stats(0).TooLong != 1 {
		t.Fatal("a frame longer than the buffer was delivered")
	}
	small.recvAll(1)

	// With an empty pool frames wait.
	var held []*pkt.Buf
	for r.pools[1].Alloc(r.burst[:1]) == 1 {
		held = append(held, r.burst[0])
	}
	r.send(0, 8, 2, 64)
	if n := r.wire.End(1).RxBurst(r.burst); n != 0 || r.wire.End(1).Counters().RxNoBufs != 1 {
		t.Fatal("received without buffers")
	}
	r.pools[1].Free(held)
	if got := r.recvAll(1); !slices.Equal(got, []int{8, 9}) {
		t.Fatalf("got %v", got)
	}
}

func TestPoolCatchesDoubleFree(t *testing.T) {
	p, err := NewPool("p", 4, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b := make([]*pkt.Buf, 1)
	p.Alloc(b)
	data := b[0].Append(8)
	p.Free(b)
	if !bytes.Equal(data, bytes.Repeat([]byte{poison}, 8)) {
		t.Fatal("a freed buffer keeps its bytes")
	}
	defer func() {
		if recover() == nil {
			t.Fatal("a double free went unnoticed")
		}
	}()
	p.Free(b)
}

func TestMarkCE(t *testing.T) {
	r := newRig(t, 1, Config{Links: [2]Link{{Rate: 1e9, Mark: 2}}}, pkt.DefaultRoom)
	for i := range 4 {
		b := r.frame(0, i, 100)
		d := b.Data()
		binary.BigEndian.PutUint16(d[12:], 0x0800)
		d[14], d[15] = 0x45, 2 // ECT(0)
		binary.BigEndian.PutUint16(d[24:], hdr.Checksum(d[14:34], 0).Fold())
		r.burst[0] = b
		r.wire.End(0).TxBurst(r.burst[:1])
	}
	r.net.SetNow(1e9)
	n := r.wire.End(1).RxBurst(r.burst)
	for i, b := range r.burst[:n] {
		d := b.Data()
		if marked := d[15]&3 == 3; marked != (i >= 2) {
			t.Errorf("frame %d: marked %v", i, marked)
		}
		if !hdr.Checksum(d[14:34], 0).Good() {
			t.Errorf("frame %d: header checksum is wrong", i)
		}
	}
	r.pools[1].Free(r.burst[:n])
	if r.wire.Stats(0).Marked != 2 {
		t.Errorf("marked %d", r.wire.Stats(0).Marked)
	}
}

func TestUseAfterClosePanics(t *testing.T) {
	r := newRig(t, 1, Config{}, pkt.DefaultRoom)
	_ = r.wire.End(0).Close()
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	r.wire.End(0).RxBurst(r.burst)
}

func BenchmarkWire(b *testing.B) {
	net := NewNet(1)
	var c Config
	for i := range c.Pools {
		p, err := pkt.NewMapPool("end", 1024, pkt.DefaultRoom)
		if err != nil {
			b.Fatal(err)
		}
		c.Pools[i] = p
	}
	c.Links[0] = Link{Delay: 1000, Rate: 100e9, Loss: .01, Reorder: .01, ReorderBy: 500, Duplicate: .01}
	w, _ := net.NewWire(c)
	bufs := make([]*pkt.Buf, 32)
	now := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		n := c.Pools[0].Alloc(bufs)
		for _, x := range bufs[:n] {
			x.SetLen(1500)
		}
		w.End(0).TxBurst(bufs[:n])
		now += 4000
		net.SetNow(now)
		n = w.End(1).RxBurst(bufs)
		c.Pools[1].Free(bufs[:n])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/packet")
}
