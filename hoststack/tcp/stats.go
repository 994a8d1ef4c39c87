package tcp

import "vpphost/dataplane/stats"

// Reasons of tcp4-input and tcp6-input. Texts are VPP's where it has the thing.
const (
	inLength = iota
	inChecksum
	inNoListener
	inLookup
	inDispatch
	inEnqueued
	inEnqueuedOOO
	inFIFOFull
	inPartial
	inOld
	inInvalid
	inSyn
	inSynAck
	inNoSession
	inBacklog
	inAck
	inAckInvalid
	inAckDup
	inAckOld
	inAckFuture
	inRst
	inClosed
	inOptions
	inPAWS
	inWindow
	inNoMemory
	inFin
	inTimeWait
	inICMP
	inHanded
	inHandoffFull
	numIn
)

var inReasons = [numIn]stats.Reason{
	inLength:      {Text: "inconsistent ip/tcp lengths", Severity: stats.Error},
	inChecksum:    {Text: "bad tcp checksum", Severity: stats.Error},
	inNoListener:  {Text: "no listener for dst port", Severity: stats.Error},
	inLookup:      {Text: "lookup drops", Severity: stats.Error},
	inDispatch:    {Text: "Dispatch error", Severity: stats.Error},
	inEnqueued:    {Text: "Packets pushed into rx fifo", Severity: stats.Info},
	inEnqueuedOOO: {Text: "OOO packets pushed into rx fifo", Severity: stats.Info},
	inFIFOFull:    {Text: "Packets dropped for lack of rx fifo space", Severity: stats.Error},
	inPartial:     {Text: "Packets partially pushed into rx fifo", Severity: stats.Info},
	inOld:         {Text: "Old segment", Severity: stats.Warn},
	inInvalid:     {Text: "Invalid segments", Severity: stats.Warn},
	inSyn:         {Text: "SYNs received", Severity: stats.Info},
	inSynAck:      {Text: "SYN-ACKs received", Severity: stats.Info},
	inNoSession:   {Text: "Sessions couldn't be allocated", Severity: stats.Error},
	inBacklog:     {Text: "SYNs dropped, listener backlog full", Severity: stats.Error},
	inAck:         {Text: "Pure ACKs received", Severity: stats.Info},
	inAckInvalid:  {Text: "Invalid ACK", Severity: stats.Warn},
	inAckDup:      {Text: "Duplicate ACK", Severity: stats.Info},
	inAckOld:      {Text: "Old ACK", Severity: stats.Info},
	inAckFuture:   {Text: "Future ACK", Severity: stats.Warn},
	inRst:         {Text: "Resets received", Severity: stats.Info},
	inClosed:      {Text: "Connection closed", Severity: stats.Info},
	inOptions:     {Text: "Could not parse options", Severity: stats.Error},
	inPAWS:        {Text: "PAWS check failed", Severity: stats.Warn},
	inWindow:      {Text: "Segment not in receive window", Severity: stats.Warn},
	inNoMemory:    {Text: "Packets dropped for lack of rx fifo memory", Severity: stats.Error},
	inFin:         {Text: "FINs received", Severity: stats.Info},
	inTimeWait:    {Text: "Segments for connections in TIME_WAIT", Severity: stats.Info},
	inICMP:        {Text: "ICMP errors about no segment in flight", Severity: stats.Warn},
	inHanded:      {Text: "Packets handed to other workers", Severity: stats.Info},
	inHandoffFull: {Text: "Packets dropped, other worker is too slow", Severity: stats.Error},
}

// Reasons of tcp4-output and tcp6-output.
const (
	outSent = iota
	outRst
	outChallenge
	outUnchallenged
	outNoBuffer
	outNoRoute
	numOut
)

var outReasons = [numOut]stats.Reason{
	outSent:         {Text: "Packets sent", Severity: stats.Info},
	outRst:          {Text: "Resets sent", Severity: stats.Info},
	outChallenge:    {Text: "Challenge ACKs sent", Severity: stats.Info},
	outUnchallenged: {Text: "Challenge ACKs not sent, rate limit", Severity: stats.Info},
	outNoBuffer:     {Text: "out of buffers", Severity: stats.Error},
	outNoRoute:      {Text: "Resets not sent, no route", Severity: stats.Error},
}

// groups of an instance.
type groups struct {
	in, out [2]*stats.Group // IPv4, IPv6
}

func newGroups(set *stats.Set, workers int) (g groups) {
	g.in[0] = set.New("tcp4-input", workers, inReasons[:]...)
	g.in[1] = set.New("tcp6-input", workers, inReasons[:]...)
	g.out[0] = set.New("tcp4-output", workers, outReasons[:]...)
	g.out[1] = set.New("tcp6-output", workers, outReasons[:]...)
	return g
}

// WorkerStats are the counters of "show tcp stats", in its order.
type WorkerStats struct {
	TimerExpirations  uint64 `json:"timerExpirations"`
	RxtSegs           uint64 `json:"rxtSegs"`
	TimerRetransmits  uint64 `json:"timerRetransmits"`
	EstablishTimeouts uint64 `json:"establishTimeouts"`
	Persists          uint64 `json:"persists"`
	CloseWaits        uint64 `json:"closeWaits"`
	CloseWaitsData    uint64 `json:"closeWaitsData"`
	FinWait1s         uint64 `json:"finWait1s"`
	FinWait2s         uint64 `json:"finWait2s"`
	LastAcks          uint64 `json:"lastAcks"`
	Closings          uint64 `json:"closings"`
	RetransmitAborts  uint64 `json:"retransmitAborts"`
	RstUnread         uint64 `json:"rstUnread"`
	NoBuffer          uint64 `json:"noBuffer"`
	Spurious          uint64 `json:"spurious"`
}
