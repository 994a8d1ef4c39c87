package cc

import (
	"fmt"
	"unsafe"
)

// ID names a controller. The zero value is the default.
type ID uint8

const (
	Cubic ID = iota
	NewReno
	NumIDs
)

const (
	// MaxCwnd bounds every congestion window, in bytes: the largest window that
	// TCP can advertise (RFC 7323 section 2.3).
	MaxCwnd = 1 << 30
	// InfiniteSsthresh is the slow start threshold before the first congestion
	// (RFC 5681 section 3.1: "arbitrarily high").
	InfiniteSsthresh = 1<<32 - 1
	// minSegments is the least ssthresh, in segments (RFC 5681 equation 4).
	minSegments = 2
)

// State is what a controller remembers of one connection. It holds no pointer.
// Only Cwnd and Ssthresh are for the connection to read; it never writes them.
type State struct {
	Cwnd     uint32 // congestion window, bytes; never 0 after Init
	Ssthresh uint32 // slow start threshold, bytes

	priorCwnd     uint32 // as they were before the last congestion event, for Undo;
	priorSsthresh uint32 // priorCwnd is 0 when there is nothing to undo

	words [6]uint64 // private to the algorithm
}

const _ = uint(64 - unsafe.Sizeof(State{}))

// SlowStart tells whether the window is below the threshold.
func (s *State) SlowStart() bool { return s.Cwnd < s.Ssthresh }

// Ack is one run of ACKs, taken as one.
type Ack struct {
	Now          int64  // when it arrived, ns
	Acked        uint32 // bytes newly acknowledged, cumulatively (snd.una advanced by)
	Delivered    uint32 // bytes newly acknowledged or SACKed: what the window grows by
	FlightBefore uint32 // snd.nxt - snd.una before the ACK, bytes
	MSS          uint32 // payload of a full-size segment, bytes
	SRTT         int64  // smoothed round-trip time, ns; 0 while unknown
	MinRTT       int64  // least round-trip time of late, ns; 0 while unknown
	RTT          int64  // sample taken from this ACK, ns; 0 for none

	// CwndLimited tells that the congestion window, and not the application or
	// the peer's window, has bounded what was in flight during the last round
	// trip. A window that was not used must not grow (RFC 9438 section 5.8, RFC
	// 7661).
	CwndLimited bool
	// InRecovery: the ACK belongs to a loss episode that has not ended. The
	// window stays where OnCongestion put it, except after a Timeout, when slow
	// start has to rebuild it (pass false then).
	InRecovery bool

	// Delivery rate sample (RFC draft-cheng-iccrg-delivery-rate-estimation) for
	// controllers that model the path; others ignore it and it may be left 0.
	Rate           uint64 // bytes per second
	RateAppLimited bool   // the sample was taken while the application had no data
	TotalDelivered uint64 // bytes delivered since the connection began
	Lost           uint32 // bytes newly marked lost
}

// credit is how many bytes let the window grow. A duplicate ACK leaves it alone (RFC
// 5681 section 3.2 step 1).
func (a *Ack) credit() uint32 {
	if a.Acked == 0 {
		return 0
	}
	return a.Delivered
}

// Kind is what made the connection think of congestion.
type Kind uint8

const (
	// FastRecovery: loss found by duplicate ACKs, SACK or RACK. Once per episode.
	FastRecovery Kind = iota
	// Timeout: the retransmission timer expired. Not again when it backs off for
	// the same data (RFC 5681 section 3.1).
	Timeout
	// ECN: the peer echoed congestion experienced (RFC 3168). Once per window.
	ECN
)

// Loss is one congestion event.
type Loss struct {
	Kind   Kind
	Now    int64  // ns
	Flight uint32 // FlightSize: snd.nxt - snd.una before the event was handled, bytes
	MSS    uint32 // bytes
}

// Idle says that nothing has been in flight.
type Idle struct {
	Now int64  // ns
	For int64  // how long nothing was sent, ns
	RTO int64  // present retransmission timeout, ns
	MSS uint32 // bytes
	IW  uint32 // initial window, bytes
}

// Controller is a congestion control algorithm. Implementations hold no state and
// are shared by all connections of all workers; nothing here allocates. What an
// argument points to is not kept, but as the call is through an interface Go puts
// a local variable whose address is passed on the heap: keep one Ack and one Loss
// in the worker's scratch memory.
type Controller interface {
	// Name is the word of "tcp { cc-algo <name> }".
	Name() string
	// Init makes s that of a fresh connection whose initial window is iw bytes,
	// whatever it held before.
	Init(s *State, now int64, mss, iw uint32)
	OnAck(s *State, a *Ack)
	// OnCongestion lowers Ssthresh, to no less than two segments, and sets Cwnd to
	// the new target: Ssthresh after FastRecovery and ECN, one segment after
	// Timeout (RFC 5681 section 3.1). How fast the flight shrinks to it is the
	// connection's choice (RFC 6937).
	OnCongestion(s *State, l *Loss)
	// OnRecovered ends the episode of the last FastRecovery.
	OnRecovered(s *State, now int64, mss uint32)
	// Undo takes back the last OnCongestion, found spurious (RFC 4015, RFC 5682,
	// RFC 3708). A second call does nothing.
	Undo(s *State, now int64)
	// OnIdle lowers a window that has not been used for longer than a
	// retransmission timeout (RFC 5681 section 4.1, RFC 2861).
	OnIdle(s *State, i *Idle)
	// PacingRate is how fast to send, in bytes per second; 0 means unpaced, as
	// while srtt (ns) is 0.
	PacingRate(s *State, srtt int64) uint64
}

// controllers by ID.
var controllers = [NumIDs]Controller{Cubic: cubic{}, NewReno: newReno{}}

// ByID is the controller named id, the default one for an id out of range.
func ByID(id ID) Controller {
	if id >= NumIDs {
		id = 0
	}
	return controllers[id]
}

// ByName finds a controller's ID by its name.
func ByName(name string) (ID, error) {
	for i, c := range controllers {
		if c.Name() == name {
			return ID(i), nil
		}
	}
	return 0, fmt.Errorf("unknown congestion control algorithm %q", name)
}

func (id ID) String() string { return ByID(id).Name() }
