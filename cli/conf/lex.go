package conf

import (
	"fmt"
	"strings"

	"vpphost/cli"
)

// maxText is VPP's limit for a configuration, in bytes.
const maxText = 256 << 10

// token is a word, an opening or a closing brace.
type token struct {
	text      string
	kind      kind
	line, col int // from 1; columns count bytes
}

type kind uint8

const (
	word kind = iota
	open
	shut
	end // behind the last token
)

// String is the token as errors quote it.
func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return cli.Quote(t.text)
}

// lex cuts text into tokens; the last is the end. "#" begins a comment that ends
// with the line. A backslash makes the next character part of a word, whatever it is;
// one at the end of a line means nothing.
func lex(text string) []token {
	var tokens []token
	line, start := 1, 0 // start is the offset of the line
	for i := 0; i < len(text); {
		at := token{line: line, col: i - start + 1}
		if strings.HasPrefix(text[i:], "\\\n") {
			i++
		}
		switch c := text[i]; c {
		case '\n':
			i++
			line, start = line+1, i
		case ' ', '\t', '\r':
			i++
		case '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case '{', '}':
			at.text, at.kind = text[i:i+1], open
			if c == '}' {
				at.kind = shut
			}
			tokens = append(tokens, at)
			i++
		default:
			var b strings.Builder
			for i < len(text) && strings.IndexByte(" \t\r\n#{}", text[i]) < 0 {
				if text[i] == '\\' && i+1 < len(text) {
					if text[i+1] == '\n' {
						break
					}
					i++
				}
				b.WriteByte(text[i])
				i++
			}
			at.text = b.String()
			tokens = append(tokens, at)
		}
	}
	return append(tokens, token{kind: end, line: line, col: len(text) - start + 1})
}

// Error is what is wrong with a configuration, and where.
type Error struct {
	File      string
	Line, Col int    // from 1
	Section   string // "dpdk: dev"; empty outside of a section
	Msg       string
}

func (e *Error) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Col)
	if e.Section != "" {
		where += e.Section + ": "
	}
	return where + e.Msg
}

// Warning is about a word that was accepted and has no effect. It prints as an
// Error does.
type Warning Error

func (w Warning) String() string { return (*Error)(&w).Error() }
