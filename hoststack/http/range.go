package http

import (
	"slices"
	"strconv"
)

// Range is a part of a representation, in bytes.
type Range struct{ First, Length int64 }

// MaxRanges is how many parts are sent at most. Who asks for more gets everything
// (RFC 9110 14.2 lets a server ignore such requests, 17.15 tells why).
const MaxRanges = 16

// Ranges finds out what a request wants of a representation of size bytes (RFC 9110 14.2).
// Status 200: all of it, as there is no Range field, or none that is to be followed. 206:
// the ranges that are returned, appended to dst, in the order asked for; such as overlap
// are joined. 416: none of them is there.
func (v Validators) Ranges(h *RequestHead, size int64, dst []Range) (r []Range, status int) {
	value, ok := h.Header("range")
	if !ok || h.method != GET || !v.rangeApplies(h) {
		return dst, 200
	}
	const unit = "bytes="
	if len(value) <= len(unit) || !is(value[:len(unit)], unit) {
		return dst, 200
	}
	first := len(dst)
	n := 0
	for e, rest := []byte(nil), value[len(unit):]; len(rest) > 0; {
		if e, rest = next(rest); len(e) == 0 {
			continue
		}
		if n++; n > MaxRanges {
			return dst[:first], 200
		}
		x, ok := parseRange(e, size)
		if !ok {
			return dst[:first], 200 // not a valid field: ignored
		}
		if x.Length > 0 {
			dst = append(dst, x)
		}
	}
	switch {
	case n == 0:
		return dst[:first], 200
	case len(dst) == first:
		return dst, 416
	}
	return dst[:first+len(join(dst[first:]))], 206
}

// parseRange reads one range-spec. Its Length is 0 when it lies behind the end.
func parseRange(b []byte, size int64) (r Range, ok bool) {
	dash := -1
	for i, c := range b {
		if c == '-' {
			dash = i
			break
		}
	}
	if dash < 0 {
		return r, false
	}
	if dash == 0 {
		n, ok := parseNumber(b[1:])
		n = min(n, size)
		return Range{size - n, n}, ok
	}
	first, ok := parseNumber(b[:dash])
	if !ok {
		return r, false
	}
	last := size - 1
	if dash+1 < len(b) {
		n, ok := parseNumber(b[dash+1:])
		if !ok || n < first {
			return r, false
		}
		last = min(last, n)
	}
	if first >= size {
		return r, true
	}
	return Range{first, last - first + 1}, true
}

// join makes one range of those that touch, in place. Without any the order stays.
func join(r []Range) []Range {
	touch := false
	for i := range r {
		for j := range r[:i] {
			touch = touch || r[i].First <= r[j].First+r[j].Length && r[j].First <= r[i].First+r[i].Length
		}
	}
	if !touch {
		return r
	}
	slices.SortFunc(r, func(a, b Range) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	n := 0
	for _, x := range r[1:] {
		if last := &r[n]; x.First <= last.First+last.Length {
			last.Length = max(last.Length, x.First+x.Length-last.First)
			continue
		}
		n++
		r[n] = x
	}
	return r[:n+1]
}

// AppendContentRange appends the Content-Range field of a part (RFC 9110 14.4).
func AppendContentRange(dst []byte, r Range, size int64) []byte {
	dst = append(dst, "Content-Range: bytes "...)
	dst = strconv.AppendInt(dst, r.First, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, r.First+r.Length-1, 10)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, size, 10)
	return append(dst, "\r\n"...)
}

// AppendUnsatisfied appends the Content-Range field of a 416.
func AppendUnsatisfied(dst []byte, size int64) []byte {
	dst = append(dst, "Content-Range: bytes */"...)
	dst = strconv.AppendInt(dst, size, 10)
	return append(dst, "\r\n"...)
}
