package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vpphost/cli"
)

func TestNextKey(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []key
		rest string
	}{
		{"ab", []key{"a", "b"}, ""},
		{"ü日", []key{"ü", "日"}, ""},
		{"a\xc3", []key{"a"}, "\xc3"}, // half of a character
		{"\x80", []key{"\ufffd"}, ""},
		{"\r\x03\x7f", []key{keyCR, keyCtrlC, keyBackspace}, ""},
		{"\x1b[A\x1bOA\x1b[5~", []key{keyUp, keyUp, keyPageUp}, ""},
		{"\x1b[1;5Cx", []key{"\x1b[1;5C", "x"}, ""},
		{"\x1bb\x1b\x1b[A", []key{"\x1bb", keyEscape, keyUp}, ""},
		{"\x1b[[AB", []key{"\x1b[[A", "B"}, ""},
		{"\x1b[200~a\x1b[201~", []key{keyPaste, "a", keyPasteEnd}, ""},
		{"\x1b", nil, "\x1b"},
		{"\x1b[1;", nil, "\x1b[1;"},
		{"\x1bO", nil, "\x1bO"},
	} {
		b := []byte(tc.in)
		var got []key
		for {
			k, n := nextKey(b, false)
			if n == 0 {
				break
			}
			got, b = append(got, k), b[n:]
		}
		if !slices.Equal(got, tc.want) || string(b) != tc.rest {
			t.Errorf("%q: %q and %q left, want %q and %q", tc.in, got, b, tc.want, tc.rest)
		}
		if len(b) > 0 {
			if _, n := nextKey(b, true); n == 0 {
				t.Errorf("%q: %q is left for ever", tc.in, b)
			}
		}
	}
}

func FuzzNextKey(f *testing.F) {
	f.Add([]byte("a\x1b[A\x1b[1;5C\x1bO\xc3\xbc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			k, n := nextKey(b, false)
			if n == 0 {
				if len(b) > 2*maxEscape {
					t.Fatalf("%q: a key without an end", b)
				}
				k, n = nextKey(b, true)
			}
			if n <= 0 || n > len(b) || k == "" {
				t.Fatalf("%q: key %q of %d bytes", b, k, n)
			}
			b = b[n:]
		}
	})
}

func TestExtend(t *testing.T) {
	words := func(s ...string) (w []cli.Word) {
		for _, text := range s {
			w = append(w, cli.Word{Text: text})
		}
		return w
	}
	for _, tc := range []struct {
		typed string
		words []cli.Word
		want  string
	}{
		{"sh", words("show"), "ow "},
		{"show", words("show"), " "},
		{"", words("show"), "show "},
		{"v", words("version", "virtio"), ""},
		{"ve", words("version", "verbose"), "r"},
		{"ip", words("ip", "ip6"), ""},
		{"x", nil, ""},
		{"/tmp/sc", words("/tmp/scripts/"), "ripts/"},
		{"", words("<address>"), ""},
		{"", words("<address>", "uri"), "uri"},
	} {
		if got := extend(tc.typed, tc.words); got != tc.want {
			t.Errorf("extend(%q, %v) = %q, want %q", tc.typed, tc.words, got, tc.want)
		}
	}
}

func TestSplitRows(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"a\nb", []string{"a", "b"}},
		{"a\r\n\nb\n", []string{"a", "", "b"}},
		{"0123456789abc\n", []string{"0123456789", "abc"}},
		{"0123456789\n", []string{"0123456789"}},
		{"\x1b[31m0123456789\x1b[0m\nx\n", []string{"\x1b[31m0123456789\x1b[0m", "x"}},
		{"üüüüüüüüüüü\n", []string{"üüüüüüüüüü", "ü"}},
		{"1\t2\t3\n", []string{"1\t2", "\t3"}},
		{"\x1b", []string{"\x1b"}},
	} {
		if got := splitRows(tc.in, 10); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzSplitRows(f *testing.F) {
	f.Add("a\x1b[1mb\tc\nddddddddddddddd", 7)
	f.Fuzz(func(t *testing.T, in string, width int) {
		rows := splitRows(in, width)
		if len(rows) > len(in) {
			t.Fatalf("%d rows of %d bytes", len(rows), len(in))
		}
		strip := strings.NewReplacer("\r", "", "\n", "")
		if strip.Replace(strings.Join(rows, "")) != strip.Replace(in) {
			t.Fatalf("%q became %q", in, rows)
		}
	})
}

// TestScreen keeps output back until the command is done or runs long.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	lines := func(n int) []byte { return bytes.Repeat([]byte("x\n"), n) }

	s := newScreen(&out, 80, 10, 100, true)
	s.Write(lines(9))
	if out.Len() > 0 {
		t.Error("shown before the end")
	}
	if rows := s.finish(false); rows != nil || out.Len() != 18 {
		t.Errorf("short output: %d rows to page, %d bytes shown", len(rows), out.Len())
	}

	out.Reset()
	s = newScreen(&out, 80, 10, 100, true)
	s.Write(lines(10))
	if rows := s.finish(false); len(rows) != 10 || out.Len() != 0 {
		t.Errorf("tall output: %d rows to page, %d bytes shown", len(rows), out.Len())
	}

	out.Reset()
	s = newScreen(&out, 80, 10, 100, true)
	s.Write(lines(50))
	if rows := s.finish(true); rows != nil || out.Len() != 100 {
		t.Errorf("interrupted: %d rows to page, %d bytes shown", len(rows), out.Len())
	}

	out.Reset()
	s = newScreen(&out, 80, 10, 100, true)
	s.Write(lines(3))
	s.tick() // runs long
	s.Write(lines(30))
	if rows := s.finish(false); rows != nil || out.Len() != 66 {
		t.Errorf("slow output: %d rows to page, %d bytes shown", len(rows), out.Len())
	}

	out.Reset()
	s = newScreen(&out, 80, 10, 100, true)
	s.Write(lines(20))
	s.tick() // tall and fast
	if out.Len() > 0 {
		t.Error("shown although it grows")
	}
	s.tick() // then nothing more
	if s.finish(false); out.Len() != 40 {
		t.Errorf("stalled output: %d bytes shown", out.Len())
	}

	out.Reset()
	s = newScreen(&out, 80, 10, 100, true)
	s.Write(lines(101))
	if !strings.HasSuffix(out.String(), "-- pager buffer overflowed --\n") {
		t.Errorf("no word of the overflow")
	}
	s.finish(false)
}

func TestFinder(t *testing.T) {
	s := finder{lines: []string{"alpha", "beta", "gamma", "beta", "delta"}, at: -1, back: true}
	check := func(want string, miss bool) {
		t.Helper()
		got := ""
		if s.at >= 0 {
			got = s.lines[s.at]
		}
		if got != want || s.miss != miss {
			t.Errorf("found %q, miss %v; want %q, %v", got, s.miss, want, miss)
		}
	}
	s.again(true)
	check("", false)
	s.look("a")
	check("delta", false)
	s.again(true)
	check("beta", false)
	s.look("am")
	check("gamma", false)
	s.look("amx")
	check("gamma", true)
	s.look("a")
	check("gamma", false)
	s.again(true)
	check("beta", false)
	s.again(true)
	check("alpha", false)
	s.again(true)
	check("alpha", true)
	s.again(false)
	check("beta", false)
	s.again(false)
	s.again(false)
	s.again(false)
	check("delta", false)
	s.again(false)
	check("delta", true)
	s.look("")
	check("", false)
}

func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "b", "history")
	h := loadHistory(file, 3)
	for _, line := range []string{"one", "", "  ", "two", "two", "three ", "four"} {
		h.add(line)
	}
	want := []string{"two", "three", "four"}
	if !slices.Equal(h.lines(), want) {
		t.Errorf("got %q, want %q", h.lines(), want)
	}
	if got := loadHistory(file, 3).lines(); !slices.Equal(got, want) {
		t.Errorf("loaded %q, want %q", got, want)
	}
	for i := range 10 {
		h.add(fmt.Sprint(i))
	}
	loadHistory(file, 3) // cuts the file
	b, err := os.ReadFile(file)
	if err != nil || string(b) != "7\n8\n9\n" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if fi, _ := os.Stat(file); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}

	none := loadHistory(file, 0)
	none.add("x")
	if len(none.lines()) > 0 {
		t.Error("a history without room remembers")
	}
	unreadable := loadHistory("/dev/null/history", 3)
	unreadable.add("x")
	if !slices.Equal(unreadable.lines(), []string{"x"}) {
		t.Errorf("got %q", unreadable.lines())
	}
}

func TestDefaultHistoryFile(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	if got := DefaultHistoryFile(); got != "/state/vpphost/history" {
		t.Error(got)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", "/home/user")
	if got := DefaultHistoryFile(); got != "/home/user/.local/state/vpphost/history" {
		t.Error(got)
	}
	t.Setenv("HOME", "")
	if got := DefaultHistoryFile(); got != "" {
		t.Error(got)
	}
}

// TestPlain runs the lines of a pipe.
func TestPlain(t *testing.T) {
	for _, tc := range []struct {
		in, out, err string
		status       int
		json         bool
	}{
		{in: "show a\n\n  # comment\nshow b", out: "did <show a>\ndid <show b>\n"},
		{in: "fail\nbogus\nshow b\n", out: "did <show b>\n", err: "fail: no such thing\nunknown input `bogus'\n", status: 1},
		{in: "bogus\nfail\n", err: "unknown input `bogus'\nfail: no such thing\n", status: 2},
		{in: "show a\nquit\nshow b\n", out: "did <show a>\n"},
		{in: "fail\nquit\n", err: "fail: no such thing\n", status: 1},
		{in: "", out: ""},
		{in: "size\n", out: "0x0 json=true\n", json: true},
		{in: "bogus\n", err: "{\"error\":\"unknown input `bogus'\",\"status\":2}\n", status: 2, json: true},
		{in: "show a\r\n", out: "did <show a>\n"},
		{in: strings.Repeat("x", 3*MaxLine) + "\nshow b\n", out: "did <show b>\n", err: "line is longer than 65536 bytes\n", status: 2},
	} {
		var out, errs bytes.Buffer
		status, err := Run(t.Context(), Config{
			Engine: fakeEngine{}, In: strings.NewReader(tc.in), Out: &out, Err: &errs, JSON: tc.json, Banner: Banner,
		})
		if err != nil || status != tc.status || out.String() != tc.out || errs.String() != tc.err {
			t.Errorf("%.40q: status %d, error %v, printed %q and %q; want %d, %q, %q",
				tc.in, status, err, out.String(), errs.String(), tc.status, tc.out, tc.err)
		}
	}
}

// TestPlainEnds leaves when the context is done, although nothing comes in.
func TestPlainEnds(t *testing.T) {
	in, _ := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, err := Run(ctx, Config{Engine: fakeEngine{}, In: in, Out: io.Discard}); status != 0 || err != nil {
		t.Error(status, err)
	}
}

// TestPlainLost tells when the engine is gone.
func TestPlainLost(t *testing.T) {
	lost := fmt.Errorf("lost: %w", net.ErrClosed)
	_, err := Run(t.Context(), Config{Engine: lostEngine{err: lost}, In: strings.NewReader("a\nb\n"), Out: io.Discard})
	if !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

type lostEngine struct {
	fakeEngine
	err error
}

func (e lostEngine) Exec(context.Context, string, io.Writer, cli.Options) error { return e.err }
