package udp

import (
	"fmt"
	"net/netip"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// Info describes c for "show session verbose 2": VPP's lines.
func (u *UDP) Info(w *worker.Worker, name transport.Conn, out *transport.Info) bool {
	s, c := u.find(w, name)
	if c == nil {
		return false
	}
	out.Local, out.Remote = c.addrs()
	out.State = "OPENED"
	if out.Brief {
		return true
	}
	f := cli.FormatFloat
	duration := float64(w.Now()-c.opened) / 1e9
	whole, _ := s.sizes(c)
	cfg := ""
	if !s.cfg.CsumOffload {
		cfg = "no-csum-offload"
	}
	out.Text = []string{
		fmt.Sprintf(" index: %d cfg: %s flags: %s", name.Index, cfg, c.flagWords()),
		" fib_index 0 next_node 0 opaque 0x0",
		fmt.Sprintf(" sw_if_index %d mss %d duration %s", c.path.Iface, whole, f(duration, 3)),
		fmt.Sprintf(" stats: in dgrams %d bytes %d err %d", c.dgramsIn, c.bytesIn, c.errsIn),
		fmt.Sprintf("        out dgrams %d bytes %d err %d", c.dgramsOut, c.bytesOut, c.errsOut),
	}
	out.Fields = map[string]any{"kind": c.kind.String(), "mss": whole, "dscp": c.tos >> 2, "duration": duration,
		"dgramsIn": c.dgramsIn, "bytesIn": c.bytesIn, "errorsIn": c.errsIn,
		"dgramsOut": c.dgramsOut, "bytesOut": c.bytesOut, "errorsOut": c.errsOut}
	return true
}

func (k kind) String() string {
	return [...]string{"free", "connected", "accepted", "connectionless"}[k]
}

// flagWords are VPP's words for what a connection is.
func (c *Conn) flagWords() string {
	var l []string
	add := func(on bool, word string) {
		if on {
			l = append(l, word)
		}
	}
	add(c.kind != connectionless, "CONNECTED")
	add(c.has(fPort), "OWNS_PORT")
	add(c.has(fClosing), "CLOSING")
	add(c.kind == connectionless, "LISTEN")
	return strings.Join(l, ", ")
}

// addrs are the ends of c; a connectionless one has no remote.
func (c *Conn) addrs() (local, remote netip.AddrPort) {
	local = netip.AddrPortFrom(c.local.Netip(), c.lport)
	if c.kind != connectionless {
		remote = netip.AddrPortFrom(c.remote.Netip(), c.rport)
	}
	return local, remote
}

// Addrs are the two ends of a connection, zero when it is gone.
func (u *UDP) Addrs(w *worker.Worker, name transport.Conn) (local, remote netip.AddrPort) {
	if _, c := u.find(w, name); c != nil {
		return c.addrs()
	}
	return local, remote
}

// MaxDatagram is how long a datagram of a connection may be.
func (u *UDP) MaxDatagram(w *worker.Worker, name transport.Conn) (whole, most int) {
	s, c := u.find(w, name)
	if c == nil {
		return 0, 0
	}
	if c.kind != connectionless {
		_ = u.net.Renew(w, &c.path, &c.remote)
	}
	return s.sizes(c)
}

func (s *shard) sizes(c *Conn) (whole, most int) {
	mtu, hl := minMTU4, hdr.IP4Len+hdr.UDPLen
	most = datagram.MaxLen
	if !c.is4() {
		mtu, hl, most = minMTU, maxHeader, datagram.MaxLen6
	}
	if c.kind != connectionless {
		mtu = s.limit(&c.narrowed, &c.path)
	}
	whole = max(mtu-hl, 0)
	if c.has(fNoFrag) {
		most = whole
	}
	return whole, most
}

// Ports tells about the source ports of w.
func (u *UDP) Ports(w *worker.Worker) transport.PortStats {
	p := u.shards[w.Index].ports
	min, max := p.Range()
	return transport.PortStats{Min: min, Max: max, InUse: p.InUse, MaxTries: p.MaxTries}
}
