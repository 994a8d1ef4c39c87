package ip

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

func TestLargePing(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	w := wire(t, a, b, sim.Config{})
	ia := a.up("sim0", w.End(0), "10.0.0.1/24", "2001:db8::1/64")
	ib := b.up("sim0", w.End(1), "10.0.0.2/24", "2001:db8::2/64")
	settle(t, a, b)
	w.Tap(0, func(f sim.Frame) { judge(t, f.Data) })
	w.Tap(1, func(f sim.Frame) { judge(t, f.Data) })
	for _, mtu := range []int{1500, 1280, 1301} {
		a.ok(a.ifs.SetMTU(ia, mtu))
		b.ok(b.ifs.SetMTU(ib, mtu))
		for _, to := range []string{"10.0.0.2", "2001:db8::2", "10.0.0.1", "2001:db8::1"} {
			hl := 28
			if to[0] == '2' {
				hl = 48
			}
			for _, size := range []int{0, 1, mtu - hl, mtu - hl + 1, 2000, 3001, 9000, 32767, maxPingSize} {
				got := a.ping(to, size, b)
				if len(got) != 1 || got[0].failed || got[0].length != size+hl {
					t.Fatalf("ping %s size %d mtu %d: %+v\na %v\nb %v", to, size, mtu, got, a.counters(), b.counters())
				}
			}
		}
	}
	if a.errors("ip4-full-reassembly", "packets reassembled") == 0 || b.errors("ip6-full-reassembly", "packets reassembled") == 0 {
		t.Error("nothing was fragmented")
	}
}

// TestSmallFragments: what came in fragments and fits the path as a whole leaves in one
// frame, which is one buffer.
func TestSmallFragments(t *testing.T) {
	h := newSolo(t)
	data := string(pattern(192))
	for _, ip := range [][]byte{echo4("10.0.0.2", "10.0.0.1", data), echo6("2001:db8::2", "2001:db8::1", data)} {
		var want []byte
		if v4 := ip[0]>>4 == 4; v4 {
			want = ip[28:]
			for _, f := range pieces4(7, ip[20:], 64, 128) {
				f[9] = hdr.ProtoICMP
				f.SetChecksum()
				h.input(h.frame(hdr.EtherIP4, f))
			}
		} else {
			want = ip[48:]
			for at := 0; at < 200; at += 104 {
				f := fragment6(7, at, ip[40+at:][:min(104, 200-at)], at == 0)
				f[40] = hdr.ProtoICMPv6
				h.input(h.frame(hdr.EtherIP6, f))
			}
		}
		out := h.take()
		if len(out) != 1 || !bytes.Equal(out[0][len(out[0])-len(want):], want) {
			t.Fatalf("%d frames in answer: % x\n%v", len(out), out, h.counters())
		}
		judge(t, out[0])
	}
}

// pieces4 cuts a payload into fragments at the given offsets.
func pieces4(id uint16, payload []byte, cuts ...int) (out []hdr.IP4) {
	cuts = append(cuts, len(payload))
	at := 0
	for _, end := range cuts {
		out = append(out, fragment4(id, at, payload[at:end], end < len(payload)))
		at = end
	}
	return out
}

func fragment4(id uint16, off int, data []byte, more bool) hdr.IP4 {
	return packet4("10.0.0.2", "10.0.0.1", hdr.ProtoTCP, data, func(f *hdr.IP4Fields) {
		f.ID = id
		f.FlagsFrag = uint16(off / 8)
		if more {
			f.FlagsFrag |= hdr.IP4MoreFragments
		}
	})
}

func fragment6(id uint32, off int, data []byte, more bool) hdr.IP6 {
	f := make([]byte, hdr.Frag6Len+len(data))
	hdr.Frag6(f).Put(hdr.ProtoTCP, off, more, id)
	copy(f[hdr.Frag6Len:], data)
	return packet6("2001:db8::2", "2001:db8::1", hdr.ExtFragment, f)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return b
}

func TestReassemblyInAnyOrder(t *testing.T) {
	h := newSolo(t)
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 300 {
		payload := pattern(24 + r.IntN(1500))
		var cuts []int
		for at := 8 * (1 + r.IntN(30)); at < len(payload); at += 8 * (1 + r.IntN(30)) {
			cuts = append(cuts, at)
		}
		v6 := round%2 == 1
		var frames [][]byte
		at := 0
		for _, end := range append(cuts, len(payload)) {
			more := end < len(payload)
			if v6 {
				frames = append(frames, h.frame(hdr.EtherIP6, fragment6(uint32(round), at, payload[at:end], more)))
			} else {
				frames = append(frames, h.frame(hdr.EtherIP4, fragment4(uint16(round), at, payload[at:end], more)))
			}
			at = end
		}
		if n := r.IntN(3); n > 0 { // copies
			frames = append(frames, frames[r.IntN(len(frames))])
		}
		r.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		h.rec.got, h.rec.meta = nil, nil
		for len(frames) > 0 { // in bursts
			k := 1 + r.IntN(len(frames))
			h.input(frames[:k]...)
			frames = frames[k:]
			h.step()
		}
		if len(cuts) == 0 && !v6 {
			continue // not a fragment
		}
		if len(h.rec.got) < 1 || !bytes.Equal(h.rec.got[0], payload) || int(h.rec.meta[0].L4Len) != len(payload) {
			t.Fatalf("round %d: %d delivered, cuts %v of %d\n%v", round, len(h.rec.got), cuts, len(payload), h.counters())
		}
	}
	h.now += 120e9 // late copies have opened packets of their own
	h.step()
	if n := h.s.states[0].reass.pool.Used(); n != 0 || h.s.states[0].reass.held != 0 {
		t.Errorf("%d packets, %d fragments left", n, h.s.states[0].reass.held)
	}
}

func TestReassemblyDrops(t *testing.T) {
	for _, c := range []struct {
		name   string
		frags  [][2]int // offset, length; the last one given ends the packet
		more   []bool
		reason string
		count  int
	}{
		{"overlap", [][2]int{{0, 64}, {56, 64}, {120, 8}}, []bool{true, true, false}, "overlapping fragments", 3},
		{"overlap from behind", [][2]int{{64, 64}, {0, 72}, {128, 8}}, []bool{true, true, false}, "overlapping fragments", 3},
		{"contained", [][2]int{{0, 128}, {32, 32}, {128, 8}}, []bool{true, true, false}, "overlapping fragments", 3},
		{"odd length", [][2]int{{0, 61}}, []bool{true}, "malformed fragments", 1},
		{"two ends", [][2]int{{64, 8}, {128, 8}}, []bool{false, false}, "malformed fragments", 2},
		{"beyond the end", [][2]int{{64, 8}, {128, 8}}, []bool{false, true}, "malformed fragments", 2},
		{"end before the end", [][2]int{{128, 8}, {64, 8}}, []bool{true, false}, "malformed fragments", 2},
		{"empty", [][2]int{{64, 0}}, []bool{false}, "malformed fragments", 1},
		{"beyond 64 kB", [][2]int{{65528, 64}}, []bool{false}, "malformed fragments", 1},
		{"duplicate", [][2]int{{0, 64}, {0, 64}}, []bool{true, true}, "duplicate fragments", 1},
	} {
		h := newSolo(t)
		for k, f := range c.frags {
			h.input(h.frame(hdr.EtherIP4, fragment4(9, f[0], pattern(f[1]), c.more[k])))
		}
		if n := h.errors("ip4-full-reassembly", c.reason); int(n) != c.count || len(h.rec.got) != 0 {
			t.Errorf("%s: counted %d, want %d; %d delivered; %v", c.name, n, c.count, len(h.rec.got), h.counters())
		}
	}
}

// TestReassemblyBeyond64K: the headers that count for the whole are those of the first
// fragment (RFC 791 section 3.2, RFC 8200 section 4.5), which may be longer than those of
// the last.
func TestReassemblyBeyond64K(t *testing.T) {
	h := newSolo(t)
	c := &chains{}
	h.s.Handle(hdr.ProtoUDP, c)
	fits := 65535 - hdr.IP4Len
	for _, n := range []int{fits - 8, fits} {
		for at := 0; at < n; at += 1400 {
			f := fragment4(uint16(n), at, pattern(min(1400, n-at)), at+1400 < n)
			f[9] = hdr.ProtoUDP
			if at == 0 { // eight bytes of options
				f = append(append(f[:20:20], 1, 1, 1, 1, 1, 1, 1, 0), f[20:]...)
				f[0] = 0x47
				f[2], f[3] = byte(len(f)>>8), byte(len(f))
			}
			f.SetChecksum()
			h.input(h.frame(hdr.EtherIP4, f))
		}
	}
	if n := h.errors("ip4-full-reassembly", "malformed fragments"); len(c.got) != 1 || n != 47 {
		t.Errorf("%d IPv4 packets delivered, %d fragments dropped", len(c.got), n)
	}
	c.got = nil
	for _, n := range []int{65535 - 8, 65535} {
		for at := 0; at < n; at += 1400 {
			k := min(1400, n-at)
			f := make([]byte, hdr.Frag6Len+k)
			hdr.Frag6(f).Put(hdr.ProtoUDP, at, at+k < n, uint32(n))
			copy(f[hdr.Frag6Len:], pattern(k))
			next := hdr.ExtFragment
			if at == 0 { // eight bytes of destination options
				next, f = hdr.ExtDest, append([]byte{hdr.ExtFragment, 0, 1, 4, 0, 0, 0, 0}, f...)
			}
			h.input(h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", next, f)))
		}
	}
	if n := h.errors("ip6-full-reassembly", "malformed fragments"); len(c.got) != 1 || n != 47 {
		t.Errorf("%d IPv6 packets delivered, %d fragments dropped; %v", len(c.got), n, h.counters())
	}
}

func TestReassemblyTimesOut(t *testing.T) {
	h := newSolo(t)
	h.input(h.frame(hdr.EtherIP4, fragment4(1, 0, pattern(64), true)),
		h.frame(hdr.EtherIP4, fragment4(2, 64, pattern(64), true)),
		h.frame(hdr.EtherIP6, fragment6(3, 0, pattern(64), true)))
	h.now += 29e9
	if out := h.take(); len(out) != 0 {
		t.Fatalf("answered too early: % x", out)
	}
	h.now += 2e9
	out := h.take()
	if len(out) != 1 || hdr.ICMP(out[0][34:]).Type() != hdr.ICMPTimeExceeded || hdr.ICMP(out[0][34:]).Code() != 1 {
		t.Fatalf("after 31 s: % x, want one time exceeded: only the packet with its first fragment", out)
	}
	judge(t, out[0])
	h.now += 30e9
	out = h.take()
	if len(out) != 1 || hdr.ICMP(out[0][54:]).Type() != hdr.ICMP6TimeExceeded || hdr.ICMP(out[0][54:]).Code() != 1 {
		t.Fatalf("after 61 s: % x", out)
	}
	judge(t, out[0])
	if n := h.errors("ip4-full-reassembly", "fragments dropped due to reassembly timeout"); n != 2 {
		t.Errorf("%d timeouts", n)
	}
}

func TestReassemblyIsBounded(t *testing.T) {
	h := newSolo(t)
	for id := range 3000 {
		h.input(h.frame(hdr.EtherIP4, fragment4(uint16(id), 64, pattern(8), true)))
	}
	r := h.s.states[0].reass
	if r.pool.Used() != maxAssemblies || r.held != maxAssemblies {
		t.Fatalf("%d packets, %d fragments", r.pool.Used(), r.held)
	}
	// The newest survive.
	h.input(h.frame(hdr.EtherIP4, fragment4(2999, 0, pattern(64), true)), h.frame(hdr.EtherIP4, fragment4(2999, 72, pattern(8), false)))
	if len(h.rec.got) != 1 {
		t.Fatalf("the newest packet was not completed: %v", h.counters())
	}
	for id := range 40 {
		for k := range 64 {
			h.input(h.frame(hdr.EtherIP4, fragment4(uint16(10000+id), 8+8*k, pattern(8), true)))
		}
	}
	if r.held > maxHeld {
		t.Fatalf("%d fragments held", r.held)
	}
	h.input(h.frame(hdr.EtherIP4, fragment4(10039, 8+8*64, pattern(8), true))) // one too many for one packet
	if r.find(&assemblyKey{src: ad("10.0.0.2"), dst: ad("10.0.0.1"), id: 10039, proto: hdr.ProtoTCP}) != 0 {
		t.Error("a packet of too many fragments is still there")
	}
	h.now += 31e9
	h.step()
	if r.pool.Used() != 0 || r.held != 0 || r.oldest != 0 || r.newest != 0 {
		t.Errorf("%d packets, %d fragments left", r.pool.Used(), r.held)
	}
}

// chains is a transport that takes packets of several buffers.
type chains struct{ recorder }

func (*chains) TakesChains() {}

func TestTooLargeForABuffer(t *testing.T) {
	h := newSolo(t)
	c := &chains{}
	h.s.Handle(hdr.ProtoUDP, c)
	for k, proto := range []uint8{hdr.ProtoTCP, hdr.ProtoUDP} {
		for _, f := range pieces4(uint16(77+k), pattern(4000), 1000, 2000, 3000) {
			f[9] = proto
			f.SetChecksum()
			h.input(h.frame(hdr.EtherIP4, f))
		}
	}
	if len(h.rec.got) != 0 || h.errors("ip4-local", "packet larger than a buffer") != 1 {
		t.Errorf("a transport that takes no chains got %d packets: %v", len(h.rec.got), h.counters())
	}
	if len(c.got) != 1 || c.meta[0].L4Len != 4000 || !bytes.Equal(c.got[0], pattern(1000)) {
		t.Errorf("a transport that takes chains got %d packets", len(c.got))
	}
}

// TestOutputFragments: what a transport sends that is larger than the path.
func TestOutputFragments(t *testing.T) {
	h := newSolo(t)
	h.ok(h.ifs.SetMTU(h.i, 1280))
	w := h.workers[0]
	send := func(ip []byte, dst hdr.Addr) {
		b := w.Bufs.Get()
		copy(b.Append(len(ip)), ip)
		h.s.Output(w, &Path{}, &dst, []*pkt.Buf{b})
	}
	payload := pattern(1400)
	ip4 := packet4("10.0.0.1", "10.0.0.2", hdr.ProtoTCP, payload)
	send(ip4, ad("10.0.0.2"))
	out := h.take()
	if len(out) != 2 {
		t.Fatalf("%d fragments: %v", len(out), h.counters())
	}
	var got []byte
	for k, f := range out {
		judge(t, f)
		p := hdr.IP4(f[14:])
		if p.FragOffset() != len(got) || p.MoreFragments() != (k == 0) || p.TotalLen() > 1280 || p.ID() == 0 || p.ID() != hdr.IP4(out[0][14:]).ID() {
			t.Errorf("fragment %d: % x", k, []byte(p[:20]))
		}
		got = append(got, p.Payload()...)
	}
	if !bytes.Equal(got, payload) {
		t.Error("payload differs")
	}
	// Don't fragment: the transport is told.
	df := packet4("10.0.0.1", "10.0.0.2", hdr.ProtoTCP, payload, func(f *hdr.IP4Fields) { f.FlagsFrag = hdr.IP4DontFragment })
	send(df, ad("10.0.0.2"))
	if out := h.take(); len(out) != 0 {
		t.Errorf("sent % x", out)
	}
	if e := h.rec.errors; len(e) != 1 || e[0].Kind != TooBig || e[0].MTU != 1280 || e[0].Local != ad("10.0.0.1") ||
		e[0].Remote != ad("10.0.0.2") || !bytes.Equal(e[0].Quoted[:8], payload[:8]) {
		t.Errorf("errors %+v", e)
	}
	send(packet6("2001:db8::1", "2001:db8::2", hdr.ProtoTCP, payload), ad("2001:db8::2"))
	out = h.take()
	got = nil
	for k, f := range out {
		p := hdr.IP6(f[14:])
		fr := hdr.Frag6(p.Payload())
		if p.Next() != hdr.ExtFragment || fr.Next() != hdr.ProtoTCP || fr.Offset() != len(got) || fr.More() != (k < len(out)-1) || p.TotalLen() > 1280 {
			t.Errorf("fragment %d: % x", k, []byte(p[:48]))
		}
		got = append(got, fr[8:]...)
	}
	if !bytes.Equal(got, payload) || len(out) != 2 {
		t.Errorf("%d fragments, payload equal: %v", len(out), bytes.Equal(got, payload))
	}
}

func TestBlankOptions(t *testing.T) {
	for _, c := range []struct{ in, want []byte }{
		{[]byte{1, 0x94, 4, 0, 0, 1}, []byte{1, 0x94, 4, 0, 0, 1}},          // copied flag
		{[]byte{7, 3, 4, 0x94, 4, 9, 9}, []byte{1, 1, 1, 0x94, 4, 9, 9}},    // record route is not copied
		{[]byte{0x44, 4, 5, 0, 7, 3, 4, 0}, []byte{1, 1, 1, 1, 1, 1, 1, 0}}, // nor is a time stamp
		{[]byte{7}, []byte{7}}, // malformed ones stay
		{[]byte{7, 1}, []byte{7, 1}},
		{[]byte{7, 255, 0}, []byte{7, 255, 0}},
		{[]byte{0, 7, 3, 4}, []byte{0, 7, 3, 4}}, // behind the end
	} {
		blankOptions(c.in)
		if !bytes.Equal(c.in, c.want) {
			t.Errorf("% x, want % x", c.in, c.want)
		}
	}
}
