package http

// Validators say which state of a resource a representation is of (RFC 9110 8.8).
type Validators struct {
	ETag     string // with its quotes, and W/ in front when it is weak; empty: none
	Modified int64  // when it was last changed, in seconds since 1970; 0: not known
}

// Precondition evaluates the conditions of a request for a representation that exists, in
// the order of RFC 9110 13.2.2. It returns 0 when the request is to be carried out, 304 or
// 412 when it is to be answered with that.
func (v Validators) Precondition(h *RequestHead) (status int) {
	get := h.method == GET || h.method == HEAD
	if _, ok := h.Header("if-match"); ok {
		if !v.matches(h, "if-match", true) {
			return 412
		}
	} else if since, ok := h.Header("if-unmodified-since"); ok {
		if t, ok := ParseTime(since); ok && v.Modified != 0 && v.Modified > t {
			return 412
		}
	}
	if _, ok := h.Header("if-none-match"); ok {
		if v.matches(h, "if-none-match", false) {
			if get {
				return 304
			}
			return 412
		}
	} else if since, ok := h.Header("if-modified-since"); ok && get {
		if t, ok := ParseTime(since); ok && v.Modified != 0 && v.Modified <= t {
			return 304
		}
	}
	return 0
}

// matches tells whether the fields called name list v's entity tag, or are "*". Strong
// comparison wants both tags strong (RFC 9110 8.8.3.2).
func (v Validators) matches(h *RequestHead, name string, strong bool) (found bool) {
	h.list(name, func(e []byte) bool {
		found = len(e) == 1 && e[0] == '*' || sameTag(e, v.ETag, strong)
		return !found
	})
	return found
}

// sameTag compares two entity tags.
func sameTag(a []byte, b string, strong bool) bool {
	weakA, weakB := len(a) > 2 && a[0] == 'W' && a[1] == '/', len(b) > 2 && b[:2] == "W/"
	if strong && (weakA || weakB) {
		return false
	}
	if weakA {
		a = a[2:]
	}
	if weakB {
		b = b[2:]
	}
	return len(a) >= 2 && a[0] == '"' && string(a) == b
}

// rangeApplies evaluates If-Range (RFC 9110 13.1.5): a range of another state must not be
// sent. A date is good only when it is exactly the one that we gave, and old enough to be a
// strong validator; a server that changes a file twice in one second has an entity tag too.
func (v Validators) rangeApplies(h *RequestHead) bool {
	cond, ok := h.Header("if-range")
	if !ok {
		return true
	}
	if t, ok := ParseTime(cond); ok {
		return v.Modified != 0 && v.Modified == t
	}
	return sameTag(cond, v.ETag, true)
}
