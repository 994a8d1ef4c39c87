package cli

import "strings"

// Input scans a command's arguments as VPP's unformat does: in any order, each
// tried against what the command knows. Every scan method consumes what it
// matched and returns true, or consumes nothing and returns false. It may be
// copied to come back to a place.
//
//	for !in.Done() {
//		switch {
//		case in.Match("repeat"):
//			if !in.Uint(&repeat) { return nil, in.Expect("a number after repeat") }
//		case in.Addr(&dst):
//		default:
//			return nil, in.Unknown()
//		}
//	}
//
// Words end at a blank or a brace. A backslash makes the next character part of
// the word; a { } group is one word. Double quotes have no meaning.
type Input struct{ rest string }

// NewInput scans s.
func NewInput(s string) *Input { return &Input{rest: trimLeft(s)} }

// Done tells whether nothing but blanks is left.
func (in *Input) Done() bool { return in.rest == "" }

// Rest is what is left, as it was typed.
func (in *Input) Rest() string { return in.rest }

// End is nil when the input is used up, else Unknown. Call it before acting.
func (in *Input) End() error {
	if in.Done() {
		return nil
	}
	return in.Unknown()
}

// Unknown is VPP's error for input that nothing matched: unknown input `…'. It is
// ErrUsage.
func (in *Input) Unknown() error { return unknownInput(in.rest) }

// Expect is for a missing or malformed value: expected <what>, got `…'. It is
// ErrUsage.
func (in *Input) Expect(what string) error {
	if in.Done() {
		return Usagef("expected %s", what)
	}
	return Usagef("expected %s, got %s", what, Quote(in.rest))
}

// Match consumes the given keyword (which may consist of several words). The
// keyword must be typed in full; a number may follow without a blank, as in
// "verbose2". Where one keyword is another with a number behind it, try the longer
// one first: "ip6" before "ip".
func (in *Input) Match(keyword string) bool {
	rest := in.rest
	for keyword != "" {
		var word string
		if word, keyword = cutWord(keyword); word == "" {
			break
		}
		if !strings.HasPrefix(rest, word) {
			return false
		}
		after := rest[len(word):]
		if !(delimited(after) || isNumber(after) && trimLeft(keyword) == "") {
			return false
		}
		rest = trimLeft(after)
	}
	in.rest = rest
	return true
}

// OneOf consumes one of the given keywords and stores it in v.
func (in *Input) OneOf(v *string, keywords ...string) bool {
	for _, k := range keywords {
		if word, _ := cutWord(in.rest); word == k {
			*v = k
			return in.Match(k)
		}
	}
	return false
}

// Word consumes a word, or a { } group without its braces, with backslashes
// resolved.
func (in *Input) Word(v *string) bool {
	if in.rest == "" {
		return false
	}
	if in.rest[0] == '{' {
		inner, after, ok := cutGroup(in.rest)
		if !ok {
			return false
		}
		*v, in.rest = Unescape(strings.TrimSpace(inner)), trimLeft(after)
		return true
	}
	word, after := cutWord(in.rest)
	if word == "" {
		return false
	}
	*v, in.rest = Unescape(word), trimLeft(after)
	return true
}

// Group consumes a { } group and stores what is between the braces as it was
// typed, to be scanned with an Input of its own.
func (in *Input) Group(v *string) bool {
	inner, after, ok := cutGroup(in.rest)
	if !ok {
		return false
	}
	*v, in.rest = strings.TrimSpace(inner), trimLeft(after)
	return true
}

// Line consumes the rest, with backslashes resolved and trailing blanks dropped.
// It matches an empty rest too.
func (in *Input) Line(v *string) bool {
	*v, in.rest = Unescape(strings.TrimRight(in.rest, blanks)), ""
	return true
}

// token consumes a word for which parse returns true.
func (in *Input) token(parse func(word string) bool) bool {
	word, after := cutWord(in.rest)
	if word == "" || !parse(word) {
		return false
	}
	in.rest = trimLeft(after)
	return true
}

// Unescape drops each backslash that makes the next character literal.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const blanks = " \t\r\n"

func isBlank(c byte) bool      { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
func trimLeft(s string) string { return strings.TrimLeft(s, blanks) }

// delimited tells whether a word may end in front of s.
func delimited(s string) bool { return s == "" || isBlank(s[0]) || s[0] == '{' || s[0] == '}' }

// isNumber tells whether s begins with a number, possibly with a size suffix, that
// ends where a word ends.
func isNumber(s string) bool {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.' && i > 0) {
		i++
	}
	if i == 0 {
		return false
	}
	if i < len(s) && strings.IndexByte("kKmMgGtT", s[i]) >= 0 {
		i++
	}
	return delimited(s[i:])
}

// cutWord drops blanks and splits s after its first word. The word is empty when
// nothing is left, or when s begins with a brace.
func cutWord(s string) (word, after string) {
	s = trimLeft(s)
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case delimited(s[i:]):
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// cutGroup splits s, which begins with an opening brace, behind the brace that
// closes it.
func cutGroup(s string) (inner, after string, ok bool) {
	if s == "" || s[0] != '{' {
		return "", "", false
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}
