package script

import (
	"errors"
	"strings"
)

// line is a logical line and the number of the line in the file that it begins on.
type line struct {
	text   string
	number int
}

// blanks are the bytes that the engine takes for blanks.
const blanks = " \t\r\n"

var errBrace = errors.New("missing }")

// split cuts a script into logical lines. Comments are gone, continuations and
// groups are joined; other backslashes are left for the engine. The error says that
// the group that begins on line last is not closed.
func split(text string) (lines []line, last int, err error) {
	var b strings.Builder
	number, start, opened, depth := 1, 0, 0, 0
	put := func(s string) {
		if b.Len() == 0 {
			if strings.Trim(s, blanks) == "" {
				return
			}
			start = number
		}
		b.WriteString(s)
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case '\n':
			if depth == 0 && b.Len() > 0 {
				lines = append(lines, line{strings.TrimRight(b.String(), blanks), start})
				b.Reset()
			}
			put("\n")
			number++
		case '\\':
			next := text[i+1 : min(i+2, len(text))]
			if strings.HasPrefix(text[i+1:], "\r\n") {
				next = "\r\n"
			}
			i += len(next)
			if strings.HasSuffix(next, "\n") {
				put("\n")
				number++
			} else {
				put(`\` + next)
			}
		default:
			put(text[i : i+1])
			if c == '{' {
				if depth++; depth == 1 {
					opened = number
				}
			} else if c == '}' {
				depth = max(depth-1, 0)
			}
		}
	}
	if depth > 0 {
		return nil, opened, errBrace
	}
	if b.Len() > 0 {
		lines = append(lines, line{strings.TrimRight(b.String(), blanks), start})
	}
	return lines, 0, nil
}
