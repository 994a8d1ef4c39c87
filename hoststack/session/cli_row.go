package session

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"vpphost/cli"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// Row is one session as commands show it.
type Row struct {
	Thread   int            `json:"thread"`
	Index    uint32         `json:"index"`
	Proto    string         `json:"proto"`
	Local    netip.AddrPort `json:"local"`
	Remote   netip.AddrPort `json:"remote"`
	State    string         `json:"state"`   // of the connection
	Session  string         `json:"session"` // state of the session
	App      string         `json:"app"`
	RxQueued int            `json:"rxQueued"` // bytes received and not read
	TxQueued int            `json:"txQueued"` // bytes written and not acknowledged
	Details  *Details       `json:"details,omitempty"`

	letter string
	appWrk uint32
	open   bool // it has a connection
}

// Details are what "verbose 2" adds.
type Details struct {
	Opaque    uint64         `json:"opaque"`
	Flags     []string       `json:"flags"`
	Spliced   *uint32        `json:"spliced,omitempty"` // index of the session that sends what this receives
	Rx        Fifo           `json:"rxFifo"`
	Tx        Fifo           `json:"txFifo"`
	Transport map[string]any `json:"transport,omitempty"`

	text []string
}

// Fifo is a FIFO as commands show it. One that is idle has no chunk.
type Fifo struct {
	Size      int    `json:"size"`
	Used      int    `json:"used"`
	Head      uint32 `json:"head"`
	Tail      uint32 `json:"tail"`
	Chunks    int    `json:"chunks"`
	ChunkSize int    `json:"chunkSize"`
	Held      int    `json:"outOfOrder"` // bytes beyond the tail, as far as some are there
}

// row describes s; on its worker.
func (w *Worker) row(s *Session, verbose int) Row {
	info, ok := w.printable(s, verbose <= 1)
	p := s.conn.Proto
	r := Row{Thread: w.Index, Index: s.number(), Proto: p.String(), letter: cmp.Or(info.Letter, p.Letter()), open: ok,
		Local: info.Local, Remote: info.Remote, State: info.State, Session: s.state.String(),
		RxQueued: w.fifos.At(s.rx).Len(), TxQueued: w.fifos.At(s.tx).Len()}
	if !ok {
		r.State = "CLOSED"
	}
	var rx, tx uint32
	if a := w.appOf(s); a != nil {
		size := a.sizesFor(transport.Stream)
		if s.state != Listening {
			size = a.sizesFor(w.Service(s))
		}
		r.App, r.appWrk, rx, tx = a.name, a.index, size.rx, size.tx
	}
	if p := w.Spliced(s); p != nil {
		rx, tx = w.link[s.index].size, w.link[p.index].size
	}
	if verbose > 1 {
		r.Details = &Details{Spliced: w.splicedNumber(s), Opaque: s.Opaque, Flags: s.flagNames(), Transport: info.Fields, text: info.Text,
			Rx: fifoRow(w.fifos.At(s.rx), rx, s.rxPos), Tx: fifoRow(w.fifos.At(s.tx), tx, s.txPos)}
	}
	return r
}

func fifoRow(f *fifo.FIFO, size, pos uint32) Fifo {
	if f == nil {
		return Fifo{Size: int(size), Head: pos, Tail: pos}
	}
	o := Fifo{Size: f.Size(), Used: f.Len(), Held: f.Held()}
	o.Head, o.Tail = f.Positions()
	o.Chunks, o.ChunkSize = f.Chunks()
	return o
}

// flagNames are VPP's words for what a session has.
func (s *Session) flagNames() []string {
	names := []string{}
	add := func(on bool, name string) {
		if on {
			names = append(names, name)
		}
	}
	add(s.events&evReadable != 0, "rx-event")
	add(s.flags&fSpliced != 0, "proxy")
	add(s.flags&fReady != 0 || s.pace != 0, "custom-tx")
	add(s.state == Connecting, "half-open")
	add(s.flags&fAppClosed != 0, "app-closed")
	add(s.flags&fConnectionless != 0, "connectionless")
	add(s.state == Ready || s.state == Opened || s.state == TransportClosing, "rx-ready")
	add(s.flags&fPeerClosed != 0, "transport-init-close")
	return names
}

// Connection is VPP's name of a session: [0:1][T] 6.0.1.1:1235->6.0.1.2:41234.
func (r *Row) Connection() string {
	if !r.open {
		return fmt.Sprintf("[%d:%d] CLOSED", r.Thread, r.Index)
	}
	remote := r.Remote
	if !remote.IsValid() {
		remote = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		if r.Local.Addr().Is6() {
			remote = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		}
	}
	return fmt.Sprintf("[%d:%d][%s] %s->%s", r.Thread, r.Index, r.letter, endpoint(r.Local), endpoint(remote))
}

// text prints the row: a line of the table, or everything.
func (r *Row) text(w io.Writer, verbose int) {
	if r.Details == nil {
		state := r.State
		if !r.open {
			state = ""
		}
		fmt.Fprintf(w, "%s%s%s%s\n", cli.Left(r.Connection(), 60), cli.Left(state, 15),
			cli.Left(fmt.Sprint(r.RxQueued), 10), cli.Left(fmt.Sprint(r.TxQueued), 10))
		return
	}
	fmt.Fprintf(w, "%s\t%s\n", r.Connection(), r.State)
	for _, line := range r.Details.text {
		fmt.Fprintln(w, " "+strings.TrimPrefix(line, " "))
	}
	if r.State == "LISTEN" {
		return
	}
	r.fifo(w, "Rx", &r.Details.Rx)
	r.fifo(w, "Tx", &r.Details.Tx)
	fmt.Fprintf(w, " session: state: %s opaque: 0x%x flags: %s\n", r.Session, r.Details.Opaque, strings.Join(r.Details.Flags, ", "))
}

// fifo prints VPP's four lines. There are no events in flight to builtin applications,
// so the flags about them are 0; the segment manager is the worker's.
func (r *Row) fifo(w io.Writer, name string, f *Fifo) {
	newest, pool := uint32(1<<32-1), 0
	if f.Held > 0 {
		newest, pool = 0, 1
	}
	fmt.Fprintf(w, " %s fifo: cursize %d nitems %d has_event 0 want_deq 0 has_deq 0\n", name, f.Used, f.Size)
	fmt.Fprintf(w, "          head %d tail %d segment manager %d min_alloc %d\n", f.Head, f.Tail, r.Thread, f.ChunkSize)
	fmt.Fprintf(w, "          vpp session %d thread %d app session %d thread %d\n", r.Index, r.Thread, r.Index, r.Thread)
	fmt.Fprintf(w, "          ooo pool %d active elts newest %d\n", pool, newest)
}
