package session

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

const showUsage = "[verbose [n]] [listeners <proto>] [protos] [states] [transport] [rt-backend] [events] [tree] " +
	"[thread <n>] [proto <proto>] [state <state>] [range <a> [<b>]] [lcl|rmt|ep <ip>[:<port>]] [force-print] " +
	"[<proto> <lip>:<lport>-><rip>:<rport>] [thread <n> [proto <proto>] index <n>]"

// showWords suggests keywords, or the value that the last one waits for.
func (l *Layer) showWords(_ *cli.Ctx, in *cli.Input) (out []cli.Word) {
	names := func(list []string) []cli.Word {
		for _, n := range list {
			out = append(out, cli.Word{Text: n})
		}
		return out
	}
	var last, w string
	for in.Word(&w) {
		last = w
	}
	switch last {
	case "proto", "listeners":
		return names(l.protos())
	case "state":
		return names(stateNames[:])
	case "thread", "index", "range", "lcl", "rmt", "ep":
		return nil
	}
	return []cli.Word{
		{Text: "verbose", Help: "1 a table, 2 everything"},
		{Text: "listeners", Help: "listeners of a protocol and their applications"},
		{Text: "protos", Help: "the transport protocols"},
		{Text: "states", Help: "the states of a session"},
		{Text: "transport", Help: "protocols and source ports"},
		{Text: "rt-backend", Help: "the backend of session rules"},
		{Text: "events", Help: "how many sessions wait for what"},
		{Text: "tree", Help: "sessions by transport"},
		{Text: "thread", Help: "only this thread"},
		{Text: "proto", Help: "only this protocol"},
		{Text: "state", Help: "only sessions in this state; may be repeated"},
		{Text: "range", Help: "only these indexes"},
		{Text: "lcl", Help: "only this local address"},
		{Text: "rmt", Help: "only this remote address"},
		{Text: "ep", Help: "only this address, local or remote"},
		{Text: "index", Help: "one session"},
		{Text: "force-print", Help: "print however many there are"},
	}
}

// Rows printed for a thread unless forced: of a table, and of details.
const (
	maxRows    = 50
	maxDetails = 10
)

// runShow is "show session".
func (l *Layer) runShow(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	q, err := l.parseQuery(in)
	if err != nil {
		return nil, err
	}
	if !l.Enabled() {
		return nil, ErrNotEnabled
	}
	switch {
	case q.what != nil:
		return q.what()
	case q.index >= 0 || q.tuple:
		return l.showOne(c, q)
	}
	out := Sessions{}
	for i, w := range l.workers {
		if q.thread < 0 || q.thread == i {
			t, err := w.show(c, q)
			if err != nil {
				return nil, err
			}
			out = append(out, *t)
		}
	}
	if q.listeners {
		return listenersOf(out), nil
	}
	return out, nil
}

// Thread is one thread's part of "show session".
type Thread struct {
	Thread  int               `json:"thread"`
	Count   int               `json:"count"`             // sessions that there are
	Closed  int               `json:"closed"`            // of these, being torn down
	Matched *int              `json:"matched,omitempty"` // sessions that the filters let through
	Shown   bool              `json:"-"`
	Rows    []Row             `json:"sessions,omitempty"`
	Pool    worker.PoolMemory `json:"pool"` // where sessions live

	verbose, limit int
	tree           bool
}

// Sessions is the result of "show session".
type Sessions []Thread

// show gathers what q asks for from one worker.
func (w *Worker) show(c *cli.Ctx, q *query) (*Thread, error) {
	t := &Thread{Thread: w.Index, verbose: q.verbose, limit: maxRows, tree: q.tree}
	if q.verbose > 1 {
		t.limit = maxDetails
	}
	if q.force {
		t.limit = 1<<31 - 1
	}
	t.Pool = worker.PoolMemory{Thread: w.Index, Name: "sessions"}
	if err := w.Do(func(*worker.Worker) { t.Count, t.Pool.Usage = w.live, w.pool.Usage() }); err != nil {
		return nil, err
	}
	t.Pool.Ask()
	if q.verbose == 0 && !q.filtered {
		return t, nil
	}
	// VPP prints nothing of a thread that has too many; so do we, unless filtered.
	t.Shown = q.filtered || q.force || t.Count <= maxRows
	if !q.filtered {
		t.limit = 1<<31 - 1
	}
	if !t.Shown {
		return t, nil
	}
	rows, matched, err := w.gather(c, q.verbose, t.limit, func(s *Session) bool {
		t.Closed += b2i(s.state >= AppClosed)
		return q.matches(w, s)
	})
	t.Rows = rows
	if q.filtered {
		t.Matched = &matched
	}
	return t, err
}

// Text is VPP's layout.
func (r Sessions) Text(w io.Writer, _ cli.Layout) error {
	for i := range r {
		r[i].text(w)
	}
	return nil
}

const tableHeader = "Connection                                                  State          Rx-f      Tx-f      \n"

func (t *Thread) text(w io.Writer) {
	switch {
	case t.Count == 0 && t.Matched == nil:
		fmt.Fprintf(w, "Thread %d: no sessions\n", t.Thread)
		return
	case t.verbose == 0 && t.Matched == nil:
		fmt.Fprintf(w, "Thread %d: %d sessions\n", t.Thread, t.Count)
		return
	case !t.Shown:
		fmt.Fprintf(w, "Thread %d: %d sessions. Verbose output suppressed. For more details use filters.\n", t.Thread, t.Count)
		return
	case t.tree:
		fmt.Fprintf(w, "Thread %d: %d sessions\n", t.Thread, t.Count)
	}
	if t.verbose <= 1 && !t.tree && len(t.Rows) > 0 {
		if t.Thread > 0 {
			fmt.Fprintln(w)
		}
		io.WriteString(w, tableHeader)
	}
	for i := range t.Rows {
		t.Rows[i].text(w, t.verbose)
	}
	switch {
	case t.tree:
	case t.Matched != nil:
		fmt.Fprintf(w, "Thread %d: %d sessions matched filter", t.Thread, *t.Matched)
		if *t.Matched > t.limit {
			io.WriteString(w, ". Not all shown. Use finer grained filter.")
		}
		fmt.Fprintln(w)
	default:
		fmt.Fprintf(w, "Thread %d: active sessions %d", t.Thread, t.Count)
		if t.Closed > 0 {
			fmt.Fprintf(w, " closed %d", t.Closed)
		}
		fmt.Fprintln(w)
	}
}

// showOne finds one session by its index, its connection's index, or its ends.
func (l *Layer) showOne(c *cli.Ctx, q *query) (cli.Result, error) {
	var rows oneSession
	for i, w := range l.workers {
		if q.thread >= 0 && q.thread != i {
			continue
		}
		if q.index >= 0 && q.proto < 0 {
			if err := w.Do(func(*worker.Worker) {
				if s := w.at(uint32(q.index)); s != nil {
					rows = append(rows, w.row(s, 2))
				}
			}); err != nil {
				return nil, err
			}
			continue
		}
		found, _, err := w.gather(c, 2, 1, func(s *Session) bool {
			return q.matches(w, s) && (q.index < 0 || s.state != Listening && s.conn.Index == uint32(q.index))
		})
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			rows = found
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("session is not allocated")
	}
	return rows, nil
}

type oneSession []Row

func (o oneSession) Text(w io.Writer, _ cli.Layout) error {
	for i := range o {
		o[i].text(w, 2)
	}
	return nil
}

// Listeners is the result of "show session listeners".
type Listeners []Row

func listenersOf(s Sessions) Listeners {
	out := Listeners{}
	for _, t := range s {
		out = append(out, t.Rows...)
	}
	return out
}

// Text is VPP's layout.
func (l Listeners) Text(w io.Writer, _ cli.Layout) error {
	fmt.Fprintf(w, "%s%s\n", cli.Left("Listener", 60), cli.Left("App", 24))
	for i := range l {
		fmt.Fprintf(w, "%s%s\n", cli.Left(l[i].Connection(), 60), cli.Left(l[i].App, 25))
	}
	return nil
}

// words is a list of names, one a line.
type words struct {
	indent string
	List   []string
}

func (o words) Text(w io.Writer, _ cli.Layout) error {
	for _, s := range o.List {
		fmt.Fprintf(w, "%s%s\n", o.indent, s)
	}
	return nil
}

// MarshalJSON is the bare list.
func (o words) MarshalJSON() ([]byte, error) { return json.Marshal(o.List) }

// protos are the names of the registered transports.
func (l *Layer) protos() (names []string) {
	for _, t := range l.transports {
		if t != nil {
			names = append(names, t.Proto().String())
		}
	}
	return names
}

// transports is the result of "show session transport".
type transports struct {
	Protos   []string `json:"protos"`
	MinPort  uint16   `json:"minLclPort"`
	MaxPort  uint16   `json:"maxLclPort"`
	InUse    int      `json:"lclPortsAlloced"`
	MaxTries int      `json:"portAllocMaxTries"`
}

func (l *Layer) showTransports() (cli.Result, error) {
	out := transports{Protos: l.protos()}
	for _, t := range l.transports {
		p, ok := t.(transport.PortUser)
		if !ok {
			continue
		}
		for _, w := range l.workers {
			err := w.Do(func(w *worker.Worker) {
				s := p.Ports(w)
				out.MinPort, out.MaxPort = s.Min, s.Max
				out.InUse += s.InUse
				out.MaxTries = max(out.MaxTries, s.MaxTries)
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Text is VPP's layout. Ports are freed at once, so nothing waits on a free list.
func (t transports) Text(w io.Writer, _ cli.Layout) error {
	io.WriteString(w, "registered protos:\n")
	for _, p := range t.Protos {
		fmt.Fprintf(w, " %s\n", p)
	}
	_, err := fmt.Fprintf(w, "configs:\n min_lcl_port: %d max_lcl_port: %d\nstate:\n lcl ports alloced: %d\n"+
		" lcl ports freelist: 0 \n port_alloc_max_tries: %d\n lcl_endpts_cleanup_pending: 0\n",
		t.MinPort, t.MaxPort, t.InUse, t.MaxTries)
	return err
}

// threadEvents is one thread of "show session events".
type threadEvents struct {
	Thread  int `json:"thread"`
	Pending int `json:"pending"` // sessions with events to tell
	Ready   int `json:"ready"`   // sessions that may send
	Paced   int `json:"paced"`   // sessions that may send later
	Cooling int `json:"cooling"` // sessions whose FIFOs are watched
}

type eventQueues []threadEvents

func (l *Layer) showEvents() (cli.Result, error) {
	out := eventQueues{}
	for i, w := range l.workers {
		err := w.Do(func(*worker.Worker) {
			out = append(out, threadEvents{i, w.pending.Len(), w.ready.Len(), int(w.paced.n), w.cooling.Len()})
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e eventQueues) Text(w io.Writer, _ cli.Layout) error {
	for _, t := range e {
		fmt.Fprintf(w, "Thread %d:\n pending: %d\n ready: %d\n paced: %d\n cooling: %d\n", t.Thread, t.Pending, t.Ready, t.Paced, t.Cooling)
	}
	return nil
}

// endpoint prints ip:port as VPP does, without brackets.
func endpoint(a netip.AddrPort) string {
	if !a.IsValid() {
		return "0.0.0.0:0"
	}
	return fmt.Sprintf("%s:%d", a.Addr(), a.Port())
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
