package fib

import (
	"fmt"
	"io"
	"net/netip"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// Listing is what "show ip fib" shows.
type Listing struct {
	V4      bool        `json:"v4"`
	Epoch   uint32      `json:"epoch"`
	Entries []EntryInfo `json:"entries"`
}

// EntryInfo is one prefix with its paths.
type EntryInfo struct {
	Prefix netip.Prefix `json:"prefix"`
	Kind   string       `json:"kind"`
	Origin string       `json:"origin"`
	Paths  []PathInfo   `json:"paths"`
}

// PathInfo is one way out. Kind is drop, receive, broadcast, glean, or via with an
// unresolved one being incomplete.
type PathInfo struct {
	Kind      string      `json:"kind"`
	Address   *netip.Addr `json:"address,omitempty"` // own address, or next hop
	Interface string      `json:"interface,omitempty"`
	MTU       int         `json:"mtu,omitempty"`
	Rewrite   string      `json:"rewrite,omitempty"` // Ethernet header in hex
}

func (c *commands) describe(s *Snapshot, e *Entry) EntryInfo {
	info := EntryInfo{Prefix: e.Prefix, Kind: e.Kind.String(), Origin: [...]string{"interface", "cli", "default"}[e.Origin]}
	if e.Kind != Via {
		info.Paths = []PathInfo{c.direct(e)}
		return info
	}
	for _, h := range e.Hops {
		info.Paths = append(info.Paths, c.hop(s, e, h))
	}
	return info
}

// direct describes an entry that needs no next hop.
func (c *commands) direct(e *Entry) PathInfo {
	p := PathInfo{Kind: e.Kind.String()}
	if e.Iface != 0 {
		p.Interface, _, _ = c.ifs.Describe(e.Iface)
	}
	switch e.Kind {
	case Receive, Broadcast:
		a := e.Prefix.Addr()
		p.Address = &a
	case Attached:
		p.Kind = "glean"
		name, mac, mtu := c.ifs.Describe(e.Iface)
		a := e.Source.Netip()
		p.Address, p.Interface, p.MTU = &a, name, mtu
		t := hdr.EtherARP
		if !a.Is4() {
			t = hdr.EtherIP6
		}
		p.Rewrite = rewrite(hdr.BroadcastMAC, mac, t)
	}
	return p
}

// hop describes a next hop as far as it can be resolved now.
func (c *commands) hop(s *Snapshot, e *Entry, h Hop) PathInfo {
	to := h.Gateway
	if to == (hdr.Addr{}) { // attached: no one next hop
		name, mac, mtu := c.ifs.Describe(h.Iface)
		if !s.up(h.Iface) {
			return PathInfo{Kind: Drop.String(), Interface: name}
		}
		t := hdr.EtherARP
		if !e.Prefix.Addr().Is4() {
			t = hdr.EtherIP6
		}
		return PathInfo{Kind: "glean", Interface: name, MTU: mtu, Rewrite: rewrite(hdr.BroadcastMAC, mac, t)}
	}
	a := to.Netip()
	n := s.hop(&h, &to, 0, maxDepth)
	if n.Kind != Attached {
		return PathInfo{Kind: Drop.String(), Address: &a}
	}
	a = n.Addr.Netip()
	name, own, mtu := c.ifs.Describe(n.Iface)
	p := PathInfo{Kind: "incomplete", Address: &a, Interface: name, MTU: mtu}
	if mac, ok := c.ifs.Neighbor(n.Iface, n.Addr); ok {
		t := hdr.EtherIP4
		if !to.Is4() {
			t = hdr.EtherIP6
		}
		p.Kind, p.Rewrite = "via", rewrite(mac, own, t)
	}
	return p
}

func rewrite(dst, src hdr.MAC, t hdr.EtherType) string {
	var b [hdr.EtherLen]byte
	hdr.Ether(b[:]).Put(dst, src, t)
	return fmt.Sprintf("%x", b)
}

func title(v4 bool, epoch uint32) string {
	family, hash := "ipv4", "src dst sport dport proto flowlabel "
	if !v4 {
		family = "ipv6"
	}
	return fmt.Sprintf("%s-VRF:0, fib_index:0, flow hash:[%s] epoch:%d flags:none locks:[adjacency:1, default-route:1, ]\n",
		family, hash, epoch)
}

// Text is VPP's brief layout.
func (l *Listing) Text(w io.Writer, _ cli.Layout) error {
	n := "4"
	if !l.V4 {
		n = "6"
	}
	fmt.Fprint(w, title(l.V4, l.Epoch))
	for i, e := range l.Entries {
		fmt.Fprintf(w, "%s\n  unicast-ip%s-chain\n", e.Prefix, n)
		fmt.Fprintf(w, "  [@0]: dpo-load-balance: [proto:ip%s index:%d buckets:%d]\n", n, i+1, len(e.Paths))
		for j, p := range e.Paths {
			if _, err := fmt.Fprintf(w, "    [%d] %s\n", j, p.text(n, e.Prefix)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *PathInfo) text(n string, prefix netip.Prefix) string {
	switch p.Kind {
	case "glean":
		src := ""
		if p.Address != nil {
			src = fmt.Sprintf("[src:%s] ", prefix)
		}
		return fmt.Sprintf("[@4]: ipv%s-glean: %s%s: mtu:%d next:1 flags:[] %s", n, src, p.Interface, p.MTU, p.Rewrite)
	case "via":
		return fmt.Sprintf("[@5]: ipv%s via %s %s: mtu:%d next:4 flags:[] %s", n, p.Address, p.Interface, p.MTU, p.Rewrite)
	case "incomplete":
		how := map[string]string{"4": "arp-ipv4", "6": "ipv6"}[n]
		return fmt.Sprintf("[@3]: %s: via %s %s", how, p.Address, p.Interface)
	case "receive":
		on := ""
		if p.Interface != "" {
			on = " on " + p.Interface
		}
		return fmt.Sprintf("[@12]: dpo-receive: %s%s", p.Address, on)
	case "broadcast":
		return fmt.Sprintf("[@12]: dpo-receive: %s on %s broadcast", p.Address, p.Interface)
	}
	return fmt.Sprintf("[@0]: dpo-drop ip%s", n)
}

// Summary counts prefixes by length.
type Summary struct {
	V4     bool          `json:"v4"`
	Epoch  uint32        `json:"epoch"`
	Counts []LengthCount `json:"counts"`
}

// LengthCount is how many prefixes have one length.
type LengthCount struct {
	Length int `json:"length"`
	Count  int `json:"count"`
}

func summarize(s *Snapshot, v4 bool) *Summary {
	var n [129]int
	s.Walk(v4, func(e *Entry) { n[e.Prefix.Bits()]++ })
	out := &Summary{V4: v4, Epoch: s.Epoch}
	for length, count := range n {
		if count > 0 {
			out.Counts = append(out.Counts, LengthCount{length, count})
		}
	}
	return out
}

// Text is VPP's table.
func (s *Summary) Text(w io.Writer, _ cli.Layout) error {
	fmt.Fprint(w, title(s.V4, s.Epoch))
	_, err := fmt.Fprintf(w, "%20s%16s\n", "   Prefix length    ", "     Count      ")
	for _, c := range s.Counts {
		_, err = fmt.Fprintf(w, "%20d%16d\n", c.Length, c.Count)
	}
	return err
}
