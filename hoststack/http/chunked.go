package http

// chunks decodes the chunked coding (RFC 9112 7.1) whichever way its bytes are cut. Lines
// end with CRLF only, and neither a bare CR nor another control character is let through
// in an extension or a trailer: a decoder that reads these differently would see other
// chunks. Trailer fields are read and forgotten.
type chunks struct {
	left   int64 // bytes of the present chunk's data that are still to come
	state  uint8
	digits uint8
	line   uint16 // bytes of extensions in this chunk's line, or of all trailer lines
}

const (
	chunkSize    = iota // first or further digits of the size
	chunkExt            // behind the size
	chunkSizeLF         // the LF of the size line
	chunkData           //
	chunkCR             // the CRLF behind the data
	chunkLF             //
	trailerStart        // at the beginning of a trailer line
	trailerLine         // inside it
	trailerLF           // its LF
	chunksLF            // the last LF
	chunksEnd
)

const (
	maxChunkDigits = 16
	maxChunkExt    = 4096 // bytes behind one size
	maxTrailers    = 8192 // bytes of all trailers
)

// next takes some of p: skip bytes of framing, behind which n bytes of data lie. Nothing is
// known of what follows these: call again. done: the body is over with the skipped bytes.
func (c *chunks) next(p []byte) (skip, n int, done, ok bool) {
	for i, b := range p {
		switch c.state {
		case chunkSize:
			v, hex := hexDigit(b)
			switch {
			case hex && c.digits < maxChunkDigits && c.left>>59 == 0:
				c.left = c.left<<4 | int64(v)
				c.digits++
			case hex || c.digits == 0:
				return i, 0, false, false
			case b == '\r':
				c.state = chunkSizeLF
			case b == ';' || b == ' ' || b == '\t':
				c.state, c.line = chunkExt, 0
			default:
				return i, 0, false, false
			}
		case chunkExt:
			c.line++
			switch {
			case b == '\r':
				c.state = chunkSizeLF
			case b < ' ' && b != '\t' || b == 0x7f || c.line > maxChunkExt:
				return i, 0, false, false
			}
		case chunkSizeLF:
			if b != '\n' {
				return i, 0, false, false
			}
			c.digits = 0
			if c.state = chunkData; c.left == 0 {
				c.state, c.line = trailerStart, 0
			}
		case chunkData:
			n = int(min(int64(len(p)-i), c.left))
			if c.left -= int64(n); c.left == 0 {
				c.state = chunkCR
			}
			return i, n, false, true
		case chunkCR:
			if b != '\r' {
				return i, 0, false, false
			}
			c.state = chunkLF
		case chunkLF:
			if b != '\n' {
				return i, 0, false, false
			}
			c.state = chunkSize
		case trailerStart, trailerLine:
			c.line++
			switch {
			case b == '\r' && c.state == trailerStart:
				c.state = chunksLF
			case b == '\r':
				c.state = trailerLF
			case b < ' ' && b != '\t' || b == 0x7f || c.line > maxTrailers:
				return i, 0, false, false
			case c.state == trailerStart && chars[b]&isToken == 0:
				return i, 0, false, false
			default:
				c.state = trailerLine
			}
		case trailerLF:
			if b != '\n' {
				return i, 0, false, false
			}
			c.state = trailerStart
		case chunksLF:
			if b != '\n' {
				return i, 0, false, false
			}
			c.state = chunksEnd
			return i + 1, 0, true, true
		default:
			return i, 0, true, true
		}
	}
	return len(p), 0, false, true
}
