package iface

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

// sink records the numbers of the frames that arrive and frees them, or hands them to f.
type sink struct {
	got []int
	f   func(w *worker.Worker, i *Interface, bufs []*pkt.Buf)
}

func (k *sink) Input(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
	if k.f != nil {
		k.f(w, i, bufs)
		return
	}
	for _, b := range bufs {
		k.got = append(k.got, int(binary.BigEndian.Uint32(b.At(14))))
	}
	w.Bufs.PutN(bufs)
}

// host is a manager with workers that the test steps.
type host struct {
	t       testing.TB
	pool    *sim.Pool
	workers []*worker.Worker
	m       *Manager
	in      *sink
	set     *stats.Set
	now     int64
}

func newHost(t testing.TB, workers int) *host {
	t.Helper()
	h := &host{t: t, in: &sink{}, set: &stats.Set{}}
	var err error
	if h.pool, err = sim.NewPool("host", 8192, pkt.DefaultRoom); err != nil {
		t.Fatal(err)
	}
	for k := range workers {
		w, err := worker.New(worker.Config{Index: k, CPU: -1, Pool: h.pool, Seed: uint64(k)})
		if err != nil {
			t.Fatal(err)
		}
		h.workers = append(h.workers, w)
	}
	if h.m, err = New(h.workers, h.set); err != nil {
		t.Fatal(err)
	}
	h.m.SetInput(h.in)
	t.Cleanup(func() {
		for _, i := range h.m.All() {
			if i.Index != 0 {
				h.ok(h.m.Delete(i))
			}
		}
		for _, w := range h.workers {
			w.Stop()
			w.Bufs.Flush()
		}
		if n := h.pool.Leaked(); n != 0 {
			t.Errorf("%d buffers leaked", n)
		}
		h.pool.Close()
	})
	return h
}

func (h *host) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) step() (work int) {
	h.now += 1000
	for _, w := range h.workers {
		work += w.Step(h.now)
	}
	return work
}

// up makes interface name over dev, up.
func (h *host) up(name string, end *sim.End) *Interface {
	h.t.Helper()
	i, err := h.m.Add(name, "sim", end)
	h.ok(err)
	h.ok(h.m.SetUp(i, true))
	return i
}

// send sends frames first..first+n-1 from worker w, each size bytes.
func (h *host) send(w int, i *Interface, first, n, size int) {
	var burst [pkt.MaxBurst]*pkt.Buf
	for n > 0 {
		k := min(n, len(burst))
		for x := range k {
			b := h.workers[w].Bufs.Get()
			if b == nil {
				h.t.Fatal("no buffers")
			}
			d := b.Append(size)
			clear(d)
			binary.BigEndian.PutUint16(d[12:], 0x0800)
			binary.BigEndian.PutUint32(d[14:], uint32(first+x))
			burst[x] = b
		}
		h.m.Tx(h.workers[w], i.Index, burst[:k])
		first, n = first+k, n-k
	}
}

func (h *host) counters(i *Interface) Counters {
	c, err := h.m.Counters(i)
	h.ok(err)
	return c
}

func newWire(t testing.TB, a, b pkt.Pool, c sim.Config) *sim.Wire {
	t.Helper()
	c.Pools = [2]pkt.Pool{a, b}
	w, err := sim.NewNet(1).NewWire(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func upTo(n int) (want []int) {
	for i := range n {
		want = append(want, i)
	}
	return want
}

func TestBothWays(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia, ib := a.up("sim0", wire.End(0)), b.up("sim0", wire.End(1))
	a.send(0, ia, 0, 600, 100)
	a.step()
	for b.step() > 0 {
	}
	if !slices.Equal(b.in.got, upTo(600)) {
		t.Fatalf("%d frames arrived", len(b.in.got))
	}
	b.send(0, ib, 0, 3, 60)
	b.step()
	a.step()
	if !slices.Equal(a.in.got, upTo(3)) {
		t.Fatalf("got %v", a.in.got)
	}
	ca, cb := a.counters(ia), b.counters(ib)
	if ca.TxPackets != 600 || ca.TxBytes != 60000 || ca.RxPackets != 3 || ca.RxBytes != 180 {
		t.Errorf("a counts %+v", ca)
	}
	if cb.RxPackets != 600 || cb.RxBytes != 60000 || cb.IP4 != 600 || cb.TxPackets != 3 {
		t.Errorf("b counts %+v", cb)
	}
	h := a.m.ClearCounters()
	if a.counters(ia) != (Counters{}) {
		t.Errorf("counters are not cleared (%v)", h)
	}
}

func TestReceivedIsStamped(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia, ib := a.up("sim0", wire.End(0)), b.up("sim0", wire.End(1))
	seen := 0
	b.in.f = func(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
		for _, x := range bufs {
			if x.Arrived != b.now || x.Iface != ib.Index || i != ib || x.Trace != 0 {
				t.Errorf("stamp %d iface %d", x.Arrived, x.Iface)
			}
			seen++
		}
		w.Bufs.PutN(bufs)
	}
	a.send(0, ia, 0, 2, 60)
	a.step()
	b.step()
	if seen != 2 {
		t.Fatalf("saw %d", seen)
	}
}

func TestBackPressureLosesNothing(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{Ring: 64})
	ia := a.up("sim0", wire.End(0))
	b.up("sim0", wire.End(1))
	const total = 5000
	sent, stalls := 0, 0
	for round := 0; len(b.in.got) < total; round++ {
		if round > 10*total {
			t.Fatalf("stuck: %d of %d", len(b.in.got), total)
		}
		// A scheduler that asks for room, as tcp does.
		for sent < total {
			room := a.m.TxRoom(a.workers[0], ia.Index)
			if room == 0 {
				stalls++
				break
			}
			n := min(room, 100, total-sent)
			a.send(0, ia, sent, n, 60)
			sent += n
		}
		a.step()
		if round%3 == 0 {
			b.step()
		}
	}
	if !slices.Equal(b.in.got, upTo(total)) {
		t.Fatal("lost or reordered")
	}
	if c := a.counters(ia); c.TxErrors != 0 || c.TxPackets != total {
		t.Fatalf("counters %+v", c)
	}
	if stalls == 0 {
		t.Fatal("the device never pushed back: the test tests nothing")
	}
}

func TestOverflowIsDroppedAndCounted(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia := a.up("sim0", wire.End(0))
	b.up("sim0", wire.End(1))
	wire.Refuse(0, true)
	if room := a.m.TxRoom(a.workers[0], ia.Index); room != pkt.MaxBurst {
		t.Fatalf("room %d on an idle interface", room)
	}
	a.send(0, ia, 0, pkt.MaxBurst, 60)
	a.step()
	if room := a.m.TxRoom(a.workers[0], ia.Index); room != 0 {
		t.Fatalf("room %d while the device refuses", room)
	}
	a.send(0, ia, pkt.MaxBurst, 300, 60) // who does not ask
	if c := a.counters(ia); c.TxErrors != 44 {
		t.Fatalf("dropped %d, want 44", c.TxErrors)
	}
	if n := a.drops("no free tx slots"); n != 44 {
		t.Fatalf("error counter %d, want 44", n)
	}
	wire.Refuse(0, false)
	a.step()
	if room := a.m.TxRoom(a.workers[0], ia.Index); room != pkt.MaxBurst {
		t.Fatalf("room %d afterwards", room)
	}
	for b.step() > 0 {
	}
	if !slices.Equal(b.in.got, upTo(queueLen)) {
		t.Fatalf("%d arrived", len(b.in.got))
	}
}

// drops reads an interface-output error counter over all workers.
func (h *host) drops(text string) (n uint64) {
	for r, reason := range h.m.drops.Reasons {
		if reason.Text == text {
			for k := range h.workers {
				n += h.m.drops.Row(k)[r]
			}
		}
	}
	return n
}

func TestRefusedOnDeadLinkIsDropped(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia := a.up("sim0", wire.End(0))
	wire.SetUp(false)
	wire.Refuse(0, true)
	var events []EventKind
	a.m.Subscribe(func(e Event) { events = append(events, e.Kind) })
	a.m.PollLinks()
	if ia.LinkUp() || !slices.Equal(events, []EventKind{LinkDown}) {
		t.Fatalf("link up %v, events %v", ia.LinkUp(), events)
	}
	a.send(0, ia, 0, 10, 60)
	a.step()
	if n := a.drops("link is down"); n != 10 {
		t.Fatalf("dropped %d, want 10", n)
	}
	if a.m.TxRoom(a.workers[0], ia.Index) == 0 {
		t.Fatal("a dead link blocks the scheduler")
	}
	// It comes back, which nobody has noticed yet; the device is busy.
	wire.SetUp(true)
	wire.Refuse(0, false)
	a.send(0, ia, 0, 1, 60)
	a.step()
	wire.Refuse(0, true)
	a.send(0, ia, 0, 10, 60)
	a.step()
	if n := a.drops("link is down"); n != 10 {
		t.Fatalf("dropped %d on a link that has come back", n-10)
	}
}

func TestDownIsNotPolled(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia, ib := a.up("sim0", wire.End(0)), b.up("sim0", wire.End(1))
	b.ok(b.m.SetUp(ib, false))
	a.send(0, ia, 0, 5, 60)
	a.step()
	b.step()
	if len(b.in.got) != 0 {
		t.Fatal("an interface that is down received")
	}
	b.send(0, ib, 0, 4, 60)
	if n := b.drops("interface is down"); n != 4 {
		t.Fatalf("dropped %d, want 4", n)
	}
	if room := b.m.TxRoom(b.workers[0], ib.Index); room != pkt.MaxBurst {
		t.Fatalf("room %d", room)
	}
	b.ok(b.m.SetUp(ib, true))
	b.step()
	if !slices.Equal(b.in.got, upTo(5)) {
		t.Fatalf("got %v after coming up", b.in.got)
	}
}

func TestLoopback(t *testing.T) {
	h := newHost(t, 2)
	l, err := h.m.AddLoopback(-1)
	h.ok(err)
	if l.Name != "loop0" || l.MTU() != pkt.DefaultRoom-pkt.Headroom-ethernetHeader || !l.LinkUp() {
		t.Fatalf("%s mtu %d", l.Name, l.MTU())
	}
	h.ok(h.m.SetUp(l, true))
	h.send(0, l, 0, 300, 60)
	if len(h.in.got) != 0 {
		t.Fatal("delivered within the same Step")
	}
	h.step()
	if !slices.Equal(h.in.got, upTo(300)) {
		t.Fatalf("%d came back", len(h.in.got))
	}
	// What is answered while receiving comes in the Step after, not in this one.
	rounds := 0
	h.in.f = func(w *worker.Worker, i *Interface, bufs []*pkt.Buf) {
		rounds++
		if bufs[0].Flags != pkt.L4Good {
			t.Errorf("flags %v", bufs[0].Flags)
		}
		bufs[0].Flags = pkt.CsumPartial
		h.m.Tx(w, i.Index, bufs)
	}
	b := h.workers[1].Bufs.Get()
	b.Append(60)
	b.Flags = pkt.CsumPartial
	h.m.Tx(h.workers[1], l.Index, []*pkt.Buf{b})
	for n := range 4 {
		if rounds != n {
			t.Fatalf("%d rounds after %d Steps", rounds, n)
		}
		h.step()
	}
	c := h.counters(l)
	if c.TxPackets != 304 || c.RxPackets != 304 {
		t.Fatalf("counters %+v", c)
	}
	if l2, _ := h.m.AddLoopback(7); l2.Name != "loop7" {
		t.Fatal(l2.Name)
	}
	if _, err := h.m.AddLoopback(7); !errors.Is(err, ErrExists) {
		t.Fatalf("second loop7: %v", err)
	}
}

func TestLookupAndIndexReuse(t *testing.T) {
	h := newHost(t, 1)
	if h.m.ByIndex(0).Name != "local0" || h.m.ByName("local0") == nil || h.m.ByIndex(9) != nil {
		t.Fatal("local0 is not there")
	}
	if err := h.m.SetUp(h.m.ByIndex(0), true); !errors.Is(err, ErrLocal) {
		t.Fatalf("local0 up: %v", err)
	}
	a, _ := h.m.AddLoopback(-1)
	b, _ := h.m.AddLoopback(-1)
	h.ok(h.m.Delete(a))
	if h.m.ByIndex(a.Index) != nil || h.m.ByName("loop0") != nil || b.Index != 2 {
		t.Fatal("loop0 is still there")
	}
	if err := h.m.Delete(a); !errors.Is(err, ErrUnknown) {
		t.Fatalf("second delete: %v", err)
	}
	h.send(0, a, 0, 3, 60) // by whoever still has the index
	if n := h.drops("interface is deleted"); n != 3 {
		t.Fatalf("dropped %d", n)
	}
	c, _ := h.m.AddLoopback(-1)
	if c.Index != 1 || c.Name != "loop0" {
		t.Fatalf("%s has index %d, want the free 1", c.Name, c.Index)
	}
	if len(h.m.All()) != 3 {
		t.Fatalf("%d interfaces", len(h.m.All()))
	}
}

func TestAddresses(t *testing.T) {
	h := newHost(t, 1)
	var events []string
	h.m.Subscribe(func(e Event) {
		if e.Kind == AddrAdded {
			events = append(events, "+"+e.Addr.String())
		}
		if e.Kind == AddrRemoved {
			events = append(events, "-"+e.Addr.String())
		}
	})
	a, _ := h.m.AddLoopback(-1)
	b, _ := h.m.AddLoopback(-1)
	for _, c := range []struct {
		i    *Interface
		p    string
		want error
	}{
		{a, "10.0.0.1/24", nil},
		{a, "10.0.0.1/24", ErrExists},
		{a, "10.0.0.1/16", ErrExists},
		{a, "10.0.0.2/24", nil},
		{a, "10.0.0.3/25", ErrConflict},
		{b, "10.0.0.3/24", ErrConflict},
		{b, "10.0.0.0/8", ErrConflict},
		{b, "10.0.1.1/24", nil},
		{a, "2001:db8::1/64", nil},
		{b, "2001:db8::2/64", ErrConflict},
		{a, "fe80::1/64", nil},
		{b, "fe80::2/64", nil},
		{a, "0.0.0.0/0", ErrBadAddress},
		{a, "224.0.0.1/24", ErrBadAddress},
		{a, "ff02::1/64", ErrBadAddress},
		{a, "255.255.255.255/32", ErrBadAddress},
		{h.m.ByIndex(0), "10.9.0.1/24", ErrLocal},
	} {
		if err := h.m.AddAddr(c.i, netip.MustParsePrefix(c.p)); !errors.Is(err, c.want) {
			t.Errorf("%s on %s: %v, want %v", c.p, c.i.Name, err, c.want)
		}
	}
	if err := h.m.RemoveAddr(a, netip.MustParsePrefix("10.0.0.1/25")); !errors.Is(err, ErrNoAddress) {
		t.Errorf("remove with another length: %v", err)
	}
	snapshot := a.Addrs()
	h.ok(h.m.RemoveAddr(a, netip.MustParsePrefix("10.0.0.1/24")))
	if len(snapshot) != 4 || len(a.Addrs()) != 3 || snapshot[0].String() != "10.0.0.1/24" {
		t.Errorf("snapshot %v, now %v", snapshot, a.Addrs())
	}
	events = nil
	h.ok(h.m.Delete(b))
	if want := []string{"-10.0.1.1/24", "-fe80::2/64"}; !slices.Equal(events, want) {
		t.Errorf("deleting told %v", events)
	}
}

func TestMTUAndMAC(t *testing.T) {
	h := newHost(t, 1)
	wire := newWire(t, h.pool, h.pool, sim.Config{MTU: 1600})
	i := h.up("sim0", wire.End(0))
	if i.MTU() != 1500 || i.MAC() != wire.End(0).MAC() {
		t.Fatalf("mtu %d mac %x", i.MTU(), i.MAC())
	}
	for mtu, want := range map[int]error{1600: nil, 1601: ErrMTU, 67: ErrMTU, 68: nil, 0: ErrMTU, -1: ErrMTU} {
		if err := h.m.SetMTU(i, mtu); !errors.Is(err, want) {
			t.Errorf("mtu %d: %v, want %v", mtu, err, want)
		}
	}
	small := newWire(t, h.pool, h.pool, sim.Config{MTU: 1400})
	if j := h.up("sim1", small.End(0)); j.MTU() != 1400 {
		t.Errorf("mtu %d on a device that carries 1400", j.MTU())
	}
	mac := [6]byte{2, 0, 0, 0, 0, 9}
	h.ok(h.m.SetMAC(i, mac))
	if i.MAC() != mac || wire.End(0).MAC() != mac {
		t.Error("the address was not set")
	}
	if h.m.SetMAC(i, [6]byte{1}) == nil || h.m.SetMAC(i, [6]byte{}) == nil {
		t.Error("a group address or zero was accepted")
	}
}
