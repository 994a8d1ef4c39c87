package ip

import (
	"bytes"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// recorder is a transport that notes what it gets.
type recorder struct {
	calls  []int // packets per call of Input
	got    [][]byte
	meta   []pkt.Meta
	errors []Error
}

func (r *recorder) Input(w *worker.Worker, bufs []*pkt.Buf) {
	r.calls = append(r.calls, len(bufs))
	for _, b := range bufs {
		r.got = append(r.got, bytes.Clone(b.At(b.L4)))
		r.meta = append(r.meta, b.Meta)
	}
	w.Bufs.PutN(bufs)
}

func (r *recorder) Error(_ *worker.Worker, e *Error) {
	c := *e
	c.Quoted = bytes.Clone(e.Quoted)
	r.errors = append(r.errors, c)
}

// solo is a host with one interface whose other end the test holds.
type solo struct {
	*host
	peer *host // only its pool is used
	wire *sim.Wire
	i    *iface.Interface
	rec  *recorder
	sent [][]byte
}

var peerMAC = hdr.MAC{2, 0xfe, 9, 9, 9, 9}

func newSolo(t testing.TB) *solo {
	t.Helper()
	h := &solo{host: newHost(t, 1), peer: newHost(t, 1), rec: &recorder{}}
	h.wire = wire(t, h.host, h.peer, sim.Config{})
	h.s.Handle(hdr.ProtoTCP, h.rec)
	h.i = h.up("sim0", h.wire.End(0), "10.0.0.1/24", "2001:db8::1/64")
	settle(t, h.host)
	h.wire.Tap(0, func(f sim.Frame) { h.sent = append(h.sent, bytes.Clone(f.Data)) })
	for _, a := range []string{"10.0.0.2", "2001:db8::2"} {
		h.ok(h.s.Neighbors().Set(h.i.Index, ad(a), peerMAC, true))
	}
	t.Cleanup(func() { // runs before close: drain what was sent to the peer
		b, _ := mem.Slice[*pkt.Buf](pkt.MaxBurst)
		for {
			n := h.wire.End(1).RxBurst(b)
			if n == 0 {
				return
			}
			h.peer.pool.Free(b[:n])
		}
	})
	return h
}

// take returns the frames that were sent since the last call.
func (h *solo) take() [][]byte {
	h.step()
	h.step()
	s := h.sent
	h.sent = nil
	return s
}

// frame is an Ethernet frame to the host.
func (h *solo) frame(t hdr.EtherType, ip []byte) []byte {
	f := make([]byte, hdr.EtherLen+len(ip))
	hdr.Ether(f).Put(h.i.MAC(), peerMAC, t)
	copy(f[hdr.EtherLen:], ip)
	return f
}

// input gives frames to the stack in one burst.
func (h *solo) input(frames ...[]byte) {
	h.t.Helper()
	bufs, err := mem.Slice[*pkt.Buf](len(frames))
	h.ok(err)
	for k, f := range frames {
		b := h.workers[0].Bufs.Get()
		copy(b.Append(len(f)), f)
		b.Iface, b.Arrived = h.i.Index, h.now
		bufs[k] = b
	}
	h.s.Input(h.workers[0], h.i, bufs)
}

func packet4(src, dst string, proto uint8, payload []byte, change ...func(*hdr.IP4Fields)) hdr.IP4 {
	f := hdr.IP4Fields{TotalLen: hdr.IP4Len + len(payload), TTL: 64, Proto: proto, Src: ad(src), Dst: ad(dst)}
	for _, c := range change {
		c(&f)
	}
	b := make(hdr.IP4, f.TotalLen)
	b.Put(&f)
	copy(b[hdr.IP4Len:], payload)
	return b
}

func packet6(src, dst string, next uint8, payload []byte) hdr.IP6 {
	b := make(hdr.IP6, hdr.IP6Len+len(payload))
	b.Put(&hdr.IP6Fields{PayloadLen: len(payload), Next: next, HopLimit: 64, Src: ad(src), Dst: ad(dst)})
	copy(b[hdr.IP6Len:], payload)
	return b
}

func echo(typ uint8, rest uint32, data string) []byte {
	m := make(hdr.ICMP, hdr.ICMPLen+len(data))
	m.Put(typ, 0, rest)
	copy(m.Body(), data)
	return m
}

func echo4(src, dst, data string) hdr.IP4 {
	m := echo(hdr.ICMPEchoRequest, 0x12340005, data)
	hdr.ICMP(m).SetChecksum4()
	return packet4(src, dst, hdr.ProtoICMP, m)
}

func echo6(src, dst, data string) hdr.IP6 {
	m := echo(hdr.ICMP6EchoRequest, 0x12340005, data)
	s, d := ad(src), ad(dst)
	hdr.ICMP(m).SetChecksum6(&s, &d)
	return packet6(src, dst, hdr.ProtoICMPv6, m)
}

// segment is the start of a TCP segment: enough to be told apart.
func segment(n int) []byte {
	b := make(hdr.TCP, 20+n%7)
	b.SetSrcPort(uint16(n))
	b.SetDstPort(80)
	b.SetHeaderLen(20)
	return b
}

func TestDeliveryKeepsOrder(t *testing.T) {
	h := newSolo(t)
	var frames [][]byte
	var want [][]byte
	for n := range 100 {
		ip := packet4("10.0.0.2", "10.0.0.1", hdr.ProtoTCP, segment(n))
		f := h.frame(hdr.EtherIP4, ip)
		if n%3 == 0 {
			f = append(f, make([]byte, 20)...) // padding of the link
		}
		frames = append(frames, f)
		want = append(want, ip.Payload())
		if n%10 == 0 {
			frames = append(frames, h.frame(hdr.EtherIP4, echo4("10.0.0.2", "10.0.0.1", "x")))
			frames = append(frames, h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", hdr.ProtoTCP, segment(1000+n))))
		}
	}
	h.input(frames...)
	if len(h.rec.calls) != 2 || h.rec.calls[0] != 100 || h.rec.calls[1] != 10 {
		t.Fatalf("Input was called with %v packets, want 100 and 10", h.rec.calls)
	}
	for n, w := range want {
		m := h.rec.meta[n]
		if !bytes.Equal(h.rec.got[n], w) {
			t.Fatalf("packet %d: % x, want % x", n, h.rec.got[n], w)
		}
		if m.L3 != 14 || m.L4 != 34 || int(m.L4Len) != len(w) || m.Proto != hdr.ProtoTCP || m.Flags != 0 || m.Arrived != h.now || m.Iface != h.i.Index {
			t.Fatalf("packet %d: meta %+v", n, m)
		}
	}
	if m := h.rec.meta[100]; m.Flags != pkt.V6 || m.L3 != 14 || m.L4 != 54 {
		t.Fatalf("IPv6 meta %+v", m)
	}
	if n := len(h.take()); n != 10 {
		t.Errorf("%d echo replies", n)
	}
}

func TestInputDrops(t *testing.T) {
	h := newSolo(t)
	good := packet4("10.0.0.2", "10.0.0.1", hdr.ProtoTCP, segment(1))
	edit := func(f func(b hdr.IP4) hdr.IP4) []byte {
		b := f(bytes.Clone(good))
		return h.frame(hdr.EtherIP4, b)
	}
	fixed := func(f func(b hdr.IP4)) []byte {
		return edit(func(b hdr.IP4) hdr.IP4 { f(b); b.SetChecksum(); return b })
	}
	from := func(src string) []byte {
		return h.frame(hdr.EtherIP4, packet4(src, "10.0.0.1", hdr.ProtoTCP, segment(1)))
	}
	to := func(dst string) []byte {
		return h.frame(hdr.EtherIP4, packet4("10.0.0.2", dst, hdr.ProtoTCP, segment(1)))
	}
	six := func(src, dst string) []byte {
		return h.frame(hdr.EtherIP6, packet6(src, dst, hdr.ProtoTCP, segment(1)))
	}
	six2 := func(f func(b hdr.IP6) hdr.IP6) []byte {
		return h.frame(hdr.EtherIP6, f(packet6("2001:db8::2", "2001:db8::1", hdr.ProtoTCP, segment(1))))
	}
	ether := func(dst hdr.MAC, f []byte) []byte { copy(f, dst[:]); return f }
	for _, c := range []struct {
		name, node, reason string
		f                  []byte
	}{
		{"short frame", "ethernet-input", "frame too short", edit(func(b hdr.IP4) hdr.IP4 { return b[:19] })},
		{"for another station", "ethernet-input", "l3 mac mismatch", ether(hdr.MAC{2, 1, 1, 1, 1, 1}, h.frame(hdr.EtherIP4, good))},
		{"vlan", "ethernet-input", "unknown vlan", h.frame(hdr.EtherVLAN, make([]byte, 64))},
		{"qinq", "ethernet-input", "unknown vlan", h.frame(hdr.EtherQinQ, make([]byte, 64))},
		{"unknown type", "ethernet-input", "unknown ethernet type", h.frame(0x88cc, make([]byte, 64))},
		{"version 6 in ip4", "ip4-input", "ip4 version != 4", fixed(func(b hdr.IP4) { b[0] = 0x65 })},
		{"header of 16 bytes", "ip4-input", "bad ip4 header length", edit(func(b hdr.IP4) hdr.IP4 { b[0] = 0x44; return b })},
		{"header past the end", "ip4-input", "bad ip4 header length", edit(func(b hdr.IP4) hdr.IP4 { b[0] = 0x4f; return b })},
		{"total < header", "ip4-input", "ip4 length > l2 length", fixed(func(b hdr.IP4) { b[2], b[3] = 0, 19 })},
		{"total > frame", "ip4-input", "ip4 length > l2 length", fixed(func(b hdr.IP4) { b[2] = 5 })},
		{"checksum", "ip4-input", "bad ip4 checksum", edit(func(b hdr.IP4) hdr.IP4 { b[10] ^= 1; return b })},
		{"checksum with options", "ip4-input", "bad ip4 checksum", edit(func(b hdr.IP4) hdr.IP4 { b[0] = 0x46; return b })},
		{"from 0.0.0.0", "ip4-input", "ip4 source address is not a host", from("0.0.0.0")},
		{"from 127.0.0.1", "ip4-input", "ip4 source address is not a host", from("127.0.0.1")},
		{"from a group", "ip4-input", "ip4 source address is not a host", from("224.0.0.1")},
		{"from broadcast", "ip4-input", "ip4 source address is not a host", from("255.255.255.255")},
		{"from subnet broadcast", "ip4-input", "ip4 source address is not a host", from("10.0.0.255")},
		{"from ourselves", "ip4-input", "ip4 spoofed local-address packet drops", from("10.0.0.1")},
		{"to 0.0.0.0", "ip4-input", "ip4 destination address is not a host", to("0.0.0.0")},
		{"to 127.0.0.1", "ip4-input", "ip4 destination address is not a host", to("127.0.0.1")},
		{"to class E", "ip4-input", "ip4 destination address is not a host", to("250.0.0.1")},
		{"to a strange group", "ip4-input", "ip4 multicast group not joined", ether(hdr.MAC{1, 0, 0x5e, 1, 1, 1}, to("239.1.1.1"))},
		{"unicast in broadcast", "ip4-input", "ip4 unicast in a broadcast frame", ether(hdr.BroadcastMAC, to("10.0.0.1"))},
		{"not to be forwarded", "ip4-lookup", "ip4 packet must not be forwarded", ether(hdr.BroadcastMAC, to("10.0.0.77"))},
		{"short ip6", "ip6-input", "ip6 length < 40 bytes", six2(func(b hdr.IP6) hdr.IP6 { return b[:39] })},
		{"version 4 in ip6", "ip6-input", "ip6 version != 6", six2(func(b hdr.IP6) hdr.IP6 { b[0] = 0x40; return b })},
		{"payload > frame", "ip6-input", "ip6 length > l2 length", six2(func(b hdr.IP6) hdr.IP6 { b[4] = 1; return b })},
		{"from ::1", "ip6-input", "ip6 source address is not a host", six("::1", "2001:db8::1")},
		{"from ::", "ip6-input", "ip6 source address is not a host", six("::", "2001:db8::1")},
		{"from ff02::1", "ip6-input", "ip6 source address is not a host", six("ff02::1", "2001:db8::1")},
		{"from an IPv4 address", "ip6-input", "ip6 source address is not a host", six("::ffff:10.0.0.2", "2001:db8::1")},
		{"to an IPv4 address", "ip6-input", "ip6 destination address is not a host", six("2001:db8::2", "::ffff:10.0.0.1")},
		{"from ourselves", "ip6-input", "ip6 spoofed local-address packet drops", six("2001:db8::1", "2001:db8::1")},
		{"to ::", "ip6-input", "ip6 destination address is not a host", six("2001:db8::2", "::")},
		{"to ::1", "ip6-input", "ip6 destination address is not a host", six("2001:db8::2", "::1")},
		{"to somebody's link-local", "ip6-input", "ip6 destination address is not a host", six("2001:db8::2", "fe80::77")},
		{"to a strange group", "ip6-input", "ip6 multicast group not joined", ether(hdr.MAC{0x33, 0x33, 0, 0, 0, 9}, six("2001:db8::2", "ff02::9"))},
		{"no next header", "ip6-local", "no next header", h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", hdr.NoNext, nil))},
		{"bad icmp checksum", "ip4-icmp-input", "bad icmp checksum", h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", hdr.ProtoICMP, echo(8, 1, "x")))},
		{"bad icmp6 checksum", "ip6-icmp-input", "bad icmp checksum", h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", hdr.ProtoICMPv6, echo(128, 1, "x")))},
		{"short icmp", "ip4-icmp-input", "payload length too small for type", h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", hdr.ProtoICMP, []byte{8, 0, 0}))},
		{"unknown icmp", "ip4-icmp-input", "unknown type", h.frame(hdr.EtherIP4, func() hdr.IP4 {
			m := echo(13, 1, "x")
			hdr.ICMP(m).SetChecksum4()
			return packet4("10.0.0.2", "10.0.0.1", hdr.ProtoICMP, m)
		}())},
		{"echo to broadcast", "ip4-icmp-input", "echo request to a group ignored", ether(hdr.BroadcastMAC, h.frame(hdr.EtherIP4, echo4("10.0.0.2", "10.0.0.255", "x")))},
		{"unwanted reply", "ip4-icmp-input", "echo replies nobody waits for", h.frame(hdr.EtherIP4, func() hdr.IP4 {
			m := echo(0, 1, "x")
			hdr.ICMP(m).SetChecksum4()
			return packet4("10.0.0.2", "10.0.0.1", hdr.ProtoICMP, m)
		}())},
	} {
		before := h.errors(c.node, c.reason)
		h.input(c.f)
		if n := h.errors(c.node, c.reason) - before; n != 1 {
			t.Errorf("%s: counted %d times as %s: %s\n%v", c.name, n, c.node, c.reason, h.counters())
		}
		if out := h.take(); len(out) != 0 {
			t.Errorf("%s: answered with % x", c.name, out)
		}
		if len(h.rec.got) != 0 {
			t.Fatalf("%s: delivered", c.name)
		}
	}
	ifc, err := h.ifs.Counters(h.i)
	if err != nil || ifc.Drops < 40 {
		t.Errorf("interface counts %d drops (%v)", ifc.Drops, err)
	}
}

func TestIP4OptionsAreSkipped(t *testing.T) {
	h := newSolo(t)
	b := make(hdr.IP4, 48)
	b.Put(&hdr.IP4Fields{TotalLen: 48, TTL: 1, Proto: hdr.ProtoTCP, Src: ad("10.0.0.2"), Dst: ad("10.0.0.1")})
	b[0] = 0x47
	copy(b[20:], []byte{1, 1, 1, 1, 148, 4, 0, 0})
	copy(b[28:], segment(0))
	b.SetChecksum()
	h.input(h.frame(hdr.EtherIP4, b))
	if len(h.rec.got) != 1 || !bytes.Equal(h.rec.got[0], b[28:]) || h.rec.meta[0].L4 != 42 {
		t.Fatalf("got % x, %v", h.rec.got, h.counters())
	}
}

func TestGroupsAreReceived(t *testing.T) {
	h := newSolo(t)
	send := func(dst hdr.MAC, et hdr.EtherType, ip []byte) {
		f := h.frame(et, ip)
		copy(f, dst[:])
		h.input(f)
	}
	send(hdr.BroadcastMAC, hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.255", hdr.ProtoTCP, segment(0)))
	send(hdr.BroadcastMAC, hdr.EtherIP4, packet4("10.0.0.2", "255.255.255.255", hdr.ProtoTCP, segment(0)))
	send(hdr.MAC{1, 0, 0x5e, 0, 0, 1}, hdr.EtherIP4, packet4("10.0.0.2", "224.0.0.1", hdr.ProtoTCP, segment(0)))
	send(hdr.GroupMAC(&hdr.AllNodes), hdr.EtherIP6, packet6("2001:db8::2", "ff02::1", hdr.ProtoTCP, segment(0)))
	want := []pkt.Flags{pkt.Broadcast, pkt.Broadcast, pkt.Multicast, pkt.Multicast | pkt.V6}
	if len(h.rec.meta) != len(want) {
		t.Fatalf("%d delivered: %v", len(h.rec.meta), h.counters())
	}
	for n, f := range want {
		if h.rec.meta[n].Flags != f {
			t.Errorf("packet %d: flags %x, want %x", n, h.rec.meta[n].Flags, f)
		}
	}
}

func TestIP6Extensions(t *testing.T) {
	h := newSolo(t)
	ext := func(next uint8, opts ...byte) []byte {
		b := append([]byte{next, 0}, opts...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		b[1] = byte(len(b)/8 - 1)
		return b
	}
	cat := func(b ...[]byte) []byte { return bytes.Join(b, nil) }
	tcp := segment(0)
	for _, c := range []struct {
		name    string
		first   uint8
		rest    []byte
		deliver bool
		answer  [3]int // type, code, pointer of a parameter problem
	}{
		{"hop by hop with router alert", 0, cat(ext(6, 5, 2, 0, 0), tcp), true, [3]int{}},
		{"destination options, skippable", 60, cat(ext(6, 0x3e, 1, 0), tcp), true, [3]int{}},
		{"both", 0, cat(ext(60, 1, 4, 0, 0, 0, 0), ext(6), tcp), true, [3]int{}},
		{"atomic fragment", 44, cat([]byte{6, 0, 0, 0, 1, 2, 3, 4}, tcp), true, [3]int{}},
		{"routing without segments left", 43, cat(ext(6, 0, 0), tcp), true, [3]int{}},
		{"routing with segments left", 43, cat(ext(6, 0, 1), tcp), false, [3]int{4, 0, 42}},
		{"option to discard", 60, cat(ext(6, 0x7e, 1, 0), tcp), false, [3]int{}},
		{"option to report", 60, cat(ext(6, 0, 0xbe, 1, 0), tcp), false, [3]int{4, 2, 43}},
		{"option past the end", 60, cat(ext(6, 0x3e, 99), tcp), false, [3]int{}},
		{"hop by hop in second place", 60, cat(ext(0), ext(6), tcp), false, [3]int{4, 1, 40}},
		{"unknown protocol", 200, tcp, false, [3]int{4, 1, 6}},
		{"unknown protocol behind options", 60, cat(ext(200), tcp), false, [3]int{4, 1, 40}},
		{"authentication", 51, cat([]byte{6, 4, 0, 0}, make([]byte, 20), tcp), false, [3]int{4, 1, 6}},
		{"length past the end", 60, []byte{6, 9, 0, 0, 0, 0, 0, 0}, false, [3]int{}},
		{"too many", 60, cat(bytes.Repeat(ext(60), 9), ext(6), tcp), false, [3]int{}},
	} {
		h.rec.got = nil
		h.input(h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", c.first, c.rest)))
		if (len(h.rec.got) == 1) != c.deliver || c.deliver && !bytes.Equal(h.rec.got[0], tcp) {
			t.Errorf("%s: delivered % x", c.name, h.rec.got)
		}
		out := h.take()
		if c.answer[0] == 0 {
			if len(out) != 0 {
				t.Errorf("%s: answered % x", c.name, out)
			}
			continue
		}
		if len(out) != 1 {
			t.Errorf("%s: %d answers", c.name, len(out))
			continue
		}
		m := hdr.ICMP(out[0][54:])
		if int(m.Type()) != c.answer[0] || int(m.Code()) != c.answer[1] || int(m.Rest()) != c.answer[2] {
			t.Errorf("%s: answered with type %d code %d pointer %d", c.name, m.Type(), m.Code(), m.Rest())
		}
		judge(t, out[0])
	}
}

// TestFragmentedND: neighbour discovery must not come in fragments, not even in a single one
// (RFC 6980 section 5).
func TestFragmentedND(t *testing.T) {
	h := newSolo(t)
	target, src := ad("2001:db8::1"), ad("2001:db8::77")
	nd := make(hdr.ND, hdr.NDLen+hdr.NDOptLen)
	nd.Put(hdr.ICMP6NeighSolicit, 0, &target, hdr.NDSourceLL, peerMAC)
	hdr.ICMP(nd).SetChecksum6(&src, &target)
	send := func(off, end int) {
		f := make([]byte, hdr.Frag6Len+end-off)
		hdr.Frag6(f).Put(hdr.ProtoICMPv6, off, end < len(nd), 7)
		copy(f[hdr.Frag6Len:], nd[off:end])
		ip := packet6("2001:db8::77", "2001:db8::1", hdr.ExtFragment, f)
		ip[7] = 255
		h.input(h.frame(hdr.EtherIP6, ip))
	}
	send(0, len(nd))
	send(0, 16)
	send(16, len(nd))
	if n := h.errors("ip6-icmp-input", "neighbor discovery message in fragments"); n != 2 {
		t.Errorf("%d counted, want 2", n)
	}
	if out := h.take(); len(out) != 0 {
		t.Errorf("answered: % x", out)
	}
	ip := packet6("2001:db8::77", "2001:db8::1", hdr.ProtoICMPv6, nd)
	ip[7] = 255
	h.input(h.frame(hdr.EtherIP6, ip))
	if out := h.take(); len(out) != 1 {
		t.Errorf("%d frames in answer to a whole message", len(out))
	}
}

func TestEchoReplies(t *testing.T) {
	h := newSolo(t)
	h.input(h.frame(hdr.EtherIP4, echo4("10.0.0.2", "10.0.0.1", "payload")),
		h.frame(hdr.EtherIP6, echo6("2001:db8::2", "2001:db8::1", "payload")))
	f := h.frame(hdr.EtherIP6, echo6("2001:db8::2", "ff02::1", "group")) // RFC 4443: answered from our own address
	m := hdr.GroupMAC(&hdr.AllNodes)
	copy(f, m[:])
	h.input(f)
	out := h.take()
	if len(out) != 3 {
		t.Fatalf("%d replies: %v", len(out), h.counters())
	}
	for _, f := range out {
		judge(t, f)
		if hdr.Ether(f).Dst() != peerMAC {
			t.Errorf("reply to %s", hdr.Ether(f).Dst())
		}
	}
	r4, r6, rg := hdr.IP4(out[0][14:]), hdr.IP6(out[1][14:]), hdr.IP6(out[2][14:])
	if r4.Src() != ad("10.0.0.1") || r4.Dst() != ad("10.0.0.2") || hdr.ICMP(r4.Payload()).Type() != 0 ||
		hdr.ICMP(r4.Payload()).Rest() != 0x12340005 || string(hdr.ICMP(r4.Payload()).Body()) != "payload" {
		t.Errorf("IPv4 reply % x", []byte(r4))
	}
	if r6.Src() != ad("2001:db8::1") || r6.Dst() != ad("2001:db8::2") || hdr.ICMP(r6.Payload()).Type() != 129 ||
		string(hdr.ICMP(r6.Payload()).Body()) != "payload" {
		t.Errorf("IPv6 reply % x", []byte(r6))
	}
	if rg.Src() != ad("2001:db8::1") || string(hdr.ICMP(rg.Payload()).Body()) != "group" {
		t.Errorf("reply to a group % x", []byte(rg))
	}
}

func TestInterfaceComesAndGoes(t *testing.T) {
	h := newSolo(t)
	w := h.workers[0]
	own, p := ad("10.0.0.1"), Path{}
	dst := ad("10.0.0.2")
	h.ok(h.s.FindPath(w, &dst, 0, &p))
	if !h.s.IsLocal(w, &own) || p.MTU != 1500 || p.Iface != h.i.Index {
		t.Fatalf("path %+v", p)
	}
	h.ok(h.ifs.SetMTU(h.i, 1400))
	old := p.Epoch
	h.ok(h.s.FindPath(w, &dst, 0, &p))
	if p.MTU != 1400 || p.Epoch == old {
		t.Errorf("after the MTU changed: %+v", p)
	}
	h.ok(h.ifs.SetUp(h.i, false))
	if err := h.s.FindPath(w, &dst, 0, &p); err != ErrNoRoute || h.s.IsLocal(w, &own) {
		t.Errorf("interface down: %v", err)
	}
	h.ok(h.ifs.SetUp(h.i, true))
	out := h.take() // everybody is told again
	var arps, nas int
	for _, f := range out {
		switch hdr.Ether(f).Type() {
		case hdr.EtherARP:
			arps++
		case hdr.EtherIP6:
			nas++
		}
	}
	if arps != 1 || nas != 2 {
		t.Errorf("announced with %d ARP and %d ND messages, want 1 and 2", arps, nas)
	}
	h.ok(h.ifs.AddAddr(h.i, netip.MustParsePrefix("10.7.0.1/16")))
	if out := h.take(); len(out) != 1 || hdr.ARP(out[0][14:]).SenderIP() != ad("10.7.0.1") {
		t.Errorf("new address announced with % x", out)
	}
	h.ok(h.ifs.RemoveAddr(h.i, netip.MustParsePrefix("10.0.0.1/24")))
	if h.s.IsLocal(w, &own) {
		t.Error("a removed address is still ours")
	}
	h.ok(h.ifs.SetMAC(h.i, [6]byte{2, 7, 7, 7, 7, 7}))
	ll := hdr.LinkLocal(hdr.MAC{2, 7, 7, 7, 7, 7})
	if !h.s.IsLocal(w, &ll) {
		t.Error("link-local address does not follow the MAC")
	}
	h.take()
	a := ad("10.7.0.9")
	h.ok(h.s.Neighbors().Set(h.i.Index, a, peerMAC, true))
	h.input(func() []byte {
		f := h.frame(hdr.EtherIP4, echo4("10.7.0.9", "10.7.0.1", "x"))
		copy(f, []byte{2, 7, 7, 7, 7, 7})
		return f
	}())
	if out := h.take(); len(out) != 1 || hdr.Ether(out[0]).Src() != (hdr.MAC{2, 7, 7, 7, 7, 7}) {
		t.Errorf("after a new MAC: % x, %v", out, h.counters())
	}
}
