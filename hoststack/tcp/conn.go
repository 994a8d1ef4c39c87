package tcp

import (
	"unsafe"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/ip"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/tcp/cc"
)

// Conn is one connection. It lives in a pool of its worker, off the Go heap, and
// holds no pointer. Everything that a segment in order touches is in the first 256
// bytes; statistics follow. What only loss and reordering need is a recovery record
// elsewhere (see cold), which most connections never have.
//
//	                 sndUna           sndNxt          sndUna+sndWnd
//	 acknowledged      │  in flight     │  may be sent     │  may not
//	───────────────────┴────────────────┴──────────────────┴──────────
//
//	                 rcvNxt            rcvAdv           rcvEdge
//	 received          │ peer may send    │ room not yet     │  no room
//	                   │                  │ offered          │
//	───────────────────┴──────────────────┴──────────────────┴────────
type Conn struct {
	// Who we are.
	remote, local hdr.Addr
	rport, lport  uint16
	path          ip.Path
	session       uint32 // the session's index; before that, listener id or opaque
	gen           uint16 // see transport.Conn
	state         State
	ccID          cc.ID
	flags         flags

	// Receiving.
	rcvNxt   hdr.Seq // RCV.NXT
	rcvAdv   hdr.Seq // right edge of the window that was advertised; never moves back
	rcvEdge  hdr.Seq // right edge of the room in the receive FIFO
	lastAck  hdr.Seq // Last.ACK.sent (RFC 7323 section 4.3)
	rxSize   uint32  // of the receive FIFO, bytes
	tsRecent uint32  // TS.Recent
	tsOffset uint32  // added to the clock in TSval
	tsStamp  uint32  // when TS.Recent was set, see tsStampAt
	pseudo   uint32  // sum of the pseudo-header, without the length
	owed     uint8   // segments received and not acknowledged yet
	rcvScale uint8   // shift of the window that we advertise
	sndScale uint8   // shift of the window that the peer advertises
	dupAcks  uint8   // duplicate ACKs in a row

	// Sending.
	mss     uint16  // payload of a full segment, bytes, without options
	backoff uint8   // how often the retransmission or persist timer was doubled
	tries   uint8   // retransmissions or probes in a row that nobody has answered
	sndUna  hdr.Seq // SND.UNA
	sndNxt  hdr.Seq // SND.NXT; the highest number sent, also while sending again
	sndWnd  uint32  // SND.WND, scaled
	sndWl1  hdr.Seq // SND.WL1
	sndWl2  hdr.Seq // SND.WL2
	roundTrip
	paceAt int64 // the pacer's virtual time, ns
	deadlines
	cold uint32 // index of the recovery record, 0 for none

	cong cc.State

	stats connStats
}

// roundTrip is what is known of the path's round-trip time.
type roundTrip struct {
	rttTime int64   // when rttSeq was sent, ns
	rttSeq  hdr.Seq // the acknowledgment of this number ends the timing
	srtt    uint32  // smoothed round-trip time, us, times 8; 0 before the first sample
	rttvar  uint32  // its variation, us, times 4
	rto     uint32  // retransmission timeout, us, before back-off
	minRTT  uint32  // least round-trip time, ns; 0 before the first sample
}

// deadlines are what the wheel fires for, through one timer.
type deadlines struct {
	rtxAt   tick // retransmission or persist
	ackAt   tick // delayed ACK
	stateAt tick // limit of the present state
	armedAt tick // when timer fires
	timer   worker.Timer
}

// connStats is what "show session verbose 2" tells of a connection and nothing
// needs to work. Names after RFC 4898.
type connStats struct {
	iss, irs     hdr.Seq
	recover      hdr.Seq // RFC 6582: SND.NXT when the last recovery began
	maxWnd       uint32  // largest window the peer ever advertised
	peerMSS      uint16
	slot         uint16 // of the listener whose backlog this counts against
	softErr      cause  // last ICMP error that did not end the connection
	extraAcks    uint8  // ACKs owed at the end of this Step beyond the first
	segsIn       uint32
	dataSegsIn   uint32
	segsOut      uint32
	dataSegsOut  uint32
	bytesIn      uint64
	bytesOut     uint64 // first transmissions only
	rxtSegs      uint32
	rxtBytes     uint64
	dupAcksIn    uint32
	dupAcksOut   uint32
	fastRec      uint16 // fast recoveries entered
	timeouts     uint16 // retransmission timeouts
	belowWnd     uint16 // segments outside of the window
	aboveWnd     uint16
	belowAck     uint16 // ACKs outside of what was sent
	aboveAck     uint16
	challengedAt tick // last challenge ACK
	sentTick     tick // when something that occupies sequence space was last sent
	prevCwnd     uint32
	opened       int64 // ns
}

// flags of a connection.
type flags uint32

const (
	fTS          flags = 1 << iota // timestamps are in use (RFC 7323)
	fSACK                          // selective acknowledgments are in use (RFC 2018)
	fPassive                       // opened by the peer
	fAttached                      // session is the index of a session
	fTiming                        // rttSeq is being timed
	fAckNow                        // an ACK is owed at the end of this Step
	fSynOwed                       // the SYN or SYN-ACK is to be sent (again)
	fQueued                        // on the worker's pending list
	fFinPending                    // the application has closed: FIN after the data
	fFinSent                       // the FIN occupies sndNxt-1
	fFinRcvd                       // the peer's FIN was taken
	fDeaf                          // the application reads no more
	fRxUsed                        // bytes were put into the receive FIFO
	fPersist                       // rtxAt is the persist timer
	fCwndLimited                   // cwnd was what bounded the last transmission
	fWScale                        // window scaling is in use
	fFinNoted                      // the peer's FIN is known to stand at cold.finSeq
	fProbe                         // a window probe is to be sent
	fBacklog                       // counts against a listener's backlog
	fClosed                        // Close, not only HalfClose, was called
	fGone                          // the session layer is still to be told that it ended
	fPort                          // the port allocator holds lport
	fRstOwed                       // with fGone: the device had no room for its reset
)

func (c *Conn) has(f flags) bool { return c.flags&f != 0 }
func (c *Conn) set(f flags)      { c.flags |= f }
func (c *Conn) clear(f flags)    { c.flags &^= f }
func (c *Conn) flight() int      { return c.sndNxt.Sub(c.sndUna) }
func (c *Conn) is4() bool        { return c.local.Is4() }
func (c *Conn) hdrLen() int      { return ipLen(c.is4()) + c.tcpLen() }
func (c *Conn) rcvWnd() int      { return c.rcvAdv.Sub(c.rcvNxt) }
func (c *Conn) dataFlight() int  { return c.flight() - b2i(c.has(fFinSent)) }
func (c *Conn) wndRoom() int     { return int(c.sndWnd) - c.flight() }
func (c *Conn) srttNs() int64    { return int64(c.srtt) * 1000 / 8 }
func (c *Conn) rtoNs() int64     { return min(int64(c.rto)*1000<<c.backoff, maxRTO) }
func (c *Conn) finNext() bool    { return c.has(fFinPending) && !c.has(fFinSent) }

// tcpLen is the length of the TCP header of a segment with data.
func (c *Conn) tcpLen() int {
	if c.has(fTS) {
		return hdr.TCPLen + tsOptLen
	}
	return hdr.TCPLen
}

func ipLen(v4 bool) int {
	if v4 {
		return hdr.IP4Len
	}
	return hdr.IP6Len
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// hotSize bounds what a segment in order touches: four cache lines.
const hotSize = 256

const (
	_ = uint(hotSize - unsafe.Offsetof(Conn{}.stats))
	_ = uint(384 - unsafe.Sizeof(Conn{}))
)
