package pkt

// Script is a parsed file.
type Script struct {
	Name     string
	Settings []Setting
	Events   []Event
}

// Setting is a "set" line.
type Setting struct {
	Name, Value string
	Line        int
}

// Event is one line of a script.
type Event struct {
	Line int
	Text string // as written, for messages
	When When
	Kind Kind

	Seg  Segment  // Send, Expect
	ICMP ICMP     // SendICMP
	Do   string   // Action
	Args []string // Action
}

// Kind of an event.
type Kind uint8

const (
	Send     Kind = iota // the peer sends Seg
	SendICMP             // the peer sends ICMP
	Expect               // the stack must send Seg
	Action               // the application does something, or something must be so
	Nothing              // nothing was sent until now
)

// When is the time of an event, in ns.
type When struct {
	Relative bool // to the event before
	Burst    bool // together with the event before
	Lo, Hi   int64
}

// Segment as a script writes it.
type Segment struct {
	Conn    int    // 1 unless "[n]" is there
	Flags   string // letters of flagLetters
	Seq     uint32
	Len     uint32
	Ack     uint32
	HasAck  bool
	Win     int // -1: not written
	Opts    []Option
	HasOpts bool
	ECN     int // -1: not written
	TTL     int // -1: not written
	Urg     uint16
	BadSum  bool
	Late    bool
}

// Option is one TCP option of a segment.
type Option struct {
	Kind   uint8
	N      uint32 // mss, wscale
	Any    bool   // whatever N
	Val    uint32 // ts
	Ecr    uint32
	HasVal bool
	HasEcr bool
	Blocks [][2]uint32 // sack
	Raw    []byte      // hex: whole option
}

// ICMP is an ICMP error about a segment of the stack.
type ICMP struct {
	Conn int
	Kind string
	MTU  uint32
	Seq  uint32
}

// Pattern is the byte at position i of every stream, counted from 0: neighbours differ,
// and so do bytes that are a power of two apart.
func Pattern(i uint32) byte {
	i *= 0x9e3779b1
	return byte(i>>24 ^ i>>13)
}

// Fill fills b with the stream's bytes from position off on.
func Fill(b []byte, off uint32) {
	for i := range b {
		b[i] = Pattern(off + uint32(i))
	}
}

// Mismatch is the index of the first byte of b that is not the stream's, from position
// off on, or -1.
func Mismatch(b []byte, off uint32) int {
	for i, c := range b {
		if c != Pattern(off+uint32(i)) {
			return i
		}
	}
	return -1
}
