package udp

import "vpphost/dataplane/stats"

// Reasons of udp4-input and udp6-input. Texts are VPP's where it has the thing.
const (
	inEnqueued = iota
	inAccepted
	inNoListener
	inLength
	inChecksum
	inInvalid
	inFIFOFull
	inNoMemory
	inNoSession
	inLimit
	inClosing
	inICMP
	inICMPSoft
	inICMPStray
	inIdle
	inHanded
	inHandoffFull
	numIn
)

var inReasons = [numIn]stats.Reason{
	inEnqueued:    {Text: "UDP packets enqueued", Severity: stats.Info},
	inAccepted:    {Text: "Accepted session", Severity: stats.Info},
	inNoListener:  {Text: "No listener for dst port", Severity: stats.Error},
	inLength:      {Text: "UDP packets with length errors", Severity: stats.Error},
	inChecksum:    {Text: "UDP packets with bad checksum", Severity: stats.Error},
	inInvalid:     {Text: "Invalid connection", Severity: stats.Error},
	inFIFOFull:    {Text: "Fifo full", Severity: stats.Error},
	inNoMemory:    {Text: "Fifo no mem", Severity: stats.Error},
	inNoSession:   {Text: "Failed to create session", Severity: stats.Error},
	inLimit:       {Text: "Failed to create session, too many of the listener", Severity: stats.Error},
	inClosing:     {Text: "Connection not ready", Severity: stats.Warn},
	inICMP:        {Text: "ICMP errors that ended a session", Severity: stats.Info},
	inICMPSoft:    {Text: "ICMP errors noted", Severity: stats.Info},
	inICMPStray:   {Text: "ICMP errors about no session", Severity: stats.Warn},
	inIdle:        {Text: "Sessions ended after a time without datagrams", Severity: stats.Info},
	inHanded:      {Text: "Packets handed to other workers", Severity: stats.Info},
	inHandoffFull: {Text: "Packets dropped, other worker is too slow", Severity: stats.Error},
}

// Reasons of udp4-output and udp6-output.
const (
	outSent = iota
	outFragmented
	outFragments
	outNoRemote
	outTooLong
	outTooBig
	outNoRoute
	outNoSource
	outNoBuffer
	outBad
	outAbandoned
	numOut
)

var outReasons = [numOut]stats.Reason{
	outSent:       {Text: "UDP packets sent", Severity: stats.Info},
	outFragmented: {Text: "Datagrams sent in fragments", Severity: stats.Info},
	outFragments:  {Text: "Fragments sent", Severity: stats.Info},
	outNoRemote:   {Text: "Datagrams dropped, no remote address that is valid", Severity: stats.Error},
	outTooLong:    {Text: "Datagrams dropped, longer than IP allows", Severity: stats.Error},
	outTooBig:     {Text: "Datagrams dropped, larger than the path and not to be fragmented", Severity: stats.Error},
	outNoRoute:    {Text: "Datagrams dropped, no route", Severity: stats.Error},
	outNoSource:   {Text: "Datagrams dropped, no source address", Severity: stats.Error},
	outNoBuffer:   {Text: "out of buffers", Severity: stats.Warn},
	outBad:        {Text: "Transmit FIFOs thrown away, not of datagrams", Severity: stats.Error},
	outAbandoned:  {Text: "Sessions closed before everything was sent", Severity: stats.Error},
}

// groups of an instance.
type groups struct {
	in, out [2]*stats.Group // IPv4, IPv6
}

func newGroups(set *stats.Set, workers int) (g groups) {
	g.in[0] = set.New("udp4-input", workers, inReasons[:]...)
	g.in[1] = set.New("udp6-input", workers, inReasons[:]...)
	g.out[0] = set.New("udp4-output", workers, outReasons[:]...)
	g.out[1] = set.New("udp6-output", workers, outReasons[:]...)
	return g
}

// WorkerStats are the counters of "show udp", named after RFC 4113 section 3.
type WorkerStats struct {
	InDatagrams  uint64 `json:"udpInDatagrams"`  // delivered
	InBytes      uint64 `json:"udpInBytes"`      // of payload
	NoPorts      uint64 `json:"udpNoPorts"`      // for a port where nobody listens
	InErrors     uint64 `json:"udpInErrors"`     // not delivered for another reason
	OutDatagrams uint64 `json:"udpOutDatagrams"` // sent
	OutBytes     uint64 `json:"udpOutBytes"`     // of payload
	OutErrors    uint64 `json:"udpOutErrors"`    // dropped instead
	Fragmented   uint64 `json:"fragmented"`      // sent in fragments
}
