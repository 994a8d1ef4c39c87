package transport

import (
	"net/netip"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/fifo"
)

// Proto numbers the transport protocols, as VPP orders them.
type Proto uint8

const (
	TCP Proto = iota
	UDP
	CT // cut-through: between two applications of one instance, in another's place
	SCTP
	TLS
	QUIC
	HTTP
	NumProtos
)

var protoNames = [NumProtos]string{"tcp", "udp", "ct", "sctp", "tls", "quic", "http"}

func (p Proto) String() string {
	if p < NumProtos {
		return protoNames[p]
	}
	return "unknown"
}

// Letter is the protocol's mark in connection ids: "[0:1][T] …".
func (p Proto) Letter() string {
	return [NumProtos]string{"T", "U", "CT", "S", "TLS", "Q", "H"}[p]
}

// Conn names a connection of one transport. It is a value with a generation, so
// that a stale one is detected and never followed.
type Conn struct {
	Index  uint32
	Gen    uint16
	Worker uint8
	Proto  Proto
}

// Service tells the session layer how bytes are framed.
type Service uint8

const (
	Stream   Service = iota // TCP, TLS, QUIC streams
	Datagram                // UDP: message boundaries kept
	Message                 // SCTP: boundaries, stream id and PPID
)

// Endpoint is one end of a connection as the application asked for it.
type Endpoint struct {
	Addr  netip.AddrPort // unspecified address: any local one
	Local netip.AddrPort // for Connect: source to use; zero: choose
	Iface uint32         // bind to this interface, 0 for any
	Ext   any            // protocol options, checked by the transport; of CT, the Proto it stands for
}

// Attach is what the session layer tells a transport about a new session.
type Attach struct {
	Session uint32 // the session's index on this worker, for Upper's calls
	RxSize  uint32 // bytes the receive FIFO may hold: bounds the window
	TxSize  uint32 // bytes the transmit FIFO may hold
}

// Verdict is what a transport says after Send.
type Verdict uint8

const (
	Idle  Verdict = iota // nothing more to send until Upper.WantTx or new data
	Again                // more to send: ask again in turn
	Paced                // more to send, but not before the time in Sent.Until
)

// Sent is the outcome of one Send.
type Sent struct {
	Segments int
	Verdict  Verdict
	Until    int64 // ns, for Paced
}

// Transport is one protocol.
type Transport interface {
	Proto() Proto
	Service() Service

	// StartListen begins to accept connections to ep on all workers; listener
	// comes back in Upper.Accepted. Control path, any goroutine, as StopListen. A
	// transport without connections makes one session on each worker at once, by
	// Upper.Accepted, which StopListen ends by Upper.Gone.
	StartListen(ep Endpoint, listener uint32) error
	StopListen(ep Endpoint) error

	// Connect begins an active open from worker w. Without an error exactly one
	// Upper.Connected tells how it ended, with opaque; also when Close or Reset ended
	// it before it was open (ErrAborted). An error means it never began.
	Connect(w *worker.Worker, ep Endpoint, opaque uint32) (Conn, error)

	// HalfClose: the application sends no more. Close: both directions,
	// gracefully, after what is in the transmit FIFO; bytes that come afterwards are
	// not read any more. Reset: abort. Upper.Gone follows Close and Reset, inside the
	// call or later. A stale Conn is ignored by all three.
	HalfClose(w *worker.Worker, c Conn)
	Close(w *worker.Worker, c Conn)
	Reset(w *worker.Worker, c Conn)

	// Send sends what c may send now, at most budget segments. Once per session
	// per Step.
	Send(w *worker.Worker, c Conn, budget int) Sent
	// RxSpace tells that the application has read: time for a window update?
	RxSpace(w *worker.Worker, c Conn)

	// Info describes c for "show session verbose", JSON and metrics alike; false
	// when c does not exist.
	Info(w *worker.Worker, c Conn, out *Info) bool
}

// Timed is a Transport that measures round trips.
type Timed interface {
	// RTT is the smoothed round-trip time of c in ns, 0 when none was measured.
	RTT(w *worker.Worker, c Conn) int64
}

// Addressed is a Transport that tells the ends of a connection more cheaply than by
// Info.
type Addressed interface {
	Addrs(w *worker.Worker, c Conn) (local, remote netip.AddrPort)
}

// Paired is a Transport both of whose ends are here. It moves no bytes: what one session
// writes into its transmit FIFO the other reads from its receive FIFO, which is the same
// one, so it asks for no Upper.RxFIFO.
type Paired interface {
	// Peer is the session at the other end of c, on the same worker; false when c is over.
	Peer(w *worker.Worker, c Conn) (session uint32, ok bool)
}

// Substitute is a Transport whose connections stand for those of others.
type Substitute interface {
	// For is the protocol that the ends of c think they use.
	For(w *worker.Worker, c Conn) Proto
}

// Sized is a Transport of datagrams.
type Sized interface {
	// MaxDatagram is how many bytes of payload a datagram of c may have: to go in one
	// packet on the present path, and at most. 0 when c is gone.
	MaxDatagram(w *worker.Worker, c Conn) (whole, most int)
}

// PortUser is a Transport that picks source ports.
type PortUser interface {
	// Ports tells about the source ports of worker w, on that worker.
	Ports(w *worker.Worker) PortStats
}

// PortStats are facts about source ports.
type PortStats struct {
	Min, Max uint16 // configured range
	InUse    int    // allocated now
	MaxTries int    // longest search for a free one
}

// Info is the printable state of one connection.
type Info struct {
	// Brief, set by the caller, leaves Text and Fields out: they cost several microseconds.
	Brief  bool
	Local  netip.AddrPort
	Remote netip.AddrPort
	State  string // VPP's name: ESTABLISHED, LISTEN
	Letter string // the mark in connection ids, when it is not the protocol's own
	// Text is the transport's part of "show session verbose 2", one line each, as
	// VPP lays it out; Fields are the same facts by name.
	Text   []string
	Fields map[string]any
}

// Upper is what a transport calls on the session layer. The session layer only takes
// note: it calls neither the application nor the transport before the transport has
// returned, so a transport may call from anywhere, also from inside its own methods.
type Upper interface {
	// Accepted reports a passive open that is complete. An error means that the
	// session layer or the application refuses it: the transport resets it and
	// makes no further call for it.
	Accepted(w *worker.Worker, c Conn, listener uint32) (Attach, error)
	// Connected reports how an active open ended. With a nil err the connection
	// is open and the result as in Accepted.
	Connected(w *worker.Worker, c Conn, opaque uint32, err error) (Attach, error)

	// RxFIFO is the FIFO to put received bytes in, made on the first call; nil
	// when there is no memory for it. TxFIFO is the one to send from; nil when
	// the application has written nothing. Valid until the call chain ends.
	RxFIFO(w *worker.Worker, session uint32) *fifo.FIFO
	TxFIFO(w *worker.Worker, session uint32) *fifo.FIFO

	// Delivered tells that n bytes were committed to the receive FIFO: once per
	// run. Acked tells that n bytes were dropped from the transmit FIFO.
	Delivered(w *worker.Worker, session uint32, n int)
	Acked(w *worker.Worker, session uint32, n int)
	// PeerClosed: the peer sends no more.
	PeerClosed(w *worker.Worker, session uint32)
	// Gone is the last call for a session, exactly one for each that Accepted or
	// Connected made: why is nil after an orderly close, else ErrReset, ErrTimeout,
	// ErrAborted (after Reset) or another error of this package.
	Gone(w *worker.Worker, session uint32, why error)
	// WantTx asks for Send to be called in this Step or the next: the window
	// opened, a timer expired, a segment must be sent again.
	WantTx(w *worker.Worker, session uint32)
}
