package http

import "encoding/binary"

// Classes of characters.
const (
	isToken  = 1 << iota // tchar (RFC 9110 5.6.2)
	isTarget             // may stand in a request target
	isHost               // of a reg-name or a port (RFC 3986 3.2.2)
	isHex
	isOdd // in a target: % or ., which CleanPath must look at
)

var chars = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] |= isToken | isHost | isHex
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= isToken | isHost
		t[c-'a'+'A'] |= isToken | isHost
	}
	for _, c := range []byte("abcdefABCDEF") {
		t[c] |= isHex
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= isToken
	}
	for _, c := range []byte("-._~!$&'()*+,;=%") {
		t[c] |= isHost
	}
	// Browsers and people send more than RFC 3986 allows, such as "|" and bytes above 127.
	// What cannot be told from a delimiter of the request line, or is one of the URI, is
	// refused: controls, blanks, and the fragment's mark.
	for c := 0x21; c <= 0xff; c++ {
		if c != 0x7f && c != '#' {
			t[c] |= isTarget
		}
	}
	t['%'] |= isOdd
	t['.'] |= isOdd
	return t
}()

// lower folds ASCII letters.
var lower = func() (t [256]uint8) {
	for i := range t {
		t[i] = uint8(i)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] += 'a' - 'A'
	}
	return t
}()

// is tells whether b is word, which is in lower case, but for case.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		if lower[b[i]] != word[i] {
			return false
		}
	}
	return true
}

// hexDigit is the value of a hexadecimal digit; ok is false when it is none.
func hexDigit(c byte) (v byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// all tells whether every byte of b is of a class.
func all(b []byte, class uint8) bool {
	for _, c := range b {
		if chars[c]&class == 0 {
			return false
		}
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// validText tells whether b has no control character but HTAB, as a field value or a
// reason phrase (RFC 9110 5.5). Eight bytes are looked at together; a group that may hold
// one is looked at again byte by byte.
func validText(b []byte) bool {
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&highs != 0 && !validBytes(b[:8]) {
			return false
		}
		b = b[8:]
	}
	return validBytes(b)
}

func validBytes(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// trim cuts optional whitespace off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// next cuts the first element off a comma-separated list (RFC 9110 5.6.1). Commas inside
// quoted strings do not divide.
func next(list []byte) (element, rest []byte) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// parseNumber reads 1*DIGIT. What does not fit is the largest number.
func parseNumber(b []byte) (n int64, ok bool) {
	const most = 1<<63 - 1
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (most-9)/10 {
			n = most
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
