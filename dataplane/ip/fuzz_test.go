package ip

import (
	"testing"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// answering is a transport that answers some packets with port unreachable.
type answering struct{ s *Stack }

func (a answering) Input(w *worker.Worker, bufs []*pkt.Buf) {
	for _, b := range bufs {
		if b.Flags&^(pkt.V6|pkt.L4Good|pkt.Broadcast|pkt.Multicast) != 0 || int(b.L4)+int(b.L4Len) != int(b.PktLen) || b.L4 < b.L3+20 ||
			b.NbSegs == 1 && b.PktLen != uint32(b.DataLen) {
			panic("what the stack says about the packet is wrong")
		}
		if b.L4Len&1 == 0 {
			a.s.PortUnreachable(w, b)
		} else {
			w.Bufs.Put(b)
		}
	}
}
func (answering) Error(_ *worker.Worker, e *Error) {
	if len(e.Quoted) < 8 {
		panic("short quote")
	}
}
func (answering) TakesChains() {}

// FuzzInput gives frames to the whole stack: it must not panic, and every buffer must
// come back. The data is a list of frames: two bytes of length, and the frame. With fix
// set, addresses and checksums are put right, so that more of them get past the first
// checks.
func FuzzInput(f *testing.F) {
	h := newSolo(f)
	h.s.Handle(hdr.ProtoUDP, answering{h.s})
	add := func(fix bool, frames ...[]byte) {
		var b []byte
		for _, x := range frames {
			b = append(append(b, byte(len(x)>>8), byte(len(x))), x...)
		}
		f.Add(b, fix)
	}
	add(true, h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", hdr.ProtoUDP, pattern(21))))
	add(true, h.frame(hdr.EtherIP4, echo4("10.0.0.2", "10.0.0.1", "hello")), h.frame(hdr.EtherIP6, echo6("2001:db8::2", "2001:db8::1", "hello")))
	add(true, h.frame(hdr.EtherIP4, fragment4(7, 0, pattern(64), true)), h.frame(hdr.EtherIP4, fragment4(7, 64, pattern(9), false)))
	add(true, h.frame(hdr.EtherIP6, fragment6(7, 0, pattern(64), true)), h.frame(hdr.EtherIP6, fragment6(7, 64, pattern(9), false)))
	add(true, h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", hdr.ExtHopByHop, append([]byte{60, 0, 5, 2, 0, 0, 1, 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9}, pattern(24)...))))
	add(false, h.frame(hdr.EtherARP, pattern(28)))
	nd := make(hdr.ND, hdr.NDLen+hdr.NDOptLen)
	target := ad("2001:db8::1")
	nd.Put(hdr.ICMP6NeighSolicit, 0, &target, hdr.NDSourceLL, peerMAC)
	ns := packet6("2001:db8::2", "2001:db8::1", hdr.ProtoICMPv6, nd)
	ns[7] = 255
	add(true, h.frame(hdr.EtherIP6, ns))
	bufs, err := mem.Slice[*pkt.Buf](pkt.MaxBurst)
	if err != nil {
		f.Fatal(err)
	}
	w := h.workers[0]
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		h.rec.calls, h.rec.got, h.rec.meta, h.rec.errors, h.sent = nil, nil, nil, nil, nil
		n := 0
		for len(b) >= 2 && n < 32 {
			k := min(int(b[0])<<8|int(b[1]), len(b)-2, 1800)
			x := w.Bufs.Get()
			if x == nil {
				t.Fatal("out of buffers")
			}
			d := x.Append(k)
			copy(d, b[2:])
			b = b[2+k:]
			if fix {
				repair(d, h)
			}
			x.Iface, x.Arrived, x.Trace = h.i.Index, h.now, 0
			bufs[n] = x
			n++
		}
		h.s.Input(w, h.i, bufs[:n])
		h.step()
		h.step()
		// Nothing is left but fragments and packets that wait for a neighbour; after a
		// while not even those. An error about a packet that found no neighbour may
		// have to look for one itself.
		h.now += 200e9
		for range 40 {
			h.now += 1e9
			h.step()
			for {
				k := h.wire.End(1).RxBurst(bufs)
				if k == 0 {
					break
				}
				h.peer.pool.Free(bufs[:k])
			}
			w.Bufs.Flush()
			if h.pool.Leaked() == 0 {
				return
			}
		}
		st := h.s.states[0]
		t.Fatalf("%d buffers are missing: %d wait for neighbors, %d are fragments; %v", h.pool.Leaked(),
			st.neigh.Waiting(), st.reass.held, h.counters())
	})
}

// repair puts the Ethernet address and the checksums of a frame right.
func repair(d []byte, h *solo) {
	if len(d) < hdr.EtherLen {
		return
	}
	if d[0]&1 == 0 {
		m := h.i.MAC()
		copy(d, m[:])
	}
	if p := hdr.IP4(d[hdr.EtherLen:]); hdr.Ether(d).Type() == hdr.EtherIP4 && p.Valid() {
		p.SetChecksum()
		if m := hdr.ICMP(p.Payload()); p.Proto() == hdr.ProtoICMP && m.Valid() {
			m.SetChecksum4()
		}
	}
	if p := hdr.IP6(d[hdr.EtherLen:]); hdr.Ether(d).Type() == hdr.EtherIP6 && p.Valid() {
		x := p.Exts()
		for x.Next() {
		}
		src, dst := p.Src(), p.Dst()
		if m := hdr.ICMP(p[min(x.End, len(p)):p.TotalLen()]); x.Proto == hdr.ProtoICMPv6 && m.Valid() {
			m.SetChecksum6(&src, &dst)
		}
	}
}

// TestInputAllocatesNothing: in a steady state nothing comes from the Go heap, whatever
// kind of packet it is.
func TestInputAllocatesNothing(t *testing.T) {
	h := newSolo(t)
	h.s.Handle(hdr.ProtoUDP, answering{h.s})
	h.wire.Tap(0, nil)
	bufs, err := mem.Slice[*pkt.Buf](pkt.MaxBurst)
	h.ok(err)
	w := h.workers[0]
	for name, frames := range map[string][][]byte{
		"udp":       {h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", hdr.ProtoUDP, pattern(21)))},
		"echo":      {h.frame(hdr.EtherIP4, echo4("10.0.0.2", "10.0.0.1", "hello")), h.frame(hdr.EtherIP6, echo6("2001:db8::2", "2001:db8::1", "hello"))},
		"error":     {h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", 99, pattern(21)))},
		"fragments": {h.frame(hdr.EtherIP4, fragment4(7, 0, pattern(64), true)), h.frame(hdr.EtherIP4, fragment4(7, 64, pattern(9), false))},
		"stranger":  {h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.77", hdr.ProtoUDP, pattern(21)))},
		"dropped":   {h.frame(hdr.EtherIP4, packet4("10.0.0.2", "127.0.0.1", hdr.ProtoUDP, pattern(21)))},
	} {
		if name == "fragments" { // the recorder of the test allocates
			for _, f := range frames {
				f[hdr.EtherLen+9] = hdr.ProtoUDP
				hdr.IP4(f[hdr.EtherLen:]).SetChecksum()
			}
		}
		run := func() {
			for k, f := range frames {
				b := w.Bufs.Get()
				copy(b.Append(len(f)), f)
				b.Iface, b.Trace = h.i.Index, 0
				bufs[k] = b
			}
			h.s.Input(w, h.i, bufs[:len(frames)])
			h.step()
			for {
				k := h.wire.End(1).RxBurst(bufs)
				if k == 0 {
					break
				}
				h.peer.pool.Free(bufs[:k])
			}
		}
		for range 300 {
			run()
		}
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
