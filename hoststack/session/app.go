package session

import (
	"errors"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
	"vpphost/hoststack/transport"
)

// App receives session events. All methods run on the session's worker and must
// not block; calls of different workers come side by side. A *Session is valid
// only inside the callback; to keep a session, keep its Handle. Embed NopApp to
// implement only some.
type App interface {
	// Accept decides about a new passive session. An error resets the peer.
	Accept(w *Worker, s *Session) error
	// Connected reports how an active open ended; s is nil when err is not.
	Connected(w *Worker, s *Session, opaque uint64, err error)
	// Readable: data arrived in w.Rx(s), once per Step. Edge triggered: read until
	// empty, or accept that no call comes before more data does.
	Readable(w *Worker, s *Session)
	// Writable: w.Tx(s) has gained room, after w.WantWritable(s, true). Once per
	// Step.
	Writable(w *Worker, s *Session)
	// Closed: the peer closed its side; data may still be unread.
	Closed(w *Worker, s *Session)
	// Gone: closed by both, reset or timed out. Last callback for s. why is nil
	// after an orderly close.
	Gone(w *Worker, s *Session, why error)
}

// NopApp implements App by doing nothing.
type NopApp struct{}

func (NopApp) Accept(*Worker, *Session) error             { return nil }
func (NopApp) Connected(*Worker, *Session, uint64, error) {}
func (NopApp) Readable(*Worker, *Session)                 {}
func (NopApp) Writable(*Worker, *Session)                 {}
func (NopApp) Closed(*Worker, *Session)                   {}
func (NopApp) Gone(*Worker, *Session, error)              {}

// Options of an application.
type Options struct {
	RxFIFO, TxFIFO uint32 // bytes per session; 0 for the default
	Server         bool   // listed by "show app server" rather than "client"
}

// Handle names a session for as long as it lives; a stale one is detected.
type Handle struct {
	Worker uint8
	Gen    uint16
	Index  uint32
}

// Session is one end of a conversation. It lives in a pool of its worker.
type Session struct {
	Opaque uint64 // the application's own, not touched by the stack
}

// Worker is the session layer's part of one worker: what callbacks use.
type Worker struct {
	*worker.Worker
}

// Rx is the receive FIFO, nil (and usable as empty) when nothing waits in it. Tx is the
// transmit FIFO, made on first use; nil when memory has run out.
func (w *Worker) Rx(s *Session) *fifo.FIFO { return nil }
func (w *Worker) Tx(s *Session) *fifo.FIFO { return nil }

// Dropped tells the stack that the application has read from Rx: the receive
// window may open. Once per callback is enough.
func (w *Worker) Dropped(s *Session) {}

// Send tells the stack that bytes were committed to Tx.
func (w *Worker) Send(s *Session) {}

// WantWritable switches Writable callbacks on or off.
func (w *Worker) WantWritable(s *Session, on bool) {}

// HalfClose ends our direction after what is in Tx; Close ends both, gracefully;
// Reset aborts. Gone follows.
func (w *Worker) HalfClose(s *Session) {}
func (w *Worker) Close(s *Session)     {}
func (w *Worker) Reset(s *Session)     {}

// Handle names s; Get finds a session by its handle, nil when it is gone.
func (w *Worker) Handle(s *Session) Handle { return Handle{} }
func (w *Worker) Get(h Handle) *Session    { return nil }

// Connect begins an active open from this worker for application a; Connected
// follows, with opaque, unless an error is returned.
func (w *Worker) Connect(a *AppHandle, p transport.Proto, ep transport.Endpoint, opaque uint64) error {
	return nil
}

// Info describes the session's connection.
func (w *Worker) Info(s *Session, out *transport.Info) bool { return false }

// ErrNotEnabled is returned by everything while the session layer is off.
var ErrNotEnabled = errors.New("session layer is not enabled")

// Layer is the session layer of an instance.
type Layer struct{}

// Attach registers an application.
func (l *Layer) Attach(name string, a App, o Options) (*AppHandle, error) { return nil, nil }

// Enable turns the session layer on, as "session enable" does. Idempotent.
func (l *Layer) Enable() error { return nil }

// Workers are the session layer's workers, by index. Touch one only on its own
// worker (Worker.Do).
func (l *Layer) Workers() []*Worker { return nil }

// AppHandle is an attached application.
type AppHandle struct{}

// Listen and Unlisten begin and end accepting on a URI, "tcp://10.0.0.1/80".
// Control path.
func (a *AppHandle) Listen(p transport.Proto, ep transport.Endpoint) error   { return nil }
func (a *AppHandle) Unlisten(p transport.Proto, ep transport.Endpoint) error { return nil }

// Detach ends the application: its listeners stop, its sessions are reset and
// their Gone has been called when Detach returns. Control path.
func (a *AppHandle) Detach() error { return nil }

// ParseURI understands VPP's forms: proto://ip/port, proto://ip:port,
// proto://[ip6]:port, ip/port, :port (any address), with tcp when no scheme is
// given.
func ParseURI(s string) (transport.Proto, transport.Endpoint, error) {
	return 0, transport.Endpoint{}, nil
}
