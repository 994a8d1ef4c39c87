package http

import "bytes"

// AcceptsEncoding tells whether the client takes the given content coding, such as gzip, in
// lower case (RFC 9110 12.5.3). Without the field nothing but the plain content is sent,
// which every client takes.
func AcceptsEncoding(h *RequestHead, coding string) bool {
	named, any := -1, -1 // weights, in thousandths
	h.list("accept-encoding", func(e []byte) bool {
		name, q := weight(e)
		switch {
		case is(name, coding), coding == "gzip" && is(name, "x-gzip"):
			named = q
		case len(name) == 1 && name[0] == '*':
			any = q
		}
		return true
	})
	if named >= 0 {
		return named > 0
	}
	return any > 0
}

// weight divides an element into what it names and its weight in thousandths, 1000 when
// none is said and 0 when it is not a weight (RFC 9110 12.4.2).
func weight(e []byte) (name []byte, q int) {
	name, params, ok := bytes.Cut(e, []byte(";"))
	name = trim(name)
	if !ok {
		return name, 1000
	}
	params = trim(params)
	if len(params) < 3 || lower[params[0]] != 'q' || params[1] != '=' {
		return name, 0
	}
	v := params[2:]
	if v[0] != '0' && v[0] != '1' || len(v) > 5 || len(v) > 1 && v[1] != '.' {
		return name, 0
	}
	q = int(v[0]-'0') * 1000
	for i, unit := 2, 100; i < len(v); i, unit = i+1, unit/10 {
		if v[i] < '0' || v[i] > '9' {
			return name, 0
		}
		q += int(v[i]-'0') * unit
	}
	return name, min(q, 1000)
}
