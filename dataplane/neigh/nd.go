package neigh

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
)

// Reasons of icmp6-neighbor-discovery.
const (
	ndAdvertSent = iota
	ndAdvertReceived
	ndSolicitReceived
	ndBadHopLimit
	ndBadMessage
	ndSourceNotOnLink
	ndUnknownTarget
	ndSourceIsOurs
	ndNoBuffer
)

var ndReasons = []stats.Reason{
	ndAdvertSent:      {Text: "neighbor advertisements sent", Severity: stats.Info},
	ndAdvertReceived:  {Text: "neighbor advertisements received", Severity: stats.Info},
	ndSolicitReceived: {Text: "neighbor solicitations received", Severity: stats.Info},
	ndBadHopLimit:     {Text: "hop_limit != 255", Severity: stats.Error},
	ndBadMessage:      {Text: "malformed neighbor discovery message", Severity: stats.Error},
	ndSourceNotOnLink: {Text: "neighbor solicitations from source not on link", Severity: stats.Error},
	ndUnknownTarget:   {Text: "neighbor solicitations for unknown targets", Severity: stats.Info},
	ndSourceIsOurs:    {Text: "source address is our own", Severity: stats.Error},
	ndNoBuffer:        {Text: "no buffer for advertisement", Severity: stats.Error},
}

// ndLen is the length of the frames that we send.
const ndLen = hdr.EtherLen + hdr.IP6Len + hdr.NDLen + hdr.NDOptLen

// InputND takes one neighbour solicitation or advertisement that came in on interface
// iface: an IPv6 packet whose ICMPv6 message starts at offset l4 and whose checksum is
// good. It reads only; the buffer stays the caller's.
func (t *Table) InputND(iface uint32, ip hdr.IP6, l4 int) {
	m := hdr.ND(ip[l4:ip.TotalLen()])
	src, dst := ip.Src(), ip.Dst()
	// RFC 4861 sections 7.1.1 and 7.1.2.
	if ip.HopLimit() != 255 {
		t.c.nd[ndBadHopLimit]++
		return
	}
	if !m.Valid() || hdr.ICMP(m).Code() != 0 {
		t.c.nd[ndBadMessage]++
		return
	}
	target := m.Target()
	if target.IsMulticast() {
		t.c.nd[ndBadMessage]++
		return
	}
	if hdr.ICMP(m).Type() == hdr.ICMP6NeighSolicit {
		t.solicited(iface, m, &src, &dst, &target)
	} else {
		t.advertised(iface, m, &dst, &target)
	}
}

// solicited handles a neighbour solicitation (RFC 4861 section 7.2.3).
func (t *Table) solicited(iface uint32, m hdr.ND, src, dst, target *hdr.Addr) {
	mac, hasMAC := m.LinkAddr(hdr.NDSourceLL)
	probe := *src == hdr.Addr{} // duplicate address detection of somebody else
	switch {
	case probe && (hasMAC || *dst != target.SolicitedNode()), hasMAC && (mac.IsGroup() || mac.IsZero()):
		t.c.nd[ndBadMessage]++
		return
	case !t.host.Owns(iface, *target):
		t.c.nd[ndUnknownTarget]++
		return
	case !probe && t.host.Owns(iface, *src):
		t.c.nd[ndSourceIsOurs]++
		return
	}
	t.c.nd[ndSolicitReceived]++
	if probe {
		t.sendNA(iface, target, &hdr.AllNodes, hdr.NDOverride, hdr.GroupMAC(&hdr.AllNodes))
		return
	}
	if !t.host.OnLink(iface, *src) {
		t.c.nd[ndSourceNotOnLink]++
		return
	}
	if hasMAC {
		t.learn(news{iface: iface, addr: *src, mac: mac, hasMAC: true, override: true, create: true})
	}
	// The answer goes by the entry of the source, which may have to be found first.
	flags := hdr.NDSolicited | hdr.NDOverride
	if i := t.Find(iface, src); i != 0 && t.At(i).Known() {
		t.sendNA(iface, target, src, flags, t.At(i).MAC())
	} else if i := t.Adjacency(iface, src); i != 0 {
		if b := t.buildNA(iface, target, src, flags, hdr.MAC{}); b != nil {
			b.Trim(hdr.EtherLen)
			t.one[0] = b
			t.Send(i, t.one)
		}
	}
}

// advertised handles a neighbour advertisement (RFC 4861 section 7.2.5).
func (t *Table) advertised(iface uint32, m hdr.ND, dst, target *hdr.Addr) {
	flags := m.Flags()
	mac, hasMAC := m.LinkAddr(hdr.NDTargetLL)
	solicited := flags&hdr.NDSolicited != 0
	if solicited && dst.IsMulticast() || hasMAC && (mac.IsGroup() || mac.IsZero()) {
		t.c.nd[ndBadMessage]++
		return
	}
	if t.host.Owns(iface, *target) {
		t.c.nd[ndSourceIsOurs]++
		return
	}
	t.c.nd[ndAdvertReceived]++
	// Another worker may have asked: its entry is told, none is made for it here.
	t.learn(news{iface: iface, addr: *target, mac: mac, hasMAC: hasMAC, solicited: solicited,
		override: flags&hdr.NDOverride != 0, announced: !solicited})
}

// sendNS asks for target: its solicited-node group, or only who had the address.
func (t *Table) sendNS(iface uint32, src, target *hdr.Addr, to hdr.MAC) bool {
	dst := *target
	if to.IsZero() {
		dst = target.SolicitedNode()
		to = hdr.GroupMAC(&dst)
	}
	b := t.buildND(iface, hdr.ICMP6NeighSolicit, 0, target, hdr.NDSourceLL, src, &dst, to)
	if b == nil {
		return false
	}
	t.one[0] = b
	t.host.Tx(iface, t.one)
	return true
}

// sendNA tells that we have target, in a frame to the given link-layer address.
func (t *Table) sendNA(iface uint32, target, dst *hdr.Addr, flags uint32, to hdr.MAC) {
	if b := t.buildNA(iface, target, dst, flags, to); b != nil {
		t.one[0] = b
		t.host.Tx(iface, t.one)
	}
}

func (t *Table) buildNA(iface uint32, target, dst *hdr.Addr, flags uint32, to hdr.MAC) *pkt.Buf {
	b := t.buildND(iface, hdr.ICMP6NeighAdvert, flags, target, hdr.NDTargetLL, target, dst, to)
	if b == nil {
		t.c.nd[ndNoBuffer]++
	} else {
		t.c.nd[ndAdvertSent]++
	}
	return b
}

func (t *Table) buildND(iface uint32, typ uint8, flags uint32, target *hdr.Addr, opt uint8, src, dst *hdr.Addr, to hdr.MAC) *pkt.Buf {
	b := t.w.Bufs.Get()
	if b == nil {
		return nil
	}
	own := t.host.MAC(iface)
	frame := b.Append(ndLen)
	hdr.Ether(frame).Put(to, own, hdr.EtherIP6)
	ip := hdr.IP6(frame[hdr.EtherLen:])
	ip.Put(&hdr.IP6Fields{PayloadLen: hdr.NDLen + hdr.NDOptLen, Next: hdr.ProtoICMPv6, HopLimit: 255, Src: *src, Dst: *dst})
	m := hdr.ND(ip[hdr.IP6Len:])
	m.Put(typ, flags, target, opt, own)
	hdr.ICMP(m).SetChecksum6(src, dst)
	return b
}
