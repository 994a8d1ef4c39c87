package shell

import "unicode/utf8"

// A key is what one key press sends: a control byte, an escape sequence or one
// character of text.
type key string

const (
	keyCtrlA     key = "\x01"
	keyCtrlC     key = "\x03"
	keyCtrlD     key = "\x04"
	keyCtrlE     key = "\x05"
	keyCtrlG     key = "\x07"
	keyCtrlH     key = "\x08"
	keyTab       key = "\t"
	keyLF        key = "\n"
	keyCtrlL     key = "\x0c"
	keyCR        key = "\r"
	keyCtrlR     key = "\x12"
	keyCtrlS     key = "\x13"
	keyCtrlU     key = "\x15"
	keyEscape    key = "\x1b"
	keyBackspace key = "\x7f"
	keyUp        key = "\x1b[A"
	keyDown      key = "\x1b[B"
	keyHome      key = "\x1b[H"
	keyEnd       key = "\x1b[F"
	keyPageUp    key = "\x1b[5~"
	keyPageDown  key = "\x1b[6~"
	keyBackTab   key = "\x1b[Z"
	keyPaste     key = "\x1b[200~" // bracketed paste: the text follows
	keyPasteEnd  key = "\x1b[201~"
)

// maxEscape bounds an escape sequence; no key sends more.
const maxEscape = 16

// isText tells whether the key types a character.
func (k key) isText() bool { return k != "" && k[0] >= ' ' && k[0] != 0x7f }

// nextKey takes the first key from b. It returns 0 bytes when b holds only the
// beginning of one and more may come. A lone escape is the beginning of a sequence
// until the caller says with last that nothing follows it.
func nextKey(b []byte, last bool) (k key, n int) {
	if len(b) == 0 {
		return "", 0
	}
	if b[0] == 0x1b {
		n = escapeLen(b)
		if n == 0 && last {
			n = len(b)
		}
		return normalKey(key(b[:n])), n
	}
	if b[0] < utf8.RuneSelf {
		return key(b[:1]), 1
	}
	if !last && !utf8.FullRune(b) {
		return "", 0
	}
	r, n := utf8.DecodeRune(b)
	return key(string(r)), n // a byte that is not UTF-8 becomes U+FFFD
}

// escapeLen is the length of the escape sequence that b starts with, 0 when it is
// not complete. ECMA-48, 5.4: CSI, parameter and intermediate bytes, a final byte.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '[':
		if len(b) > 2 && b[2] == '[' { // the Linux console's F1 to F5
			if len(b) == 3 {
				return 0
			}
			return 4
		}
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
			if b[i] < 0x20 || b[i] > 0x7e || i == maxEscape {
				return i // broken off by something else
			}
		}
		return 0
	case 'O':
		if len(b) == 2 {
			return 0
		}
		return 3
	case 0x1b:
		return 1
	}
	return 2 // Alt and a key
}

// normalKey maps the several spellings of a key to one.
func normalKey(k key) key {
	switch k {
	case "\x1bOA":
		return keyUp
	case "\x1bOB":
		return keyDown
	case "\x1bOC":
		return "\x1b[C"
	case "\x1bOD":
		return "\x1b[D"
	case "\x1bOH", "\x1b[1~", "\x1b[7~":
		return keyHome
	case "\x1bOF", "\x1b[4~", "\x1b[8~":
		return keyEnd
	}
	return k
}
