package hdr

// Options are the options of an IPv4 or TCP header: kind, length, data, where kind
// 0 ends the list and kind 1 is one byte of padding (RFC 791 section 3.1, RFC 9293
// section 3.1).
type Options []byte

// Next returns the first option and what follows it. kind is 0 at the end of the
// list and when the rest is malformed: bad tells which. data is without kind and
// length.
func (o Options) Next() (kind uint8, data []byte, rest Options, bad bool) {
	for len(o) > 0 && o[0] == 1 {
		o = o[1:]
	}
	if len(o) == 0 || o[0] == 0 {
		return 0, nil, nil, false
	}
	if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
		return 0, nil, nil, true
	}
	return o[0], o[2:o[1]], o[o[1]:], false
}
