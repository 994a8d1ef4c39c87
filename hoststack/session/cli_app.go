package session

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
)

// AppRow is one application as "show app" shows it.
type AppRow struct {
	Index     uint32 `json:"index"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type appRows []AppRow

// runApp is "show app".
func (l *Layer) runApp(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var server, client, verbose bool
	var which string
	for !in.Done() {
		switch {
		case in.Match("server"), in.Match("listeners"):
			server = true
		case in.Match("client"):
			client = true
		case in.Match("verbose"):
			verbose = true
		default:
			rest := *in
			if which != "" || !in.Word(&which) {
				return nil, rest.Unknown()
			}
			if l.appByWord(which) == nil && l.Enabled() {
				return nil, cli.Usagef("no application %s", cli.Quote(which))
			}
		}
	}
	if !l.Enabled() {
		return nil, ErrNotEnabled
	}
	switch {
	case which != "":
		a := l.appByWord(which)
		if a == nil {
			return nil, ErrNotAttached
		}
		return a.details()
	case server || client:
		return l.ownedSessions(c, server, client, verbose)
	}
	rows := appRows{}
	for _, a := range l.Apps() {
		rows = append(rows, AppRow{a.index, a.name, "default"})
	}
	return rows, nil
}

func (l *Layer) appWords(*cli.Ctx, *cli.Input) []cli.Word {
	out := []cli.Word{{Text: "server", Help: "listeners and their applications"},
		{Text: "client", Help: "sessions that applications opened"}, {Text: "verbose", Help: "more columns"}}
	for _, a := range l.Apps() {
		out = append(out, cli.Word{Text: a.name, Help: "this application"})
	}
	return out
}

// appByWord finds an application by its index or name.
func (l *Layer) appByWord(word string) *AppHandle {
	n, err := strconv.ParseUint(word, 10, 32)
	for _, a := range l.Apps() {
		if a.name == word || err == nil && uint64(a.index) == n {
			return a
		}
	}
	return nil
}

func (r appRows) Text(w io.Writer, _ cli.Layout) error {
	fmt.Fprintf(w, "%s%s%s\n", cli.Left("Index", 10), cli.Left("Name", 20), cli.Left("Namespace", 40))
	for _, a := range r {
		fmt.Fprintf(w, "%s%s%s\n", cli.Left(fmt.Sprint(a.Index), 10), cli.Left(a.Name, 20), cli.Left(a.Namespace, 40))
	}
	return nil
}

// ownedSessions is the result of "show app server" and "show app client". In JSON a list
// that was asked for is there even when it is empty.
type ownedSessions struct {
	Server  []Row `json:"server,omitzero"`
	Client  []Row `json:"client,omitzero"`
	server  bool
	client  bool
	verbose bool
	More    int `json:"more,omitempty"` // client sessions that are not listed
}

func (l *Layer) ownedSessions(c *cli.Ctx, server, client, verbose bool) (cli.Result, error) {
	out := ownedSessions{server: server, client: client, verbose: verbose}
	if server {
		out.Server = []Row{}
	}
	if client {
		out.Client = []Row{}
	}
	if server { // listeners are sessions of worker 0
		rows, _, err := l.workers[0].gather(c, 1, maxListed, func(s *Session) bool { return s.state == Listening })
		if err != nil {
			return nil, err
		}
		out.Server = append(out.Server, rows...)
	}
	if !client {
		return out, nil
	}
	for _, w := range l.workers {
		rows, n, err := w.gather(c, 1, maxRows, func(s *Session) bool {
			return s.flags&fActive != 0 && s.state >= Accepting && s.app != 0
		})
		if err != nil {
			return nil, err
		}
		out.Client = append(out.Client, rows...)
		out.More += n - len(rows)
	}
	return out, nil
}

// maxListed listeners are shown: all that there can be.
const maxListed = 1 << placeBits

func (a ownedSessions) Text(w io.Writer, _ cli.Layout) error {
	if a.server {
		fmt.Fprintf(w, "%s%s%s", cli.Left("Connection", 60), cli.Left("App", 25), cli.Left("Wrk", 10))
		if a.verbose {
			io.WriteString(w, cli.Left("SegMngr", 10))
		}
		fmt.Fprintln(w)
		for i := range a.Server {
			r := &a.Server[i]
			wrk := "0"
			if a.verbose {
				wrk = fmt.Sprintf("%d(0)", r.appWrk)
			}
			fmt.Fprintf(w, "%s%s%s", cli.Left(r.Connection(), 60), cli.Left(r.App, 25), cli.Left(wrk, 10))
			if a.verbose {
				io.WriteString(w, cli.Left(fmt.Sprint(r.Thread), 10))
			}
			fmt.Fprintln(w)
		}
	}
	if a.client {
		fmt.Fprintf(w, "%s%s", cli.Left("Connection", 60), cli.Left("App", 20))
		if a.verbose {
			fmt.Fprintf(w, "%s%s", cli.Left("API Client", 15), cli.Left("SegManager", 10))
		}
		fmt.Fprintln(w)
		for i := range a.Client {
			r := &a.Client[i]
			fmt.Fprintf(w, "%s%s", cli.Left(r.Connection(), 60), cli.Left(r.App, 20))
			if a.verbose {
				fmt.Fprintf(w, "%s%s", cli.Left("-1", 15), cli.Left(fmt.Sprint(r.Thread), 10))
			}
			fmt.Fprintln(w)
		}
		if a.More > 0 {
			fmt.Fprintf(w, "%d more. Use show session with filters.\n", a.More)
		}
	}
	return nil
}

// AppDetails is the result of "show app <name>".
type AppDetails struct {
	AppRow
	Server      bool     `json:"server"`
	Flags       []string `json:"flags"`
	RxFIFO      uint32   `json:"rxFifoSize"`
	TxFIFO      uint32   `json:"txFifoSize"`
	SegmentSize int      `json:"segmentSize"`
	Sessions    []int    `json:"sessions"` // by worker, listeners among them
}

func (a *AppHandle) details() (cli.Result, error) {
	d := AppDetails{AppRow: AppRow{a.index, a.name, "default"}, Server: a.server,
		Flags: []string{"builtin"}, RxFIFO: a.sizes[0].rx, TxFIFO: a.sizes[0].tx, SegmentSize: a.l.cfg.Memory}
	if a.scope&GlobalScope != 0 {
		d.Flags = append(d.Flags, "global-scope")
	}
	if a.scope&LocalScope != 0 {
		d.Flags = append(d.Flags, "local-scope")
	}
	for i, w := range a.l.workers {
		if err := w.Do(func(*worker.Worker) { d.Sessions = append(d.Sessions, int(a.per[i].n)) }); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Text is VPP's layout.
func (d AppDetails) Text(w io.Writer, _ cli.Layout) error {
	size := func(n int) string { return cli.FormatSize(uint64(n)) }
	fmt.Fprintf(w, "app:\t %s app-index %d ns 0:%s\n", d.Name, d.Index, d.Namespace)
	fmt.Fprintf(w, "flags:\t %s\n", strings.Join(d.Flags, " "))
	fmt.Fprintf(w, "memory:\t seg-size %s add-seg-size 0 mq-size 0 max-segments %d\n", size(d.SegmentSize), len(d.Sessions))
	fmt.Fprintf(w, "\t rx-fifo-size %s tx-fifo-size %s max-fifo-size %s\n", size(int(d.RxFIFO)), size(int(d.TxFIFO)), size(fifo.MaxSize))
	fmt.Fprintf(w, "\t segment-type private prealloc-fifos 0 prealloc-fifo-hdrs 0\n")
	fmt.Fprintf(w, "workers:\n")
	for i, n := range d.Sessions {
		fmt.Fprintf(w, "  wrk-index %d app-index %d map-index 0 api-client-index -1 mq-cong 0 sessions %d\n", i, d.Index, n)
	}
	return nil
}

// SegmentRow is one segment manager: the FIFO memory of a worker, which all its
// applications share.
type SegmentRow struct {
	Thread  int               `json:"thread"`
	Name    string            `json:"name"`
	FIFOs   int               `json:"fifos"`
	Usage   fifo.Usage        `json:"usage"`
	Headers worker.PoolMemory `json:"headers"` // the FIFOs without their bytes
	Segment worker.PoolMemory `json:"segment"` // their bytes, in lines
}

type segmentRows struct {
	Managers []SegmentRow `json:"managers"`
	verbose  bool
}

func (l *Layer) runSegments(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	out := segmentRows{verbose: in.Match("verbose")}
	if err := in.End(); err != nil {
		return nil, err
	}
	if !l.Enabled() {
		return nil, ErrNotEnabled
	}
	for i, w := range l.workers {
		m := SegmentRow{Thread: i, Name: w.Name, Headers: worker.PoolMemory{Thread: i, Name: "fifos"},
			Segment: worker.PoolMemory{Thread: i, Name: "fifo segment"}}
		err := w.Do(func(*worker.Worker) {
			m.FIFOs, m.Usage = w.fifos.Used(), w.fifos.Segment().Usage()
			m.Headers.Usage, m.Segment.Usage = w.fifos.Usage(), w.fifos.Segment().Memory()
		})
		if err != nil {
			return nil, err
		}
		m.Headers.Ask()
		m.Segment.Ask()
		out.Managers = append(out.Managers, m)
	}
	return out, nil
}

// Text is VPP's layout, and the figures of the memory when verbose.
func (s segmentRows) Text(w io.Writer, _ cli.Layout) error {
	if !s.verbose {
		_, err := fmt.Fprintf(w, "%d segment managers allocated\n", len(s.Managers))
		return err
	}
	for _, m := range s.Managers {
		u := &m.Usage
		fmt.Fprintf(w, "[%d] %s app-wrk: %d segs: 1 max-fifo-sz: %s wmarks: 100 100 no-tuning flags: connects listener \n",
			m.Thread, m.Name, m.Thread, cli.FormatSize(fifo.MaxSize))
		fmt.Fprintf(w, "    size %s used %s backed %s resident %s chunks %d refused %d\n", cli.FormatSize(u.Size),
			cli.FormatSize(u.Used), cli.FormatSize(u.Backed), cli.FormatSize(m.Segment.Resident), u.Chunks, u.Failed)
		fmt.Fprintf(w, "    fifos %d of %d resident %s\n", m.FIFOs, m.Headers.Max, cli.FormatSize(m.Headers.Resident))
	}
	return nil
}
