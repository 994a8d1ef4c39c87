package cli

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestScan tries one scan method on an input. An empty want says that it must not
// match, and then nothing may be consumed.
func TestScan(t *testing.T) {
	for _, c := range []struct {
		kind, in, want, rest string
	}{
		{"match verbose", "verbose 2", "true", "2"},
		{"match verbose", "verbose2", "true", "2"},
		{"match verbose", "verbose2 x", "true", "2 x"},
		{"match verbose", "verbose", "true", ""},
		{"match verbose", "verb 2", "", ""},
		{"match verbose", "verbosely", "", ""},
		{"match verbose", "verbose2x", "", ""},
		{"match verbose", "Verbose", "", ""},
		{"match bytes", "bytes64k", "true", "64k"},
		{"match delay", "delay1.5", "true", "1.5"},
		{"match ip", "ip6-nd", "", ""},
		{"match opt", "opt{ a }", "true", "{ a }"},
		{"match one two", "one  two three", "true", "three"},
		{"match one two", "one three", "", ""},
		{"match one two", "onetwo", "", ""},
		{"match one two", "one two5", "true", "5"},
		{"match one two", "one2 two", "", ""},
		{"oneof", "udp x", "udp", "x"},
		{"oneof", "tcp", "tcp", ""},
		{"oneof", "tcpx", "", ""},
		{"oneof", "tcp6", "", ""},
		{"word", "a b", "a", "b"},
		{"word", "a{b}", "a", "{b}"},
		{"word", `a\ b c`, "a b", "c"},
		{"word", `\{x y`, "{x", "y"},
		{"word", `end\`, `end\`, ""},
		{"word", "{ a {b} c } d", "a {b} c", "d"},
		{"word", "{}", "", ""},
		{"word", `{ a \} b }`, "a } b", ""},
		{"word", "{ a", "", ""},
		{"word", "}", "", ""},
		{"word", `"a b"`, `"a`, `b"`},
		{"group", `{ a \} {b} } c`, `a \} {b}`, "c"},
		{"group", "a", "", ""},
		{"line", `a  b \| c `, "a  b | c", ""},
		{"uint", "18446744073709551615", "18446744073709551615", ""},
		{"uint", "18446744073709551616", "", ""},
		{"uint", "-1", "", ""},
		{"uint", "+1", "", ""},
		{"uint", "0x10", "", ""},
		{"uint", "1_000", "", ""},
		{"uint", "5x", "", ""},
		{"uint32", "4294967295 x", "4294967295", "x"},
		{"uint32", "4294967296", "", ""},
		{"uint16", "65535", "65535", ""},
		{"uint16", "65536", "", ""},
		{"int", "-5", "-5", ""},
		{"int", "+5", "5", ""},
		{"int", "5.0", "", ""},
		{"hex", "0xff", "255", ""},
		{"hex", "FF", "255", ""},
		{"hex", "0x", "", ""},
		{"hex", "xyz", "", ""},
		{"size", "64", "64", ""},
		{"size", "4k", "4096", ""},
		{"size", "2M", "2097152", ""},
		{"size", "1g x", "1073741824", "x"},
		{"size", "1t", "1099511627776", ""},
		{"size", "16777216t", "", ""},
		{"size", "16777215t", "18446742974197923840", ""},
		{"size", "k", "", ""},
		{"size", "4kb", "", ""},
		{"size", "1.5k", "", ""},
		{"base10", "7900k", "7900000", ""},
		{"base10", "1G", "1000000000", ""},
		{"float", "1", "1", ""},
		{"float", ".5", ".5", ""},
		{"float", "1e-3", ".001", ""},
		{"float", "-2.5", "-2.5", ""},
		{"float", "inf", "", ""},
		{"float", "nan", "", ""},
		{"float", "1e999", "", ""},
		{"float", "0x1p3", "", ""},
		{"addr", "6.0.1.1", "6.0.1.1", ""},
		{"addr", "2001:db8::1 x", "2001:db8::1", "x"},
		{"addr", "6.0.1.1/24", "", ""},
		{"addr", "6.0.1", "", ""},
		{"prefix", "6.0.1.1/24", "6.0.1.1/24", ""},
		{"prefix", "6.0.1.1/33", "", ""},
		{"prefix", "6.0.1.1", "", ""},
		{"mac", "02:fe:00:00:00:01", "02fe00000001", ""},
		{"mac", "02fe.0000.0001", "02fe00000001", ""},
		{"mac", "02:fe:00:00:00", "", ""},
		{"mac", "02:fe:00:00:00:01:02:03", "", ""},
		{"onoff", "enable", "true", ""},
		{"onoff", "up", "true", ""},
		{"onoff", "down", "false", ""},
		{"onoff", "upx", "", ""},
	} {
		in := NewInput("  " + c.in)
		got, ok := scan(in, c.kind)
		switch {
		case c.want == "" && c.in != "{}":
			if ok || in.Rest() != c.in {
				t.Errorf("%s of %q: matched %v, left %q", c.kind, c.in, ok, in.Rest())
			}
		case !ok || got != c.want || in.Rest() != c.rest:
			t.Errorf("%s of %q = %q %v, left %q; want %q, left %q", c.kind, c.in, got, ok, in.Rest(), c.want, c.rest)
		}
	}
}

// scan calls the method of that name and prints what it stored.
func scan(in *Input, kind string) (string, bool) {
	if keyword, ok := strings.CutPrefix(kind, "match "); ok {
		return "true", in.Match(keyword)
	}
	var (
		s    string
		u    uint64
		u32  uint32
		u16  uint16
		i    int
		f    float64
		addr netip.Addr
		p    netip.Prefix
		mac  [6]byte
		b    bool
	)
	switch kind {
	case "oneof":
		ok := in.OneOf(&s, "tcp", "udp")
		return s, ok
	case "word":
		ok := in.Word(&s)
		return s, ok
	case "group":
		ok := in.Group(&s)
		return s, ok
	case "line":
		ok := in.Line(&s)
		return s, ok
	case "uint":
		ok := in.Uint(&u)
		return dec(u), ok
	case "uint32":
		ok := in.Uint32(&u32)
		return dec(uint64(u32)), ok
	case "uint16":
		ok := in.Uint16(&u16)
		return dec(uint64(u16)), ok
	case "int":
		ok := in.Int(&i)
		return FormatFloat(float64(i), 0), ok
	case "hex":
		ok := in.Hex(&u)
		return dec(u), ok
	case "size":
		ok := in.Size(&u)
		return dec(u), ok
	case "base10":
		ok := in.Base10(&u)
		return dec(u), ok
	case "float":
		ok := in.Float(&f)
		return FormatFloat(f, -1), ok
	case "addr":
		ok := in.Addr(&addr)
		return addr.String(), ok
	case "prefix":
		ok := in.Prefix(&p)
		return p.String(), ok
	case "mac":
		ok := in.MAC(&mac)
		const digits = "0123456789abcdef"
		for _, c := range mac {
			s += string(digits[c>>4]) + string(digits[c&15])
		}
		return s, ok
	case "onoff":
		ok := in.OnOff(&b)
		return map[bool]string{true: "true", false: "false"}[b], ok
	}
	panic(kind)
}

func dec(n uint64) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return dec(n/10) + dec(n%10)
}

func TestInputErrors(t *testing.T) {
	in := NewInput("bogus\t3 \r\n")
	for _, c := range []struct {
		err  error
		want string
	}{
		{in.Unknown(), "unknown input `bogus\\t3'"},
		{in.End(), "unknown input `bogus\\t3'"},
		{in.Expect("a number"), "expected a number, got `bogus\\t3'"},
		{NewInput(" ").Expect("a number"), "expected a number"},
		{NewInput("").Unknown(), "unknown input `'"},
	} {
		if c.err == nil || c.err.Error() != c.want || !errors.Is(c.err, ErrUsage) {
			t.Errorf("got %q, want %q", c.err, c.want)
		}
	}
	if err := NewInput("  \n").End(); err != nil {
		t.Errorf("End of blanks: %v", err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		strings.Repeat("x", 30): "`" + strings.Repeat("x", 30) + "'",
		strings.Repeat("x", 31): "`" + strings.Repeat("x", 30) + "...'",
		strings.Repeat("é", 31): "`" + strings.Repeat("é", 30) + "...'",
		"a\x1b[31m":             "`a\\x1b[31m'",
		"a\r\nb\t ":             "`a\\r\\nb'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzInput scans arbitrary text with methods that the fuzzer chooses.
func FuzzInput(f *testing.F) {
	f.Add("verbose2 proto tcp { a b } 6.0.1.1/24", []byte{0, 1, 2, 3, 4, 5, 6})
	f.Add(`\{ a\ `, []byte{4, 4, 4})
	kinds := []string{"match verbose", "match a b", "oneof", "word", "group", "line", "uint", "uint32", "uint16", "int",
		"hex", "size", "base10", "float", "addr", "prefix", "mac", "onoff"}
	f.Fuzz(func(t *testing.T, text string, choice []byte) {
		in := NewInput(text)
		for _, c := range choice {
			before := in.Rest()
			kind := kinds[int(c)%len(kinds)]
			got, ok := scan(in, kind)
			switch {
			case !ok && in.Rest() != before:
				t.Fatalf("%s did not match %q but left %q", kind, before, in.Rest())
			case ok && !strings.HasSuffix(before, in.Rest()):
				t.Fatalf("%s of %q invented %q", kind, before, in.Rest())
			case ok && before != "" && in.Rest() == before:
				t.Fatalf("%s matched %q as %q and consumed nothing", kind, before, got)
			case in.Rest() != trimLeft(in.Rest()):
				t.Fatalf("%s of %q left a blank in front of %q", kind, before, in.Rest())
			}
		}
		if msg := in.Unknown().Error(); utf8.ValidString(text) && !utf8.ValidString(msg) {
			t.Fatalf("error %q of %q", msg, text)
		}
	})
}
