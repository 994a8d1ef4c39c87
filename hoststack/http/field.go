package http

import "bytes"

const (
	// MaxHead is the most bytes that the head of a message may have, MaxFields the most
	// field lines: what Limits may ask for.
	MaxHead   = 1<<16 - 1
	MaxFields = 128
)

// field is where the name and the value of one field line are in the head.
type field struct{ at, name, value, n uint16 }

// fields are the field lines of a head, and what they say about the message's framing and
// the connection.
type fields struct {
	raw   []byte // the head: valid as long as what was parsed
	count int
	table [MaxFields]field

	length    int64 // Content-Length, -1 when there is none
	host      int   // number of the Host field, -1 when there is none
	coding    bool  // Transfer-Encoding is there
	chunked   bool  // and ends with chunked
	foreign   bool  // and names a coding that is not known here
	close     bool  // Connection: close
	keepAlive bool  // Connection: keep-alive
	expect    expectation
}

// expectation is what the Expect field asks for (RFC 9110 10.1.1).
type expectation uint8

const (
	expectNothing expectation = iota
	expectContinue
	expectOther // nobody knows what
)

// NumFields is the number of field lines.
func (f *fields) NumFields() int { return f.count }

// FieldAt is field line i.
func (f *fields) FieldAt(i int) (name, value []byte) {
	x := f.table[i]
	return f.raw[x.at : x.at+x.name], f.raw[x.value : int(x.value)+int(x.n)]
}

// Header is the value of the first field called name, which is in lower case.
func (f *fields) Header(name string) (value []byte, ok bool) {
	for i := range f.table[:f.count] {
		if x := &f.table[i]; int(x.name) == len(name) && is(f.raw[x.at:int(x.at)+int(x.name)], name) {
			return f.raw[x.value : int(x.value)+int(x.n)], true
		}
	}
	return nil, false
}

// list calls each with the elements of all fields called name, in order, until it returns
// false (RFC 9110 5.3: several lines are one list).
func (f *fields) list(name string, each func(element []byte) bool) {
	for i := range f.count {
		n, v := f.FieldAt(i)
		if !is(n, name) {
			continue
		}
		for e := []byte(nil); len(v) > 0; {
			if e, v = next(v); len(e) > 0 && !each(e) {
				return
			}
		}
	}
}

func (f *fields) reset(p []byte) {
	f.raw, f.count, f.length, f.host = p, 0, -1, -1
	f.coding, f.chunked, f.foreign, f.close, f.keepAlive, f.expect = false, false, false, false, false, expectNothing
}

// parse reads field lines that begin at p[at] until the empty line that ends them. It
// returns where that ends. A status says what is wrong; with end 0 and status 0 the line
// that begins at stop is not complete.
//
// A client must take folded lines (RFC 9112 5.2): with fold the fold is overwritten with
// blanks.
func (f *fields) parse(p []byte, at, most int, fold bool) (end, stop, status int) {
	for {
		line := at
		lf := bytes.IndexByte(p[at:], '\n')
		if lf < 0 {
			return 0, line, 0
		}
		at += lf + 1
		for fold && lf > 1 { // an empty line is not folded
			if at == len(p) {
				return 0, line, 0
			}
			if p[at] != ' ' && p[at] != '\t' {
				break
			}
			p[at-1] = ' '
			if p[at-2] == '\r' {
				p[at-2] = ' '
			}
			if lf = bytes.IndexByte(p[at:], '\n'); lf < 0 {
				return 0, line, 0
			}
			at += lf + 1
			lf = at - line
		}
		b := p[line : at-1]
		if n := len(b); n > 0 && b[n-1] == '\r' {
			b = b[:n-1]
		}
		if len(b) == 0 {
			return at, 0, 0
		}
		if f.count >= most {
			return 0, 0, 431
		}
		if status := f.line(b, line, !fold); status != 0 {
			return 0, 0, status
		}
	}
}

// line takes one field line, which begins at p[at]. It returns 0 or a status.
func (f *fields) line(b []byte, at int, strict bool) (status int) {
	n := 0
	for n < len(b) && chars[b[n]]&isToken != 0 {
		n++
	}
	// Neither whitespace before the colon nor a fold (RFC 9112 5.1, 5.2).
	if n == 0 || n == len(b) || b[n] != ':' {
		return 400
	}
	first, last := n+1, len(b)
	for first < last && (b[first] == ' ' || b[first] == '\t') {
		first++
	}
	for first < last && (b[last-1] == ' ' || b[last-1] == '\t') {
		last--
	}
	value := b[first:last]
	if !validText(value) {
		return 400
	}
	f.table[f.count] = field{uint16(at), uint16(n), uint16(at + first), uint16(last - first)}
	f.count++
	switch name := b[:n]; {
	case n == 4 && is(name, "host"):
		if f.host >= 0 {
			return 400 // RFC 9112 3.2
		}
		f.host = f.count - 1
	case n == 6 && is(name, "expect"):
		if f.expect = expectOther; is(value, "100-continue") {
			f.expect = expectContinue
		}
	case n == 10 && is(name, "connection"):
		f.connection(value)
	case n == 14 && is(name, "content-length"):
		return f.contentLength(value, strict)
	case n == 17 && is(name, "transfer-encoding"):
		return f.transferEncoding(value)
	}
	return 0
}

// connection takes a Connection field (RFC 9110 7.6.1).
func (f *fields) connection(list []byte) {
	for e := []byte(nil); len(list) > 0; {
		switch e, list = next(list); {
		case is(e, "close"):
			f.close = true
		case is(e, "keep-alive"):
			f.keepAlive = true
		}
	}
}

// contentLength takes a Content-Length field. RFC 9110 8.6 lets a recipient refuse the
// same value said twice; a client forgives it.
func (f *fields) contentLength(value []byte, strict bool) (status int) {
	for e := value; ; {
		rest := []byte(nil)
		if !strict {
			e, rest = next(e)
		}
		n, ok := parseNumber(e)
		if !ok || f.length >= 0 && (strict || f.length != n) {
			return 400
		}
		f.length = n
		if len(rest) == 0 {
			return 0
		}
		e = rest
	}
}

// transferEncoding takes a Transfer-Encoding field. The only coding known here is chunked,
// which must not be applied twice (RFC 9112 6.1, 7).
func (f *fields) transferEncoding(list []byte) (status int) {
	f.coding = true
	for e := []byte(nil); len(list) > 0; {
		e, list = next(list)
		switch {
		case len(e) == 0:
		case f.chunked:
			return 400 // something after chunked
		case is(e, "chunked"):
			f.chunked = true
		case chars[e[0]]&isToken == 0:
			return 400
		default:
			f.foreign = true
		}
	}
	return 0
}
