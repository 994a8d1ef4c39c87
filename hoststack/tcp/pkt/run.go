package pkt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"vpphost/dataplane/hdr"
)

// Host is the stack under test, with a wire to the peer and an application on top. All
// times are virtual, in ns from 0.
type Host interface {
	// Set applies a setting. Before anything else.
	Set(name, value string) error
	// Start makes the stack ready. local and peer are the addresses of the
	// conversation; the peer answers ARP and neighbour solicitations by itself.
	Start() (local, peer netip.Addr, err error)
	// Now is the present time.
	Now() int64
	// Inject hands the stack an IP packet. It is looked at in the next Run, with
	// what else was injected since the last.
	Inject(packet []byte)
	// Run has the stack work until it has sent a packet, which is returned with the
	// time when that was, or until there is nothing left to do up to and at time
	// until. Packets come in order.
	Run(until int64) (packet []byte, at int64)
	// Do is an action of the application or an assertion about it; peer tells the
	// port of the peer's connections, for connect.
	Do(action string, args []string, peer netip.AddrPort) error
	// Close ends the conversation and reports what leaked.
	Close() error
}

// Ports of the conversation.
const (
	ListenPort = 80    // of the stack, when it listens
	PeerPort   = 40000 // of the peer's connection 0
)

// defaultISS is the peer's first sequence number unless a script says otherwise: near
// the wrap, so that every longer script crosses it.
const defaultISS = 0xffffff00

// runner plays one script.
type runner struct {
	host   Host
	script *Script
	peers  map[int]*peer
	local  netip.Addr // of the stack
	remote netip.Addr // of the peer
	iss    uint32
	last   int64 // time of the event before
	ignore bool  // what the stack sends
	log    []string
}

// Run plays a script. The error names the line and shows what was sent until then.
func Run(s *Script, h Host) error {
	r := &runner{host: h, script: s, peers: map[int]*peer{}, iss: defaultISS}
	err := r.run()
	if cerr := h.Close(); cerr != nil && err == nil {
		err = fmt.Errorf("%s: at the end: %w", s.Name, cerr)
	}
	if err != nil {
		return fmt.Errorf("%w\n\t%s", err, strings.Join(r.log, "\n\t"))
	}
	return nil
}

func (r *runner) run() error {
	for _, set := range r.script.Settings {
		err := error(nil)
		if set.Name == "peer-isn" {
			r.iss, err = number(set.Value)
		} else {
			err = r.host.Set(set.Name, set.Value)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", r.script.Name, set.Line, err)
		}
	}
	var err error
	if r.local, r.remote, err = r.host.Start(); err != nil {
		return fmt.Errorf("%s: %w", r.script.Name, err)
	}
	for i := range r.script.Events {
		e := &r.script.Events[i]
		if err := r.event(e); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", r.script.Name, e.Line, e.Text, err)
		}
	}
	return nil
}

func (r *runner) event(e *Event) error {
	lo, hi := e.When.Lo, e.When.Hi
	if e.When.Relative {
		lo, hi = lo+r.last, hi+r.last
	}
	if e.Kind == Expect {
		return r.expect(e, lo, hi)
	}
	if !e.When.Burst {
		for {
			b, at := r.host.Run(hi)
			if b == nil {
				break
			}
			if !r.ignore {
				return fmt.Errorf("the stack sent before this: %s", r.describe(b, at))
			}
		}
	}
	r.last = hi
	switch e.Kind {
	case Send:
		p := r.peer(e.Seg.Conn)
		b := p.build(&e.Seg, r.host.Now())
		r.note(r.host.Now(), e.what())
		r.host.Inject(b)
	case SendICMP:
		r.note(r.host.Now(), e.what())
		r.host.Inject(r.peer(e.ICMP.Conn).icmp(&e.ICMP))
	case Action:
		r.note(r.host.Now(), e.what())
		return r.action(e)
	}
	return nil
}

func (r *runner) action(e *Event) error {
	if (e.Do == "ignore" || e.Do == "heed") && len(e.Args) == 0 {
		r.ignore = e.Do == "ignore"
		return nil
	}
	conn := 1
	args := e.Args
	if len(args) > 0 && strings.HasPrefix(args[0], "[") {
		var err error
		if conn, err = parseConn(args[0]); err != nil {
			return err
		}
	}
	return r.host.Do(e.Do, args, netip.AddrPortFrom(r.remote, PeerPort+uint16(conn)))
}

// peer is the peer's connection n, made on first use.
func (r *runner) peer(n int) *peer {
	p := r.peers[n]
	if p == nil {
		p = &peer{local: hdr.AddrOf(r.remote), remote: hdr.AddrOf(r.local), port: PeerPort + uint16(n),
			rport: ListenPort, iss: r.iss + uint32(n-1)<<20, tsStart: r.host.Now()}
		r.peers[n] = p
	}
	return p
}

var errNothing = errors.New("the stack sent nothing")

func (r *runner) expect(e *Event, lo, hi int64) error {
	b, at := r.host.Run(hi)
	if b == nil {
		return errNothing
	}
	r.last = at
	got, p, n, s, err := r.translate(b)
	if err != nil {
		return err
	}
	r.note(at, "> "+got.String())
	if at < lo {
		return fmt.Errorf("sent at %s, before its time", clock(at))
	}
	if n != e.Seg.Conn {
		return fmt.Errorf("sent on connection %d", n)
	}
	if err := match(&e.Seg, got); err != nil {
		return fmt.Errorf("%w: %s", err, got)
	}
	payload := s.tcp.Payload()
	off := got.Seq - 1
	if s.tcp.Flags()&hdr.SYN != 0 {
		off = got.Seq
	}
	if i := Mismatch(payload, off); i >= 0 {
		return fmt.Errorf("byte %d of the payload is wrong", i)
	}
	for _, o := range got.Opts {
		if o.Kind == hdr.TCPOptTimestamp && !e.Seg.Late {
			p.tsLatest = p.tsBase + o.Val
		}
	}
	return nil
}

// translate finds the connection of a packet that the stack has sent and puts it in the
// script's words.
func (r *runner) translate(b []byte) (*Segment, *peer, int, *seen, error) {
	s, err := decode(b)
	if err != nil {
		return nil, nil, 0, nil, err
	}
	if s.src != r.local {
		return nil, nil, 0, nil, fmt.Errorf("sent from %s", s.src)
	}
	n := int(s.tcp.DstPort()) - PeerPort
	if n < 1 {
		return nil, nil, 0, nil, fmt.Errorf("sent to port %d", s.tcp.DstPort())
	}
	p := r.peer(n)
	if s.tcp.Flags()&hdr.SYN != 0 {
		if irs := s.tcp.Seq().Val(); !p.gotSYN || irs != p.irs { // a new incarnation
			p.irs, p.gotSYN, p.gotTS = irs, true, false
		}
		p.rport = s.tcp.SrcPort()
	}
	if s.tcp.SrcPort() != p.rport {
		return nil, nil, 0, nil, fmt.Errorf("sent from port %d", s.tcp.SrcPort())
	}
	if !p.gotTS {
		if val, ok := timestamp(s.tcp); ok {
			p.tsBase, p.gotTS = val, true
		}
	}
	got, err := p.segment(&s)
	got.Conn = n
	return &got, p, n, &s, err
}

// timestamp is the TSval of a segment.
func timestamp(h hdr.TCP) (uint32, bool) {
	for o := h.Options(); ; {
		kind, data, rest, _ := o.Next()
		switch {
		case kind == 0:
			return 0, false
		case kind == hdr.TCPOptTimestamp && len(data) == 8:
			return binary.BigEndian.Uint32(data), true
		}
		o = rest
	}
}

func (r *runner) describe(b []byte, at int64) string {
	got, _, _, _, err := r.translate(b)
	if err != nil {
		return err.Error()
	}
	return clock(at) + " > " + got.String()
}

func (r *runner) note(at int64, text string) { r.log = append(r.log, clock(at)+" "+text) }

// what is the event without its time.
func (e *Event) what() string {
	_, what, _ := strings.Cut(e.Text, " ")
	return strings.TrimSpace(what)
}

func clock(ns int64) string { return fmt.Sprintf("%.6f", float64(ns)/1e9) }
