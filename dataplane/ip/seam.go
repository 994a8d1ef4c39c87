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
	// buffers.
	Input(w *worker.Worker, bufs []*pkt.Buf)
	// Error reports an ICMP error about a packet that we sent.
	Error(w *worker.Worker, e *Error)
}

// Error is an ICMP or ICMPv6 error message for a transport.
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

// ErrNoRoute and ErrNoSource are returned by FindPath.
var (
	ErrNoRoute  = errors.New("no route")
	ErrNoSource = errors.New("no ip for lcl interface")
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
)

// Stack is the network layer of an instance.
type Stack struct{}

// Handle makes h the receiver of IP protocol number proto. Before workers run.
func (s *Stack) Handle(proto uint8, h Handler) {}

// FindPath finds the way to dst, through interface iface unless that is 0. Only
// on a worker.
func (s *Stack) FindPath(w *worker.Worker, dst *hdr.Addr, iface uint32, p *Path) error { return nil }

// Source chooses our address for packets to dst along p (RFC 6724 for IPv6).
func (s *Stack) Source(w *worker.Worker, p *Path, dst *hdr.Addr) (hdr.Addr, error) {
	return hdr.Addr{}, nil
}

// IsLocal tells whether a is an address of one of our interfaces.
func (s *Stack) IsLocal(w *worker.Worker, a *hdr.Addr) bool { return false }

// Room is how many packets may be sent along p now without being refused: 0 while
// the device pushes back. Ask before building segments.
func (s *Stack) Room(w *worker.Worker, p *Path) int { return 0 }

// Output sends IP packets, complete from the IP header on, to dst along p. Their
// buffers need 14 bytes of headroom. Output owns them: they go out at the end of
// the Step, wait while the neighbour is resolved, or are dropped and counted.
func (s *Stack) Output(w *worker.Worker, p *Path, dst *hdr.Addr, bufs []*pkt.Buf) {}
