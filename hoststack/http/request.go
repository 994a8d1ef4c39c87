package http

import "bytes"

// form is how a request target was written (RFC 9112 3.2).
type form uint8

const (
	originForm form = iota
	absoluteForm
	authorityForm
	asteriskForm
)

// RequestHead is a parsed request line with its fields. It names bytes of what was parsed
// and is as short-lived as these.
type RequestHead struct {
	fields
	method    Method
	minor     uint8
	form      form
	odd       bool // the path has escapes or dots
	target    []byte
	path      []byte // as it came, "/" when the absolute form has none
	query     []byte // nil when there is none
	authority []byte // of the absolute or authority form
}

// Method is the request's method, Minor the digit after HTTP/1.
func (h *RequestHead) Method() Method { return h.method }
func (h *RequestHead) Minor() int     { return int(h.minor) }

// Host is where the request is addressed to: the target's authority goes before the Host
// field (RFC 9112 3.2.2).
func (h *RequestHead) Host() []byte {
	if h.form == absoluteForm {
		return h.authority
	}
	if h.host < 0 {
		return nil
	}
	_, v := h.FieldAt(h.host)
	return v
}

// persistent tells whether the client wants the connection to stay (RFC 9112 9.3).
func (h *RequestHead) persistent() bool {
	return !h.close && (h.minor >= 1 || h.keepAlive)
}

// parse takes the head at the beginning of p. It returns its length, or 0 and the status
// of a refusal, or 0 and 0 when it is not complete. Then judged bytes are whole lines that
// are good: nothing new can be found before a line end comes after them.
func (h *RequestHead) parse(p []byte, lim *Limits) (n, judged, status int) {
	// An empty line in front is forgiven (RFC 9112 2.2): some clients end a body with one.
	at := 0
	switch {
	case len(p) > 0 && p[0] == '\n':
		at = 1
	case len(p) > 1 && p[0] == '\r' && p[1] == '\n':
		at = 2
	case len(p) == 1 && p[0] == '\r':
		return 0, 0, 0
	}
	if at == len(p) {
		return 0, 0, 0
	}
	lf := bytes.IndexByte(p[at:], '\n')
	switch {
	case lf > lim.Line+1 || lf < 0 && len(p)-at > lim.Line+1:
		return 0, 0, 414
	case chars[p[at]]&isToken == 0:
		return 0, 0, 400 // such as a TLS handshake; no need to wait for the line's end
	case lf < 0:
		return 0, 0, 0
	}
	line := p[at : at+lf]
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	}
	h.reset(p)
	if status = h.line(line); status != 0 {
		return 0, 0, status
	}
	head := p[:min(len(p), lim.Head)]
	end, stop, status := h.fields.parse(head, at+lf+1, lim.Fields, false)
	switch {
	case status != 0:
		return 0, 0, status
	case end == 0 && len(p) >= lim.Head:
		return 0, 0, 431
	case end == 0:
		return 0, stop, 0
	}
	h.raw = p[:end]
	return end, 0, h.check()
}

// line takes a request line: three words with a single blank between them, as RFC 9112 3
// has it.
func (h *RequestHead) line(b []byte) (status int) {
	n := 0
	for n < len(b) && chars[b[n]]&isToken != 0 {
		n++
	}
	if n == 0 || n == len(b) || b[n] != ' ' {
		return 400
	}
	method, t := b[:n], b[n+1:]
	query := -1
	odd := uint8(0)
	for n = 0; n < len(t) && t[n] != ' '; n++ {
		c := chars[t[n]]
		if c&isTarget == 0 {
			return 400
		}
		if t[n] == '?' && query < 0 {
			query = n
		}
		if query < 0 {
			odd |= c
		}
	}
	if n == 0 || n == len(t) {
		return 400
	}
	v := t[n+1:]
	if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' || v[5] < '0' || v[5] > '9' || v[7] < '0' || v[7] > '9' {
		return 400
	}
	if v[5] != '1' {
		return 505
	}
	h.minor = min(v[7]-'0', 1) // a later minor version is read as 1.1 (RFC 9110 2.5)
	var ok bool
	if h.method, ok = ParseMethod(method); !ok {
		return 501
	}
	h.target, h.odd = t[:n], odd&isOdd != 0
	h.path, h.query, h.authority = h.target, nil, nil
	if query >= 0 {
		h.path, h.query = h.target[:query], h.target[query+1:]
	}
	return h.divide()
}

var slash = []byte("/")

// divide finds out the form of the target and its parts.
func (h *RequestHead) divide() (status int) {
	switch t := h.target; {
	case h.method == CONNECT:
		h.form, h.authority = authorityForm, t
		if !validHost(t) {
			return 400
		}
		return 501 // no tunnels yet
	case t[0] == '/':
		h.form = originForm
	case len(t) == 1 && t[0] == '*' && h.method == OPTIONS:
		h.form = asteriskForm
	default:
		h.form = absoluteForm
		rest, ok := cutScheme(h.path)
		if !ok {
			return 400
		}
		h.authority, h.path = rest, slash
		if i := bytes.IndexByte(rest, '/'); i >= 0 {
			h.authority, h.path = rest[:i], rest[i:]
		} else if h.method == OPTIONS && h.query == nil {
			h.form, h.path = asteriskForm, []byte("*") // RFC 9112 3.2.4
		}
		if len(h.authority) == 0 || !validHost(h.authority) {
			return 400
		}
	}
	return 0
}

// cutScheme cuts the scheme off a target in absolute form.
func cutScheme(t []byte) (rest []byte, ok bool) {
	for _, s := range [...]string{"http://", "https://"} {
		if len(t) >= len(s) && is(t[:len(s)], s) {
			return t[len(s):], true
		}
	}
	return nil, false
}

// validHost tells whether b is host[:port], possibly empty: a name, an IPv4 address, or an
// IPv6 address in brackets. User information is refused (RFC 9110 4.2.4).
func validHost(b []byte) bool {
	if len(b) > 0 && b[0] == '[' {
		i := bytes.IndexByte(b, ']')
		if i < 3 {
			return false
		}
		for _, c := range b[1:i] {
			if chars[c]&isHex == 0 && c != ':' && c != '.' {
				return false
			}
		}
		if b = b[i+1:]; len(b) == 0 {
			return true
		}
		return b[0] == ':' && digits(b[1:])
	}
	if i := bytes.IndexByte(b, ':'); i >= 0 {
		return all(b[:i], isHost) && digits(b[i+1:])
	}
	return all(b, isHost)
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// check looks at what the fields say together.
func (h *RequestHead) check() (status int) {
	switch {
	case h.host < 0 && h.minor >= 1:
		return 400 // RFC 9112 3.2
	case h.coding && (h.minor == 0 || h.length >= 0 || !h.chunked):
		// Between two recipients that choose differently a second request could hide
		// (RFC 9112 6.1, 6.3, 11.2).
		return 400
	case h.foreign:
		return 501
	case h.expect == expectOther && h.minor >= 1:
		return 417
	}
	if h.host >= 0 {
		if _, v := h.FieldAt(h.host); !validHost(v) {
			return 400
		}
	}
	if h.odd && !validPath(h.path) {
		return 400
	}
	return 0
}
