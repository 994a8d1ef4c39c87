package afpacket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/pkt"
)

// detail is the number that a device tells under a name; 0 when it tells none.
func detail(d device.Device, name string) uint64 {
	for _, x := range d.Details() {
		if n, ok := x.Value.(uint64); ok && x.Name == name {
			return n
		}
	}
	return 0
}

// openPeer opens a device on the kernel's end of the wire.
func (w *wire) openPeer(pool *dpdk.Pool) *host {
	d, err := Open(Options{Interface: "vb", NetNS: w.kernel}, pool)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.host(d, pool)
}

// anonymous is a segment without what differs when the kernel has cut it: identification
// and checksums.
func anonymous(f []byte) []byte {
	f = bytes.Clone(f)
	if f[12] == 0x86 {
		clear(f[70:72])
		return f
	}
	clear(f[18:20])
	clear(f[24:26])
	clear(f[50:52])
	return f
}

// TestLargePackets sends segments to a second device, on the other end of the wire. Each
// arrives as it was, whether our end of the wire can cut large packets or not.
func TestLargePackets(t *testing.T) {
	for _, tc := range []struct {
		ethtool string
		large   bool // packets go over the wire
	}{
		{"", true}, {"tso off", false}, {"tso off gso off", false}, {"tx off", false}, {"tx off sg off", false},
	} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/v6=%v", tc.ethtool, v6), func(t *testing.T) {
				w := newWire(t, 1500)
				pool := newPool(t, pkt.DefaultRoom)
				h, peer := w.open(native, pool, Options{}), w.openPeer(pool)
				if tc.ethtool != "" {
					nettest.Run(t, "ip netns exec "+w.ns+" ethtool -K va "+tc.ethtool)
				}
				s := nettest.Stream{V6: v6, SrcMAC: ourMAC, DstMAC: [6]byte{2, 9, 9, 9, 9, 9}, Options: 12}
				const many = 200
				size := 1448
				if v6 {
					size = 1428
				}
				var frames [][]byte
				h.cache.GetN(h.bufs[:many])
				for i := range many {
					n := size
					if i%70 == 69 {
						n = i
					}
					f := s.Segment(n, 0x10, byte(i))
					copy(h.bufs[i].Append(len(f)), f)
					h.bufs[i].Flags = pkt.CsumPartial
					frames = append(frames, f)
				}
				if n := h.tx[0].TxBurst(h.bufs[:many]); n != many {
					t.Fatalf("%d sent", n)
				}
				got := 0
				peer.each(5*time.Second, func(b *pkt.Buf) bool {
					d := b.Data()
					if d[1] != 9 {
						return true
					}
					if !bytes.Equal(anonymous(d), anonymous(frames[got])) {
						t.Errorf("segment %d:\n% x\n% x", got, d[:70], frames[got][:70])
					}
					if b.Flags&pkt.L4Good == 0 && !nettest.SegmentSumOK(d) {
						t.Errorf("segment %d: a wrong checksum is not excused", got)
					}
					got++
					return got < many && !t.Failed()
				})
				if got != many {
					t.Errorf("%d of %d arrived; %v; %v", got, many, h.d.Details(), peer.d.Details())
				}
				if n := detail(h.d, "tx large packets"); tc.large != (n == 6) { // two of every 70
					t.Errorf("%d large packets sent", n)
				}
				if n := detail(peer.d, "rx large packets"); tc.large != (n == 6) {
					t.Errorf("%d large packets received", n)
				}
				if c := peer.d.Counters(); c.RxPackets != many || c.RxErrors != 0 {
					t.Errorf("%+v", c)
				}
			})
		}
	}
}

// TestSuperPackets: UDP segments that the kernel leaves together come apart.
func TestSuperPackets(t *testing.T) {
	w := newWire(t, 1500)
	h := w.open(native, newPool(t, pkt.DefaultRoom), Options{})
	superPackets(t, w)
	n := 0
	h.each(5*time.Second, func(b *pkt.Buf) bool {
		if d, ok := nettest.Parse(b.Data()); ok && len(d.Payload) == 1000 {
			if b.Flags&pkt.L4Good == 0 {
				t.Error("a checksum that nobody has computed is not excused")
			}
			if want := nettest.Pattern(20000, byte(n/20))[n%20*1000:][:1000]; !bytes.Equal(d.Payload, want) {
				t.Errorf("segment %d differs", n)
			}
			n++
		}
		return n < 400
	})
	if c := h.d.Counters(); n != 400 || c.RxErrors != 0 {
		t.Errorf("%d segments of 400, %d drops", n, c.RxErrors)
	}
}

// TestBurstSmallerThanPacket takes a large packet in small bursts.
func TestBurstSmallerThanPacket(t *testing.T) {
	w := newWire(t, 1500)
	h := w.open(native, newPool(t, pkt.DefaultRoom), Options{})
	superPackets(t, w)
	n := 0
	for end := time.Now().Add(5 * time.Second); n < 400 && time.Now().Before(end); {
		k := h.rx[0].RxBurst(h.bufs[:7])
		h.cache.PutN(h.bufs[:k])
		n += k
		if k == 7 && n < 400 && h.arm() {
			t.Fatal("the worker may sleep, with segments at hand")
		}
	}
	if n != 400 {
		t.Errorf("%d of 400", n)
	}
}

// TestWithoutOffload: what the device is not to complete goes as it is.
func TestWithoutOffload(t *testing.T) {
	w := newWire(t, 1500)
	pool := newPool(t, pkt.DefaultRoom)
	h, peer := w.open(native, pool, Options{NoOffload: true, QueueingDiscipline: true}), w.openPeer(pool)
	if h.d.Info().TxCsum {
		t.Error("it wants to complete checksums")
	}
	s := nettest.Stream{SrcMAC: ourMAC, DstMAC: [6]byte{2, 9, 9, 9, 9, 9}}
	h.cache.GetN(h.bufs[:10])
	for i := range 10 {
		f := s.Segment(1000, 0x10, 0)
		copy(h.bufs[i].Append(len(f)), f)
	}
	if n := h.tx[0].TxBurst(h.bufs[:10]); n != 10 {
		t.Fatalf("%d sent", n)
	}
	n := 0
	peer.each(5*time.Second, func(b *pkt.Buf) bool {
		if b.Data()[1] == 9 {
			n++
			if b.Flags&pkt.L4Good != 0 {
				t.Error("a wrong checksum counts as verified")
			}
		}
		return n < 10
	})
	if n != 10 || detail(h.d, "tx large packets") != 0 {
		t.Errorf("%d arrived; %v", n, h.d.Details())
	}
}

func TestTxDrops(t *testing.T) {
	w := newWire(t, 1500)
	pool := newPool(t, pkt.DefaultRoom)
	h := w.open(native, pool, Options{})
	c := w.socket()
	h.cache.GetN(h.bufs[:5])
	w.build(h.bufs[0], 7, nettest.Port(c), []byte("one"))
	h.bufs[1].Append(1515) // too long
	h.bufs[2].Append(60)   // nothing that has a checksum
	h.bufs[2].Flags = pkt.CsumPartial
	h.bufs[3].Append(64) // chained
	more := h.cache.Get()
	more.Append(10)
	h.bufs[3].Next, h.bufs[3].NbSegs, h.bufs[3].PktLen = more, 2, 74
	w.build(h.bufs[4], 7, nettest.Port(c), []byte("two"))
	if n := h.tx[0].TxBurst(h.bufs[:5]); n != 5 {
		t.Fatalf("%d taken", n)
	}
	for _, want := range []string{"one", "two"} {
		buf := make([]byte, 10)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, _, err := c.ReadFromUDP(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("%s: %q, %v", want, buf[:n], err)
		}
	}
	if c := h.d.Counters(); c.TxPackets != 2 || c.TxErrors != 3 {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"tx frame too long", "tx chained", "tx checksum of an unknown packet"} {
		if detail(h.d, name) != 1 {
			t.Errorf("%s is not told: %v", name, h.d.Details())
		}
	}
	// The kernel's limit, when that has become narrower than what we knew.
	nettest.Run(t, "ip -n "+w.ns+" link set va mtu 1000")
	h.cache.GetN(h.bufs[:2])
	w.build(h.bufs[0], 7, nettest.Port(c), make([]byte, 1200))
	w.build(h.bufs[1], 7, nettest.Port(c), []byte("three"))
	if n := h.tx[0].TxBurst(h.bufs[:2]); n < 1 {
		t.Fatalf("%d taken", n)
	} else if n == 1 && h.tx[0].TxBurst(h.bufs[1:2]) != 1 {
		t.Fatal("not sent")
	}
	if detail(h.d, "tx refused by the kernel") != 1 {
		t.Errorf("not told: %v", h.d.Details())
	}
}

// TestTagged: the kernel takes a VLAN tag out of the packet, but it counts.
func TestTagged(t *testing.T) {
	w := newWire(t, 1500)
	pool := newPool(t, pkt.DefaultRoom)
	h, peer := w.open(native, pool, Options{}), w.openPeer(pool)
	peer.cache.GetN(peer.bufs[:1])
	copy(peer.bufs[0].Append(60), "\x02\xfe\x00\x00\x00\x02\x02\x09\x09\x09\x09\x09\x81\x00\x00\x05\x08\x00\x45")
	if peer.tx[0].TxBurst(peer.bufs[:1]) != 1 {
		t.Fatal("not sent")
	}
	h.each(300*time.Millisecond, func(b *pkt.Buf) bool {
		t.Errorf("% x", b.Data())
		return true
	})
	if detail(h.d, "rx VLAN tagged") != 1 {
		t.Errorf("not told: %v", h.d.Details())
	}
}

// TestNoBuffers: while the pool is empty packets wait, and the worker must not sleep.
func TestNoBuffers(t *testing.T) {
	w := newWire(t, 1500)
	pool := newPool(t, pkt.DefaultRoom)
	h := w.open(native, pool, Options{})
	var held []*pkt.Buf
	for b := h.cache.Get(); b != nil; b = h.cache.Get() {
		held = append(held, b)
	}
	superPackets(t, w)
	n := 0
	h.each(100*time.Millisecond, func(b *pkt.Buf) bool { n++; return true })
	if n != 0 || h.arm() {
		t.Errorf("%d packets without buffers", n)
	}
	h.cache.PutN(held)
	h.cache.Flush()
	h.each(5*time.Second, func(b *pkt.Buf) bool { n++; return n < 400 })
	if n != 400 {
		t.Errorf("%d of 400 later", n)
	}
}

// TestNamespaceDeleted: the interface goes away for good.
func TestNamespaceDeleted(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{})
		nettest.Run(t, "ip -n "+w.ns+" link del va")
		for end := time.Now().Add(5 * time.Second); h.d.Link().Up; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the link stays up")
			}
		}
		for range 100 {
			n := h.cache.GetN(h.bufs[:8])
			for _, b := range h.bufs[:n] {
				w.build(b, 7, 9, []byte("x"))
			}
			k := h.tx[0].TxBurst(h.bufs[:n])
			h.cache.PutN(h.bufs[k:n])
			h.cache.PutN(h.bufs[:h.rx[0].RxBurst(h.bufs)])
		}
		h.d.Details()
		h.d.Counters()
	})
}

// TestFlagsOfCut: a segment in the middle of a large packet has no PSH.
func TestFlagsOfCut(t *testing.T) {
	w := newWire(t, 1500)
	pool := newPool(t, pkt.DefaultRoom)
	h, peer := w.open(native, pool, Options{}), w.openPeer(pool)
	s := nettest.Stream{SrcMAC: ourMAC, DstMAC: [6]byte{2, 9, 9, 9, 9, 9}}
	h.cache.GetN(h.bufs[:4])
	for i := range 4 {
		flags := byte(0x10)
		if i == 3 {
			flags |= 0x08
		}
		f := s.Segment(1000, flags, 0)
		copy(h.bufs[i].Append(len(f)), f)
		h.bufs[i].Flags = pkt.CsumPartial
	}
	h.tx[0].TxBurst(h.bufs[:4])
	n := 0
	peer.each(5*time.Second, func(b *pkt.Buf) bool {
		d := b.Data()
		if d[1] != 9 {
			return true
		}
		if psh := d[47]&8 != 0; psh != (n == 3) || binary.BigEndian.Uint32(d[38:]) != uint32(n*1000) {
			t.Errorf("segment %d: % x", n, d[34:54])
		}
		n++
		return n < 4
	})
	if n != 4 {
		t.Errorf("%d of 4", n)
	}
}

// TestNoSegmentation: an interface that cannot cut large packets gets no more of them after
// a while, and nothing is lost on the way there.
func TestNoSegmentation(t *testing.T) {
	w := newWire(t, 1500)
	pool := newPool(t, pkt.DefaultRoom)
	h, peer := w.open(native, pool, Options{}), w.openPeer(pool)
	offload := func() any {
		for _, x := range h.d.Details() {
			if x.Name == "tx offload" {
				return x.Value
			}
		}
		return nil
	}
	s := nettest.Stream{SrcMAC: ourMAC, DstMAC: [6]byte{2, 9, 9, 9, 9, 9}}
	burst := func() {
		t.Helper()
		h.cache.GetN(h.bufs[:4])
		for i := range 4 {
			f := s.Segment(1000, 0x10, 0)
			copy(h.bufs[i].Append(len(f)), f)
			h.bufs[i].Flags = pkt.CsumPartial
		}
		if n := h.tx[0].TxBurst(h.bufs[:4]); n != 4 {
			t.Fatalf("%d sent", n)
		}
		n := 0
		peer.each(5*time.Second, func(b *pkt.Buf) bool {
			if b.Data()[1] == 9 {
				n++
			}
			return n < 4
		})
		if n != 4 {
			t.Fatalf("%d of 4 arrived", n)
		}
	}
	burst()
	if detail(h.d, "tx large packets") != 1 {
		t.Error("nothing was joined")
	}
	nettest.Run(t, "ip netns exec "+w.ns+" ethtool -K va tso off")
	for range manyDoubts {
		if o := offload(); o != "checksum and segmentation" {
			t.Fatalf("gave up at once: %v", o)
		}
		burst()
	}
	if o := offload(); o != "checksum" {
		t.Errorf("did not give up: %v", o)
	}
	burst()
}
