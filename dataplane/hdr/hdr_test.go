package hdr

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func addr(s string) Addr { return AddrOf(netip.MustParseAddr(s)) }

func TestAddr(t *testing.T) {
	for _, c := range []struct {
		a                         string
		is4, mc, ll, lo, zero, bc bool
	}{
		{a: "10.0.0.1", is4: true},
		{a: "224.0.0.1", is4: true, mc: true},
		{a: "239.255.255.255", is4: true, mc: true},
		{a: "240.0.0.0", is4: true},
		{a: "127.8.8.8", is4: true, lo: true},
		{a: "0.0.0.0", is4: true, zero: true},
		{a: "255.255.255.255", is4: true, bc: true},
		{a: "::", zero: true},
		{a: "::1", lo: true},
		{a: "fe80::1", ll: true},
		{a: "febf::1", ll: true},
		{a: "fec0::1"},
		{a: "ff02::1", mc: true},
		{a: "2001:db8::1"},
	} {
		a := addr(c.a)
		if a.Is4() != c.is4 || a.IsMulticast() != c.mc || a.IsLinkLocal() != c.ll || a.IsLoopback() != c.lo ||
			a.IsZero() != c.zero || a.IsLimitedBroadcast() != c.bc {
			t.Errorf("%s: is4 %v multicast %v link-local %v loopback %v zero %v broadcast %v", c.a,
				a.Is4(), a.IsMulticast(), a.IsLinkLocal(), a.IsLoopback(), a.IsZero(), a.IsLimitedBroadcast())
		}
		if a.String() != c.a {
			t.Errorf("%s prints as %s", c.a, a)
		}
	}
	m := MAC{0x02, 0xfe, 0x36, 0x81, 0x26, 0x39}
	if got := LinkLocal(m).String(); got != "fe80::fe:36ff:fe81:2639" {
		t.Errorf("link-local address %s", got)
	}
	a := addr("2001:db8::12:3456")
	if got := a.SolicitedNode(); got != addr("ff02::1:ff12:3456") {
		t.Errorf("solicited-node group %s", got)
	}
	g4, g6 := addr("239.129.2.3"), addr("ff02::1:ff12:3456")
	if GroupMAC(&g4).String() != "01:00:5e:01:02:03" || GroupMAC(&g6).String() != "33:33:ff:12:34:56" {
		t.Errorf("group addresses %s %s", GroupMAC(&g4), GroupMAC(&g6))
	}
}

func TestEtherARP(t *testing.T) {
	// A request as Linux sends it.
	raw := unhex(t, `ffffffffffff 02fe36812639 0806 0001 0800 06 04 0001
		02fe36812639 c0a80b01 000000000000 c0a80b02`)
	e := Ether(raw)
	if !e.Valid() || !e.Dst().IsGroup() || e.Dst() != BroadcastMAC || e.Src().String() != "02:fe:36:81:26:39" || e.Type() != EtherARP {
		t.Fatalf("ethernet %v %v %x", e.Dst(), e.Src(), e.Type())
	}
	a := ARP(e.Payload())
	sip, tip := addr("192.168.11.1"), addr("192.168.11.2")
	if !a.Valid() || a.Op() != ARPRequest || a.SenderMAC() != e.Src() || a.SenderIP() != sip || !a.TargetMAC().IsZero() || a.TargetIP() != tip {
		t.Fatal("arp fields")
	}
	out := make([]byte, len(raw))
	Ether(out).Put(BroadcastMAC, e.Src(), EtherARP)
	ARP(out[EtherLen:]).Put(ARPRequest, e.Src(), &sip, MAC{}, &tip)
	if !bytes.Equal(out, raw) {
		t.Fatalf("put %x\nwant %x", out, raw)
	}
	for _, i := range []int{0, 3, 4, 5} { // hardware type, protocol, lengths
		bad := bytes.Clone(raw[EtherLen:])
		bad[i] ^= 1
		if ARP(bad).Valid() {
			t.Errorf("valid with byte %d wrong", i)
		}
	}
	if ARP(raw[EtherLen:EtherLen+27]).Valid() || Ether(raw[:13]).Valid() {
		t.Error("a short header is valid")
	}
}

func TestIP4(t *testing.T) {
	f := IP4Fields{TOS: 0xb9, TotalLen: 24, ID: 0x1234, FlagsFrag: IP4DontFragment, TTL: 64, Proto: ProtoUDP,
		Src: addr("192.0.2.1"), Dst: addr("198.51.100.7")}
	b := make([]byte, 28) // four bytes of link padding
	IP4(b).Put(&f)
	h := IP4(b)
	if !h.Valid() || !h.GoodChecksum() || len(h.Payload()) != 4 || len(h.Options()) != 0 {
		t.Fatalf("not valid: % x", b)
	}
	p := gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
	g := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	if g.TOS != h.TOS() || int(g.Length) != h.TotalLen() || g.Id != h.ID() || g.TTL != h.TTL() || uint8(g.Protocol) != h.Proto() ||
		g.Checksum != h.Checksum() || g.SrcIP.String() != h.Src().String() || g.DstIP.String() != h.Dst().String() ||
		g.Flags != layers.IPv4DontFragment || !h.DontFragment() || h.IsFragment() {
		t.Fatalf("fields differ from %+v", g)
	}
	for h.TTL() > 1 {
		h.DecTTL()
		if !h.GoodChecksum() || !Checksum(h[:20], 0).Good() {
			t.Fatalf("checksum wrong at ttl %d", h.TTL())
		}
	}
	for i := range 20 {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if h.Valid() && h.GoodChecksum() {
				t.Fatalf("flipped bit %d of byte %d unnoticed", bit, i)
			}
			b[i] ^= 1 << bit
		}
	}
	for name, bad := range map[string]func(IP4) IP4{
		"short":          func(h IP4) IP4 { return h[:19] },
		"version":        func(h IP4) IP4 { h[0] = 0x65; return h },
		"header length":  func(h IP4) IP4 { h[0] = 0x44; return h },
		"header > total": func(h IP4) IP4 { h[0] = 0x47; return h },
		"total < header": func(h IP4) IP4 { h[3] = 19; return h },
		"total > bytes":  func(h IP4) IP4 { h[3] = 29; return h },
	} {
		if bad(bytes.Clone(b)).Valid() {
			t.Errorf("%s: valid", name)
		}
	}
	frag := IP4Fields{TotalLen: 20, FlagsFrag: IP4MoreFragments | 185, TTL: 1}
	h.Put(&frag)
	if !h.IsFragment() || !h.MoreFragments() || h.FragOffset() != 1480 || h.DontFragment() {
		t.Error("fragment fields")
	}
}

func TestIP4ChecksumWithOptions(t *testing.T) {
	b := make([]byte, 32)
	f := IP4Fields{TotalLen: 32, TTL: 9, Proto: ProtoTCP, Src: addr("1.2.3.4"), Dst: addr("5.6.7.8")}
	IP4(b).Put(&f)
	b[0] = 0x47
	copy(b[20:], []byte{1, 148, 4, 0, 0, 1, 0, 0}) // NOP, router alert, NOP, end
	IP4(b).SetChecksum()
	h := IP4(b)
	if !h.Valid() || !h.GoodChecksum() || len(h.Payload()) != 4 {
		t.Fatal("not valid")
	}
	kind, data, rest, bad := h.Options().Next()
	if kind != 148 || !bytes.Equal(data, []byte{0, 0}) || bad {
		t.Fatalf("first option %d % x", kind, data)
	}
	if kind, _, _, bad = rest.Next(); kind != 0 || bad {
		t.Fatalf("after the last option: %d", kind)
	}
	b[21] ^= 1
	if h.GoodChecksum() {
		t.Fatal("a changed option went unnoticed")
	}
}

func TestIP6Extensions(t *testing.T) {
	b := make([]byte, 40+8+24+8+4)
	f := IP6Fields{Class: 0xb8, FlowLabel: 0xabcde, PayloadLen: 44, Next: ExtHopByHop, HopLimit: 3, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2")}
	h := IP6(b)
	h.Put(&f)
	copy(b[40:], []byte{ExtAuth, 0, 5, 2, 0, 0, 1, 0}) // router alert, PadN
	copy(b[48:], []byte{ExtFragment, 4, 0, 0})         // AH of 24 bytes
	Frag6(b[72:]).Put(ProtoUDP, 0, true, 0x01020304)   // first fragment
	copy(b[80:], []byte{1, 2, 3, 4})                   // payload
	if !h.Valid() || h.Class() != 0xb8 || h.FlowLabel() != 0xabcde || h.Next() != 0 || h.HopLimit() != 3 || h.Src() != f.Src || h.Dst() != f.Dst {
		t.Fatal("fixed header")
	}
	x := h.Exts()
	var got []Ext
	for x.Next() {
		got = append(got, x.Ext)
	}
	want := []Ext{{ExtHopByHop, 40, 8}, {ExtAuth, 48, 24}, {ExtFragment, 72, 8}}
	if x.Bad || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || x.Proto != ProtoUDP || x.End != 80 {
		t.Fatalf("walk %v, then %d at %d, bad %v", got, x.Proto, x.End, x.Bad)
	}
	fr := Frag6(b[72:])
	if fr.Next() != ProtoUDP || fr.Offset() != 0 || !fr.More() || fr.ID() != 0x01020304 {
		t.Fatal("fragment header")
	}
	o := NewOpts6(b[40:48])
	if !o.Next() || o.Type != 5 || o.Off != 2 || !bytes.Equal(o.Data, []byte{0, 0}) || o.Next() || o.Bad {
		t.Fatal("options")
	}
	// Behind a later fragment there is no header to walk.
	Frag6(b[72:]).Put(ExtDest, 8, false, 1)
	x = h.Exts()
	for x.Next() {
	}
	if x.Bad || x.Proto != ExtDest || x.End != 80 {
		t.Fatalf("walked on behind a later fragment: %d at %d", x.Proto, x.End)
	}
	// A header that says it is longer than the packet.
	b[41] = 200
	x = h.Exts()
	if x.Next() || !x.Bad {
		t.Fatal("overlong extension header not noticed")
	}
	if IP6(b[:83]).Valid() || IP6(b[:39]).Valid() {
		t.Fatal("valid although cut")
	}
}

func TestTCP(t *testing.T) {
	b := make([]byte, 40)
	h := TCP(b)
	h.SetSrcPort(21476)
	h.SetDstPort(1235)
	h.SetSeq(SeqOf(0x931b84ea))
	h.SetAck(SeqOf(0x379f666e))
	h.SetHeaderLen(36)
	h.SetFlags(SYN | ACK | ECE)
	h.SetWindow(4096)
	h.SetChecksum(0x3435)
	h.SetUrgent(7)
	copy(b[20:], []byte{2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 0, 0})
	if !h.Valid() || len(h.Payload()) != 4 {
		t.Fatal("not valid")
	}
	p := gopacket.NewPacket(b, layers.LayerTypeTCP, gopacket.Default)
	g := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if uint16(g.SrcPort) != h.SrcPort() || uint16(g.DstPort) != h.DstPort() || g.Seq != h.Seq().Val() || g.Ack != h.Ack().Val() ||
		!g.SYN || !g.ACK || !g.ECE || g.FIN || g.RST || g.PSH || g.URG || g.CWR || g.Window != h.Window() || g.Checksum != h.Checksum() || g.Urgent != h.Urgent() {
		t.Fatalf("fields differ from %+v", g)
	}
	if h.Flags().String() != "SYN ACK ECE" {
		t.Fatalf("flags print as %s", h.Flags())
	}
	var kinds []uint8
	for o := h.Options(); ; {
		kind, data, rest, bad := o.Next()
		if bad {
			t.Fatal("bad option")
		}
		if kind == 0 {
			break
		}
		if kind == TCPOptMSS && !bytes.Equal(data, []byte{5, 180}) {
			t.Fatalf("mss % x", data)
		}
		kinds, o = append(kinds, kind), rest
	}
	if !bytes.Equal(kinds, []byte{TCPOptMSS, TCPOptWScale, TCPOptSACKPerm}) {
		t.Fatalf("options %v", kinds)
	}
	for _, n := range []uint8{4, 11} { // header of 16 bytes, of 44
		b[12] = n << 4
		if h.Valid() {
			t.Errorf("valid with data offset %d", n)
		}
	}
	for _, o := range []Options{{2}, {2, 1}, {2, 4, 0}} {
		if _, _, _, bad := o.Next(); !bad {
			t.Errorf("option % x is not bad", []byte(o))
		}
	}
}

func TestUDP(t *testing.T) {
	b := make([]byte, 12)
	h := UDP(b)
	h.Put(53, 1024, 10, 0xbeef)
	if !h.Valid() || h.SrcPort() != 53 || h.DstPort() != 1024 || h.Length() != 10 || h.Checksum() != 0xbeef || len(h.Payload()) != 2 {
		t.Fatal("fields")
	}
	h.Put(1, 2, 13, 0)
	if h.Valid() {
		t.Error("valid although longer than its bytes")
	}
	h.Put(1, 2, 7, 0)
	if h.Valid() {
		t.Error("valid although shorter than its header")
	}
	if UDPChecksum(Sum(0xffff)) != 0xffff || UDPChecksum(Sum(0x1234)) != ^uint16(0x1234) {
		t.Error("checksum field")
	}
}

func TestICMPAndND(t *testing.T) {
	b := make([]byte, 16)
	h := ICMP(b)
	h.Put(ICMPEchoRequest, 0, 0x12340007)
	copy(h.Body(), "payload!")
	h.SetChecksum4()
	if !h.Valid() || h.ID() != 0x1234 || h.EchoSeq() != 7 || !Checksum(b, 0).Good() {
		t.Fatal("echo")
	}
	src, dst, m := addr("fe80::1"), addr("ff02::1:ff00:2"), MAC{2, 0xfe, 0, 0, 0, 1}
	target := addr("fe80::2")
	nd := make(ND, NDLen+NDOptLen)
	nd.Put(ICMP6NeighSolicit, 0, &target, NDSourceLL, m)
	ICMP(nd).SetChecksum6(&src, &dst)
	if !nd.Valid() || nd.Target() != target {
		t.Fatal("solicitation")
	}
	if got, ok := nd.LinkAddr(NDSourceLL); !ok || got != m {
		t.Fatal("source link-layer address")
	}
	if _, ok := nd.LinkAddr(NDTargetLL); ok {
		t.Fatal("found an option that is not there")
	}
	// The judge: gopacket verifies our checksum.
	pkt := make([]byte, IP6Len+len(nd))
	IP6(pkt).Put(&IP6Fields{PayloadLen: len(nd), Next: ProtoICMPv6, HopLimit: 255, Src: src, Dst: dst})
	copy(pkt[IP6Len:], nd)
	p := gopacket.NewPacket(pkt, layers.LayerTypeIPv6, gopacket.Default)
	if err := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6).SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	if err, bad := p.VerifyChecksums(); err != nil || len(bad) != 0 {
		t.Fatalf("checksum: %v %v", err, bad)
	}
	ns := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	if ns.TargetAddress.String() != "fe80::2" || len(ns.Options) != 1 {
		t.Fatalf("%+v", ns)
	}
	nd[25] = 0
	if nd.Valid() {
		t.Error("valid with an option of length zero")
	}
	nd[25] = 2
	if nd.Valid() {
		t.Error("valid with an option past the end")
	}
}

func TestSeq(t *testing.T) {
	a, b := SeqOf(0xfffffff0), SeqOf(0x10)
	if !a.Before(b) || b.Before(a) || !b.After(a) || b.Sub(a) != 0x20 || a.Add(0x20) != b || a.Max(b) != b || b.Max(a) != b ||
		!a.AtOrBefore(a) || !a.AtOrAfter(a) || !b.In(a, 0x21) || b.In(a, 0x20) || a.In(b, 10) {
		t.Fatal("sequence numbers do not wrap")
	}
}
