package http

import "bytes"

// ResponseHead is a parsed status line with its fields. It names bytes of what was parsed
// and is as short-lived as these.
type ResponseHead struct {
	fields
	status uint16
	minor  uint8
	reason []byte
}

// Status is the status code, Reason the phrase behind it, Minor the digit after HTTP/1.
func (h *ResponseHead) Status() int    { return int(h.status) }
func (h *ResponseHead) Reason() []byte { return h.reason }
func (h *ResponseHead) Minor() int     { return int(h.minor) }

// ContentLength is the length that the response gives for its content, -1 when it gives
// none.
func (h *ResponseHead) ContentLength() int64 { return h.length }

// Raw is the head as it came, with the empty line at its end.
func (h *ResponseHead) Raw() []byte { return h.raw }

// parse takes the head at the beginning of p. It returns its length; 0 and true when it is
// not complete, and then judged bytes of it are whole lines; 0 and false when it is not
// one. Folded lines are joined in place.
func (h *ResponseHead) parse(p []byte, most int) (n, judged int, ok bool) {
	lf := bytes.IndexByte(p, '\n')
	if lf < 0 {
		return 0, 0, len(p) < most && likeStatus(p)
	}
	line := p[:lf]
	if lf > 0 && line[lf-1] == '\r' {
		line = line[:lf-1]
	}
	h.reset(p)
	if !h.line(line) {
		return 0, 0, false
	}
	head := p[:min(len(p), most)]
	if lf+1 > len(head) {
		return 0, 0, false
	}
	end, stop, status := h.fields.parse(head, lf+1, MaxFields, true)
	switch {
	case status != 0:
		return 0, 0, false
	case end == 0:
		return 0, stop, len(p) < most
	}
	h.raw = p[:end]
	// Such framing is an error (RFC 9112 6.1, 6.3), and so is a coding that nobody here can
	// undo.
	return end, 0, !h.coding || h.minor >= 1 && h.length < 0 && h.chunked && !h.foreign
}

// likeStatus tells whether p may be the beginning of a status line.
func likeStatus(p []byte) bool {
	const start = "HTTP/1."
	n := min(len(p), len(start))
	return string(p[:n]) == start[:n]
}

// line takes a status line (RFC 9112 4). The blank before an empty reason may be missing.
func (h *ResponseHead) line(b []byte) bool {
	if len(b) < 12 || !likeStatus(b) || b[7] < '0' || b[7] > '9' || b[8] != ' ' || len(b) > 12 && b[12] != ' ' {
		return false
	}
	h.minor, h.status, h.reason = min(b[7]-'0', 1), 0, nil
	for _, c := range b[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		h.status = h.status*10 + uint16(c-'0')
	}
	if len(b) > 13 {
		h.reason = b[13:]
	}
	return h.status >= 100 && validText(h.reason)
}

// persistent tells whether the server keeps the connection (RFC 9112 9.3).
func (h *ResponseHead) persistent() bool {
	return !h.close && (h.minor >= 1 || h.keepAlive)
}
