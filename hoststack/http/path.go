package http

import "errors"

// ErrEscape is returned for a percent sign that two hexadecimal digits do not follow, or
// an escaped NUL in a path.
var ErrEscape = errors.New("malformed percent-encoding")

// unescape is the byte that the escape at the beginning of b stands for.
func unescape(b []byte) (c byte, ok bool) {
	if len(b) < 3 {
		return 0, false
	}
	hi, ok1 := hexDigit(b[1])
	lo, ok2 := hexDigit(b[2])
	return hi<<4 | lo, ok1 && ok2
}

// PercentDecode appends src without its escapes to dst (RFC 3986 2.1).
func PercentDecode(dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == '%' {
			var ok bool
			if c, ok = unescape(src[i:]); !ok {
				return dst, ErrEscape
			}
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// validPath tells whether CleanPath takes it.
func validPath(raw []byte) bool {
	for i, c := range raw {
		ok := true
		if c == '%' {
			c, ok = unescape(raw[i:])
		}
		if !ok || c == 0 {
			return false
		}
	}
	return true
}

// CleanPath appends to dst the path that raw, which begins with "/", stands for: escapes
// are decoded, and then dot segments removed (RFC 3986 6.2.2, 5.2.4), so that "%2e%2e" is
// the same as "..". The result has no segment "." or "..", and no NUL. An escaped slash is
// no border between segments and stays what it was, "%2F".
func CleanPath(dst, raw []byte) ([]byte, error) {
	base := len(dst)
	for i := 0; i < len(raw); {
		// One segment and the slash before it.
		mark := len(dst)
		dst = append(dst, '/')
		if raw[i] == '/' {
			i++
		}
		for ; i < len(raw) && raw[i] != '/'; i++ {
			c, ok := raw[i], true
			if c == '%' {
				if c, ok = unescape(raw[i:]); ok && c == '/' {
					dst = append(dst, "%2F"...)
					i += 2
					continue
				}
				i += 2
			}
			if !ok || c == 0 {
				return dst[:base], ErrEscape
			}
			dst = append(dst, c)
		}
		last := i == len(raw) // nothing follows, not even a slash
		switch string(dst[mark+1:]) {
		case ".":
			dst = dst[:mark]
		case "..":
			dst = dst[:mark]
			for len(dst) > base && dst[len(dst)-1] != '/' {
				dst = dst[:len(dst)-1]
			}
			if len(dst) > base {
				dst = dst[:len(dst)-1] // the slash before the segment that went
			}
		default:
			continue
		}
		if last {
			dst = append(dst, '/')
		}
	}
	if len(dst) == base {
		dst = append(dst, '/')
	}
	return dst, nil
}
