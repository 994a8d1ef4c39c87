package session

import "errors"

// App receives session events. All methods run on the session's worker and must
// not block; calls of different workers come side by side. A *Session is valid
// only inside the callback; to keep a session, keep its Handle. Embed NopApp to
// implement only some.
//
// An App may call every method of Worker inside every callback. Callbacks never
// nest: what such a call leads to (Gone after Reset, say) is told later. A callback
// that panics ends the App: its sessions are reset, its listeners stop, and it gets
// no further call.
type App interface {
	// Accept decides about a new passive session. An error resets the peer, and no
	// further call comes for s.
	Accept(w *Worker, s *Session) error
	// Connected reports how an active open ended; s is nil when err is not.
	Connected(w *Worker, s *Session, opaque uint64, err error)
	// Readable: data arrived in w.Rx(s), once per Step. Edge triggered: read until
	// empty, or call w.Again(s), or accept that no call comes before more data does.
	Readable(w *Worker, s *Session)
	// Writable: w.Tx(s) has gained room, after w.WantWritable(s, true). Once per
	// Step.
	Writable(w *Worker, s *Session)
	// Closed: the peer closed its side; data may still be unread.
	Closed(w *Worker, s *Session)
	// Gone: closed by both, reset or timed out. Last callback for s, whose unread
	// data can still be read here. why is nil after an orderly close and
	// transport.ErrAborted after a Reset of ours.
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

// Scope is whom an application talks to.
type Scope uint8

const (
	// GlobalScope is the network: what a client connects to and who reaches a server.
	GlobalScope Scope = 1 << iota
	// LocalScope is this instance: a client connects to its servers, cut-through, and a
	// server without GlobalScope is reached by such clients only.
	LocalScope
	// AllScope is LocalScope and, when nobody here listens, GlobalScope.
	AllScope = GlobalScope | LocalScope
)

// Options of an application.
type Options struct {
	Scope          Scope  // 0: GlobalScope
	RxFIFO, TxFIFO uint32 // bytes per session; 0 for the default, see fifo.ClampSize
	MaxFIFO        uint32 // to which the receive FIFO of a spliced session grows; 0: it does not
	GrowAt         uint8  // percent of it that are full when it grows; 0: 80
	NoCutThrough   bool   // listeners are not found by clients of local scope: for who splices
	Server         bool   // listed by "show app server" rather than "client"
}

// DefaultFIFO is the size of a FIFO, in bytes, when an application asks for none.
// VPP's is its minimum, 4 KiB. Memory is taken as bytes come, so being more generous
// costs nothing; at this size chunks are still the smallest, 4 KiB.
const DefaultFIFO = 128 << 10

// DefaultDatagramFIFO is the same for sessions of datagrams: two bursts of full-size ones,
// as nothing holds a sender back. Chunks are 16 KiB then.
const DefaultDatagramFIFO = 63 * 16 << 10

// Errors of the session layer, besides those of package transport.
var (
	// ErrNotEnabled is returned by everything while the session layer is off.
	ErrNotEnabled = errors.New("session layer is not enabled")
	// ErrNotAttached is returned for an application that was detached.
	ErrNotAttached = errors.New("app not attached")
	// ErrNotOwner is returned for what belongs to another application.
	ErrNotOwner = errors.New("object not owned by application")
	// ErrScope is returned for an address that the application's scope does not reach.
	ErrScope = errors.New("scope not supported")
	// ErrNotSupported is returned for a transport that is not there.
	ErrNotSupported = errors.New("not supported")
)
