package session

import (
	"net/netip"
	"strconv"
	"strings"

	"vpphost/cli"
	"vpphost/hoststack/transport"
)

// query is what "show session" was asked for.
type query struct {
	verbose   int
	filtered  bool // anything but verbose was given
	force     bool
	tree      bool
	listeners bool
	tuple     bool // both ends were given
	thread    int  // -1: all
	proto     int  // -1: all
	index     int  // -1: none
	lo, hi    int  // range of indexes; lo -1: all
	states    uint16

	lcl, rmt, ep netip.AddrPort // port 0: any

	what func() (cli.Result, error) // a list that is not of sessions
}

// parseQuery reads all of the arguments.
func (l *Layer) parseQuery(in *cli.Input) (*query, error) {
	q := &query{thread: -1, proto: -1, index: -1, lo: -1}
	for !in.Done() {
		if err := l.parseWord(q, in); err != nil {
			return nil, err
		}
	}
	if q.index >= 0 && q.thread < 0 {
		return nil, cli.Usagef("index needs a thread")
	}
	return q, nil
}

func (l *Layer) parseWord(q *query, in *cli.Input) error {
	var n uint32
	number := func(v *int, what string) error {
		if !in.Uint32(&n) {
			return in.Expect(what)
		}
		*v = int(n)
		return nil
	}
	list := func(r cli.Result) func() (cli.Result, error) { return func() (cli.Result, error) { return r, nil } }
	switch {
	case in.Match("verbose"):
		q.verbose = 1
		if in.Uint32(&n) {
			q.verbose = int(min(n, 3))
		}
		return nil
	case in.Match("force-print"):
		q.force = true
		return nil
	case in.Match("tree"):
		q.tree, q.verbose = true, 1
		return nil
	case in.Match("protos"):
		q.what = list(words{indent: " ", List: l.protos()})
		return nil
	case in.Match("states"):
		q.what = list(words{List: stateNames[:]})
		return nil
	case in.Match("rt-backend"):
		q.what = list(cli.Text("enable without rt-backend\n"))
		return nil
	case in.Match("transport"):
		q.what = l.showTransports
		return nil
	case in.Match("events"):
		q.what = l.showEvents
		return nil
	}
	q.filtered = true
	switch {
	case in.Match("thread"):
		if err := number(&q.thread, "a thread number"); err != nil {
			return err
		}
		if q.thread >= len(l.workers) {
			return cli.Usagef("no thread %d", q.thread)
		}
	case in.Match("index"):
		return number(&q.index, "a session index")
	case in.Match("listeners"):
		q.listeners, q.force, q.states = true, true, 1<<Listening
		if !protoWord(in, &q.proto) {
			return in.Expect("a transport protocol")
		}
	case in.Match("proto"):
		if !protoWord(in, &q.proto) {
			return in.Expect("a transport protocol")
		}
	case in.Match("state"):
		var st string
		if !in.OneOf(&st, stateNames[:]...) {
			return in.Expect("a session state (see show session states)")
		}
		for i, name := range stateNames {
			if name == st {
				q.states |= 1 << i
			}
		}
	case in.Match("range"):
		if err := number(&q.lo, "the first index"); err != nil {
			return err
		}
		q.hi = q.lo + maxRows
		if in.Uint32(&n) {
			if q.hi = int(n); q.hi < q.lo {
				return cli.Usagef("range %d %d is empty", q.lo, q.hi)
			}
		}
	case in.Match("lcl"):
		return endWord(in, &q.lcl)
	case in.Match("rmt"):
		return endWord(in, &q.rmt)
	case in.Match("ep"):
		return endWord(in, &q.ep)
	case protoWord(in, &q.proto):
		var w string
		if !in.Word(&w) || !q.parseTuple(w) {
			return cli.Usagef("expected <lip>:<lport>-><rip>:<rport>, got `%s'", w)
		}
	default:
		return in.Unknown()
	}
	return nil
}

// protoWord reads the name of a transport protocol.
func protoWord(in *cli.Input, v *int) bool {
	var names []string
	for p := range transport.NumProtos {
		names = append(names, p.String())
	}
	var name string
	if !in.OneOf(&name, names...) {
		return false
	}
	p, _ := protoByName(name)
	*v = int(p)
	return true
}

// endWord reads ip, ip:port or [ip6]:port.
func endWord(in *cli.Input, v *netip.AddrPort) error {
	var w string
	if in.Word(&w) {
		if a, err := netip.ParseAddr(w); err == nil {
			*v = netip.AddrPortFrom(a, 0)
			return nil
		}
		if a, err := netip.ParseAddrPort(w); err == nil {
			*v = a
			return nil
		}
		return cli.Usagef("`%s' is not an ip address with or without a port", w)
	}
	return in.Expect("an ip address")
}

// parseTuple reads lip:lport->rip:rport. Ports follow the last colon.
func (q *query) parseTuple(s string) bool {
	l, r, ok := strings.Cut(s, "->")
	q.tuple = true
	return ok && parseEnd(l, &q.lcl) && parseEnd(r, &q.rmt)
}

func parseEnd(s string, v *netip.AddrPort) bool {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return false
	}
	a, err := netip.ParseAddr(strings.Trim(s[:i], "[]"))
	p, perr := strconv.ParseUint(s[i+1:], 10, 16)
	*v = netip.AddrPortFrom(a, uint16(p))
	return err == nil && perr == nil
}

// matches tells whether the filters let s through; cheap ones first.
func (q *query) matches(w *Worker, s *Session) bool {
	if q.proto >= 0 && int(s.conn.Proto) != q.proto ||
		q.states != 0 && q.states>>s.state&1 == 0 ||
		q.lo >= 0 && (int(s.number()) < q.lo || int(s.number()) > q.hi) {
		return false
	}
	if !q.lcl.IsValid() && !q.rmt.IsValid() && !q.ep.IsValid() {
		return true
	}
	local, remote := w.ends(s)
	same := func(want, got netip.AddrPort) bool {
		return !want.IsValid() || want.Addr() == got.Addr() && (want.Port() == got.Port() || want.Port() == 0 && !q.tuple)
	}
	return same(q.lcl, local) && same(q.rmt, remote) && (same(q.ep, local) || same(q.ep, remote))
}

// ends are the two ends of s, whatever its state.
func (w *Worker) ends(s *Session) (local, remote netip.AddrPort) {
	if s.state >= Accepting {
		return w.Addrs(s)
	}
	i, _ := w.printable(s, true)
	return i.Local, i.Remote
}
