package hdr

// Seq is a TCP sequence number. It is a struct so that < and + do not compile:
// sequence space wraps (RFC 9293 section 3.4).
type Seq struct{ v uint32 }

// SeqOf makes a Seq of its 32-bit value.
func SeqOf(v uint32) Seq { return Seq{v} }

// Val is the 32-bit value, for headers.
func (s Seq) Val() uint32 { return s.v }

// Add moves n bytes on, or back when n is negative.
func (s Seq) Add(n int) Seq { return Seq{s.v + uint32(n)} }

// Sub is the distance from t to s, negative when s is before t.
func (s Seq) Sub(t Seq) int { return int(int32(s.v - t.v)) }

// Before, AtOrBefore, After and AtOrAfter compare within half the space.
func (s Seq) Before(t Seq) bool     { return int32(s.v-t.v) < 0 }
func (s Seq) AtOrBefore(t Seq) bool { return int32(s.v-t.v) <= 0 }
func (s Seq) After(t Seq) bool      { return int32(s.v-t.v) > 0 }
func (s Seq) AtOrAfter(t Seq) bool  { return int32(s.v-t.v) >= 0 }

// In tells whether s lies in [from, from+n).
func (s Seq) In(from Seq, n uint32) bool { return s.v-from.v < n }

// Max is the later of two.
func (s Seq) Max(t Seq) Seq {
	if s.Before(t) {
		return t
	}
	return s
}
