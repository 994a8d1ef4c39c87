package tcp

import "vpphost/dataplane/hdr"

// verdict is what a segment with certain flags means to a connection in a certain
// state, before its numbers are looked at.
type verdict uint8

const (
	vDrop    verdict = iota // makes no sense: counted as "Dispatch error"
	vIgnore                 // a reset for nobody
	vReset                  // answered with a reset
	vOpen                   // SYN for a listener
	vSynSent                // RFC 9293 section 3.10.7.3
	vSync                   // RFC 9293 section 3.10.7.4
	numVerdicts
)

var verdictNames = [numVerdicts]string{"drop", "ignore", "reset", "open", "syn-sent", "sync"}

func (v verdict) String() string { return verdictNames[v] }

// flagMask is the flags that dispatch looks at: CWR and ECE never decide.
const flagMask = hdr.FIN | hdr.SYN | hdr.RST | hdr.PSH | hdr.ACK | hdr.URG

// dispatch has a verdict for every state and every combination of flags. What is
// not set here is dropped. PSH and URG make no difference: the first is advice, and
// urgent data is delivered in line (RFC 9293 section 3.8.5; RFC 6093).
var dispatch = makeDispatch()

func makeDispatch() (t [numStates][flagMask + 1]verdict) {
	set := func(s State, f hdr.TCPFlags, v verdict) {
		for _, extra := range [...]hdr.TCPFlags{0, hdr.PSH, hdr.URG, hdr.PSH | hdr.URG} {
			t[s][f|extra] = v
		}
	}
	// Section 3.10.7.1: a connection that does not exist resets everything but a
	// reset, sane or not.
	for f := range t[Closed] {
		t[Closed][f] = vReset
		if hdr.TCPFlags(f)&hdr.RST != 0 {
			t[Closed][f] = vIgnore
		}
	}
	// Section 3.10.7.2. Resets are ignored first, then anything that acknowledges
	// is reset, then comes the SYN.
	for f := range t[Listen] {
		switch f := hdr.TCPFlags(f); {
		case f&hdr.RST != 0:
			t[Listen][f] = vIgnore
		case f&hdr.ACK != 0:
			t[Listen][f] = vReset
		}
	}
	set(Listen, hdr.SYN, vOpen)
	// Section 3.10.7.3.
	for _, f := range [...]hdr.TCPFlags{hdr.SYN, hdr.SYN | hdr.ACK, hdr.ACK, hdr.ACK | hdr.FIN,
		hdr.RST | hdr.ACK, hdr.RST} {
		set(SynSent, f, vSynSent)
	}
	// Section 3.10.7.4. Every segment there carries an ACK, except resets and SYNs,
	// which have to be answered.
	for s := SynRcvd; s < numStates; s++ {
		for _, f := range [...]hdr.TCPFlags{hdr.ACK, hdr.ACK | hdr.FIN, hdr.SYN, hdr.SYN | hdr.ACK,
			hdr.RST, hdr.RST | hdr.ACK} {
			set(s, f, vSync)
		}
	}
	return t
}
