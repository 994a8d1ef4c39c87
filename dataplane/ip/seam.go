package ip

import (
	"errors"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// Handler is a transport protocol above IP.
type Handler interface {
	// Input takes packets for one of our addresses, in order of arrival: at most
	// pkt.MaxBurst, all of one IP version (pkt.V6). IP headers are validated, the
	// data is trimmed to the IP length, L3, L4, L4Len and Arrived are set; the
	// transport checksum is not verified unless pkt.L4Good says so. Input owns the
	// buffers. A packet that is larger than a buffer comes only to a Handler that is
	// a ChainHandler.
	Input(w *worker.Worker, bufs []*pkt.Buf)
	// Error reports an ICMP error about a packet that we sent, or that we could not send.
	// It runs on the worker that got the error, which need not be the one that owns the
	// connection.
	Error(w *worker.Worker, e *Error)
}

// ChainHandler is a Handler that also takes packets of several buffers (Buf.Next), which
// reassembly makes of large datagrams. L4Len is then the length of the whole.
type ChainHandler interface {
	Handler
	TakesChains()
}

// Error is an ICMP or ICMPv6 error message for a transport. It is valid during the call.
type Error struct {
	Local, Remote hdr.Addr // of the packet in question, as we sent it
	Kind          ErrorKind
	MTU           uint32 // for TooBig
	Quoted        []byte // the quoted transport header: 8 bytes at least
}

// ErrorKind is what an ICMP error says, whatever the IP version.
type ErrorKind uint8

const (
	HostUnreachable ErrorKind = iota // soft (RFC 1122 section 4.2.3.9)
	ProtoUnreachable
	PortUnreachable
	TooBig
	TimeExceeded
	Prohibited
	ParameterProblem
)

// ErrNoRoute and ErrTooMany are returned by FindPath, ErrNoSource by Source.
var (
	ErrNoRoute  = errors.New("no route")
	ErrNoSource = errors.New("no ip for lcl interface")
	ErrTooMany  = errors.New("neighbor table is full")
)

// Path is where packets to one destination go: an adjacency, remembered with the
// epoch of the tables it was found in. It is plain bytes, kept by whoever sends
// (a TCP connection); Output finds it again when the epoch has moved on.
type Path struct {
	Adj   uint32 // adjacency index on this worker, 0 for none
	Epoch uint32
	Iface uint32
	MTU   uint16 // largest IP packet
	Flags PathFlags
}

// PathFlags describe a path.
type PathFlags uint16

const (
	PathLocal  PathFlags = 1 << iota // to one of our own addresses
	PathTxCsum                       // the device completes transport checksums
	PathTSO                          // the device cuts large segments
	PathBound                        // asked for through Iface only
)
