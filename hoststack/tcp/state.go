package tcp

// State is a connection's state (RFC 9293 section 3.3.2), numbered as VPP does.
type State uint8

const (
	Closed State = iota
	Listen
	SynSent
	SynRcvd
	Established
	CloseWait
	FinWait1
	LastAck
	Closing
	FinWait2
	TimeWait
	numStates
)

var stateNames = [numStates]string{"CLOSED", "LISTEN", "SYN_SENT", "SYN_RCVD", "ESTABLISHED",
	"CLOSE_WAIT", "FIN_WAIT_1", "LAST_ACK", "CLOSING", "FIN_WAIT_2", "TIME_WAIT"}

func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// stateSet is a set of states.
type stateSet uint16

func setOf(states ...State) (s stateSet) {
	for _, x := range states {
		s |= 1 << x
	}
	return s
}

func (s State) in(set stateSet) bool { return set>>s&1 != 0 }

var (
	// sending: states in which data of ours may be on its way, or the FIN.
	sending = setOf(Established, CloseWait, FinWait1, Closing, LastAck)
	// receiving: states in which the peer may still send data (RFC 9293 section
	// 3.10.7.4, seventh step).
	receiving = setOf(Established, FinWait1, FinWait2)
	// synchronized: states in which both sequence numbers are known.
	synchronized = setOf(Established, CloseWait, FinWait1, LastAck, Closing, FinWait2, TimeWait)
)
