package ip

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// goodTransport tells whether the TCP or UDP checksum of a packet is right.
func goodTransport(ip []byte) bool {
	if ip[0]>>4 == 4 {
		h := hdr.IP4(ip)
		src, dst := h.Src(), h.Dst()
		return hdr.Checksum(h.Payload(), hdr.Pseudo(&src, &dst, h.Proto()).Long(uint32(len(h.Payload())))).Good()
	}
	h := hdr.IP6(ip)
	src, dst := h.Src(), h.Dst()
	return hdr.Checksum(h.Payload(), hdr.Pseudo(&src, &dst, h.Next()).Long(uint32(len(h.Payload())))).Good()
}

// partial are packets whose checksum is left to the device: the field holds the sum of
// the pseudo-header.
func partial() map[string][]byte {
	out := map[string][]byte{}
	for name, p := range map[string][]byte{
		"tcp4": packet4("10.0.0.1", "10.0.0.2", hdr.ProtoTCP, append(segment(0), pattern(900)...)),
		"udp4": packet4("10.0.0.1", "10.0.0.2", hdr.ProtoUDP, pattern(901)),
		"tcp6": packet6("2001:db8::1", "2001:db8::2", hdr.ProtoTCP, append(segment(0), pattern(900)...)),
		"udp6": packet6("2001:db8::1", "2001:db8::2", hdr.ProtoUDP, pattern(901)),
	} {
		l4, at := 20, 6
		if name[3] == '6' {
			l4 = 40
		}
		if name[0] == 't' {
			at = 16
		}
		binary.BigEndian.PutUint16(p[l4+at:], 0x1234)
		out[name] = p
	}
	return out
}

// TestDevicesVouchForTooMuch: drivers (DPDK's i40e) call the checksum of anything good that
// has no error, fragments and ICMP included.
func TestDevicesVouchForTooMuch(t *testing.T) {
	h := newSolo(t)
	input := func(ethType hdr.EtherType, ip []byte) {
		b := h.workers[0].Bufs.Get()
		copy(b.Append(hdr.EtherLen+len(ip)), h.frame(ethType, ip))
		b.Iface, b.Arrived, b.Flags = h.i.Index, h.now, pkt.L4Good
		h.s.Input(h.workers[0], h.i, []*pkt.Buf{b})
	}
	for _, f := range pieces4(3, pattern(200), 96) {
		input(hdr.EtherIP4, f)
	}
	if len(h.rec.meta) != 1 || h.rec.meta[0].Flags&pkt.L4Good != 0 {
		t.Errorf("reassembled: %+v", h.rec.meta)
	}
	v4, v6 := echo4("10.0.0.2", "10.0.0.1", "data"), echo6("2001:db8::2", "2001:db8::1", "data")
	v4[len(v4)-1] ^= 1
	v6[len(v6)-1] ^= 1
	input(hdr.EtherIP4, v4)
	input(hdr.EtherIP6, v6)
	if out := h.take(); len(out) != 0 {
		t.Errorf("damaged echo requests answered: % x", out)
	}
}

func TestChecksumsAreCompleted(t *testing.T) {
	for name, p := range partial() {
		h := newSolo(t)
		w := h.workers[0]
		dst := ad("10.0.0.2")
		if p[0]>>4 == 6 {
			dst = ad("2001:db8::2")
		}
		send := func(path *Path) [][]byte {
			b := w.Bufs.Get()
			copy(b.Append(len(p)), p)
			b.Flags = pkt.CsumPartial
			h.s.Output(w, path, &dst, []*pkt.Buf{b})
			return h.take()
		}
		// By a path that the transport thinks is better than it is now.
		if out := send(&Path{Flags: PathTxCsum}); len(out) != 1 || !goodTransport(out[0][14:]) {
			t.Errorf("%s: by a path that has changed: %d packets, or a wrong checksum", name, len(out))
		}
		if name[3] == '6' {
			continue
		}
		// In fragments.
		h.ok(h.ifs.SetMTU(h.i, 576))
		out := send(&Path{})
		var whole []byte
		for _, f := range out {
			whole = append(whole, hdr.IP4(f[14:]).Payload()...)
		}
		if len(out) != 2 || !goodTransport(append(packet4("10.0.0.1", "10.0.0.2", p[9], make([]byte, len(whole)))[:20], whole...)) {
			t.Errorf("%s: in %d fragments: wrong checksum", name, len(out))
		}
	}
}

// TestForwardingCompletes: the first link is one that computes no checksums at all.
func TestForwardingCompletes(t *testing.T) {
	a, r := newHost(t, 1), newHost(t, 1)
	in, out := wire(t, a, r, sim.Config{Offload: true}), wire(t, r, a, sim.Config{})
	a.up("sim0", in.End(0), "10.0.0.1/24", "2001:db8::1/64")
	r.up("sim0", in.End(1), "10.0.0.254/24", "2001:db8::fe/64")
	right := r.up("sim1", out.End(0), "10.9.0.254/24", "2001:db8:9::fe/64")
	for to, via := range map[string]string{"10.9.0.0/24": "10.0.0.254", "2001:db8:9::/64": "2001:db8::fe"} {
		a.ok(a.s.FIB().AddRoute(fib.Route{Prefix: netip.MustParsePrefix(to), Kind: fib.Via, Hops: []fib.Hop{{Gateway: ad(via)}}}))
	}
	for _, to := range []string{"10.9.0.2", "2001:db8:9::2"} {
		r.ok(r.s.Neighbors().Set(right.Index, ad(to), peerMAC, true))
	}
	settle(t, a, r)
	good := 0
	out.Tap(0, func(f sim.Frame) {
		if goodTransport(f.Data[14:]) {
			good++
		}
	})
	w := a.workers[0]
	for _, p := range []hdr.IP4{packet4("10.0.0.1", "10.9.0.2", hdr.ProtoTCP, append(segment(0), pattern(99)...)), packet4("10.0.0.1", "10.9.0.2", hdr.ProtoUDP, pattern(100))} {
		dst := ad("10.9.0.2")
		var path Path
		a.ok(a.s.FindPath(w, &dst, 0, &path))
		if path.Flags&PathTxCsum == 0 {
			t.Fatal("the device of the test offers no checksums")
		}
		b := w.Bufs.Get()
		copy(b.Append(len(p)), p)
		b.Flags = pkt.CsumPartial
		a.s.Output(w, &path, &dst, []*pkt.Buf{b})
		settle(t, a, r)
	}
	if good != 2 {
		t.Errorf("%d of 2 packets left with a good checksum: %v", good, r.counters())
	}
}

// tracer notes what is reported.
type tracer struct{ steps []string }

func (t *tracer) Add(_ *worker.Worker, b *pkt.Buf, n *worker.TraceNode, off uint16, _ [4]uint64) {
	t.steps = append(t.steps, fmt.Sprintf("%s@%d", n.Name, off))
}
func (t *tracer) Drop(_ *worker.Worker, _ *pkt.Buf, node, why string) {
	t.steps = append(t.steps, node+": "+why)
}

func TestTrace(t *testing.T) {
	h := newSolo(t)
	tr := &tracer{}
	h.workers[0].SetTracer(tr)
	h.ok(h.s.FIB().AddRoute(fib.Route{Prefix: netip.MustParsePrefix("10.5.0.0/16"), Kind: fib.Via, Hops: []fib.Hop{{Gateway: ad("10.0.0.2")}}}))
	bad := packet4("10.0.0.2", "10.0.0.1", hdr.ProtoTCP, segment(0))
	bad[11] ^= 1
	for _, c := range []struct {
		name string
		f    []byte
		want string
	}{
		{"tcp", h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", hdr.ProtoTCP, segment(0))), "ethernet-input@0 ip4-input@14 ip4-receive@14"},
		{"tcp6", h.frame(hdr.EtherIP6, packet6("2001:db8::2", "2001:db8::1", hdr.ProtoTCP, segment(0))), "ethernet-input@0 ip6-input@14 ip6-receive@14"},
		{"echo", h.frame(hdr.EtherIP4, echo4("10.0.0.2", "10.0.0.1", "x")), "ethernet-input@0 ip4-input@14 ip4-receive@14 ip4-icmp-input@14"},
		{"forwarded", h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.5.0.1", hdr.ProtoTCP, segment(0))), "ethernet-input@0 ip4-input@14 ip4-rewrite@14"},
		{"arp", h.frame(hdr.EtherARP, pattern(28)), "ethernet-input@0 arp-input@14"},
		{"bad checksum", h.frame(hdr.EtherIP4, bad), "ethernet-input@0 ip4-input@14 ip4-input: bad ip4 checksum"},
		{"fragment", h.frame(hdr.EtherIP4, fragment4(1, 0, pattern(8), true)), "ethernet-input@0 ip4-input@14 ip4-full-reassembly@14"},
		{"no protocol", h.frame(hdr.EtherIP4, packet4("10.0.0.2", "10.0.0.1", 99, pattern(8))), "ethernet-input@0 ip4-input@14 ip4-icmp-error: destination unreachable response sent"},
	} {
		tr.steps = nil
		b := h.workers[0].Bufs.Get()
		copy(b.Append(len(c.f)), c.f)
		b.Iface, b.Trace = h.i.Index, 1
		h.s.Input(h.workers[0], h.i, []*pkt.Buf{b})
		if got := strings.Join(tr.steps, " "); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}
