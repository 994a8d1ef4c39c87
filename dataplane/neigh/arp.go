package neigh

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
)

// Reasons of arp-reply, as VPP words them.
const (
	arpRepliesSent = iota
	arpRepliesReceived
	arpRequestLearned
	arpGratuitous
	arpBadPacket
	arpBadOp
	arpMACMismatch
	arpSourceNotLocal
	arpSourceIsOurs
	arpTargetNotOurs
)

var arpReasons = []stats.Reason{
	arpRepliesSent:     {Text: "ARP replies sent", Severity: stats.Info},
	arpRepliesReceived: {Text: "ARP replies received", Severity: stats.Info},
	arpRequestLearned:  {Text: "ARP request IP4 source address learned", Severity: stats.Info},
	arpGratuitous:      {Text: "ARP probe or announcement received", Severity: stats.Info},
	arpBadPacket:       {Text: "not an ARP packet for IP4 over Ethernet", Severity: stats.Error},
	arpBadOp:           {Text: "ARP opcode not request or reply", Severity: stats.Error},
	arpMACMismatch:     {Text: "ARP hw addr does not match L2 frame src addr", Severity: stats.Error},
	arpSourceNotLocal:  {Text: "IP4 source address not local to subnet", Severity: stats.Error},
	arpSourceIsOurs:    {Text: "IP4 source address matches local interface", Severity: stats.Error},
	arpTargetNotOurs:   {Text: "IP4 destination address not local to subnet", Severity: stats.Info},
}

// InputARP takes ARP frames, from the Ethernet header on, that came in on interface
// iface. It owns the buffers.
func (t *Table) InputARP(iface uint32, bufs []*pkt.Buf) {
	for _, b := range bufs {
		reason, reply := t.arp(iface, b.Data())
		t.c.arp[reason]++
		if !reply {
			t.w.Bufs.Put(b)
			continue
		}
		b.SetLen(hdr.EtherLen + hdr.ARPLen)
		t.one[0] = b
		t.host.Tx(iface, t.one)
	}
}

// arp handles one frame. With reply set it has turned the frame into its answer.
func (t *Table) arp(iface uint32, frame []byte) (reason int, reply bool) {
	e := hdr.Ether(frame)
	if !e.Valid() || !hdr.ARP(e.Payload()).Valid() {
		return arpBadPacket, false
	}
	a := hdr.ARP(e.Payload())
	op, mac, src, target := a.Op(), a.SenderMAC(), a.SenderIP(), a.TargetIP()
	switch {
	case op != hdr.ARPRequest && op != hdr.ARPReply:
		return arpBadOp, false
	case mac != e.Src() || mac.IsGroup() || mac.IsZero():
		return arpMACMismatch, false
	case t.host.Owns(iface, src):
		return arpSourceIsOurs, false
	}
	ours := t.host.Owns(iface, target)
	if src.IsZero() { // a probe (RFC 5227 section 2.1.1): answered, not learned
		if !ours || op != hdr.ARPRequest {
			return arpGratuitous, false
		}
		t.answer(e, a, iface, mac, &src, &target)
		return arpRepliesSent, true
	}
	if !t.host.OnLink(iface, src) {
		return arpSourceNotLocal, false
	}
	// RFC 826: what is known is brought up to date in any case; a new neighbour is
	// entered when the message is for us.
	t.learn(news{iface: iface, addr: src, mac: mac, hasMAC: true, override: true,
		solicited: ours && op == hdr.ARPReply, create: ours, announced: src == target})
	switch {
	case src == target:
		return arpGratuitous, false
	case !ours:
		return arpTargetNotOurs, false
	case op == hdr.ARPReply:
		return arpRepliesReceived, false
	}
	t.c.arp[arpRequestLearned]++
	t.answer(e, a, iface, mac, &src, &target)
	return arpRepliesSent, true
}

// answer turns a request into its reply, in place.
func (t *Table) answer(e hdr.Ether, a hdr.ARP, iface uint32, mac hdr.MAC, src, target *hdr.Addr) {
	own := t.host.MAC(iface)
	e.Put(mac, own, hdr.EtherARP)
	a.Put(hdr.ARPReply, own, target, mac, src)
}

// request asks for e: everybody while nothing is known, later only who had the
// address (RFC 1122 section 2.3.2.1 (2)).
func (t *Table) request(e *Entry) {
	row := t.c.ask(e)
	src := t.host.Source(e.Iface, e.Addr)
	if src == (hdr.Addr{}) {
		row[noSource]++
		return
	}
	to := hdr.MAC{}
	if e.State == Probe {
		to = e.MAC()
	}
	var ok bool
	if e.Addr.Is4() {
		ok = t.sendARP(e.Iface, &src, &e.Addr, to)
	} else {
		ok = t.sendNS(e.Iface, &src, &e.Addr, to)
	}
	if ok {
		row[requestSent]++
	} else {
		row[noBuffer]++
	}
}

// sendARP sends a request for target to one neighbour, or to all when to is zero.
func (t *Table) sendARP(iface uint32, src, target *hdr.Addr, to hdr.MAC) bool {
	b := t.w.Bufs.Get()
	if b == nil {
		return false
	}
	if to.IsZero() {
		to = hdr.BroadcastMAC
	}
	own := t.host.MAC(iface)
	frame := b.Append(hdr.EtherLen + hdr.ARPLen)
	hdr.Ether(frame).Put(to, own, hdr.EtherARP)
	hdr.ARP(frame[hdr.EtherLen:]).Put(hdr.ARPRequest, own, src, hdr.MAC{}, target)
	t.one[0] = b
	t.host.Tx(iface, t.one)
	return true
}

// Announce tells everybody on a link that we have address a: a gratuitous ARP request
// (RFC 5227 section 2.3) or an unsolicited advertisement (RFC 4861 section 7.2.6).
func (t *Table) Announce(iface uint32, a *hdr.Addr) {
	if a.Is4() {
		t.sendARP(iface, a, a, hdr.MAC{})
	} else {
		t.sendNA(iface, a, &hdr.AllNodes, hdr.NDOverride, hdr.GroupMAC(&hdr.AllNodes))
	}
}
