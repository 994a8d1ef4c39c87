package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func run(r *Registry, line string, o Options) (string, error) {
	var b bytes.Buffer
	err := r.Exec(context.Background(), line, &b, o)
	return b.String(), err
}

func TestExitStatus(t *testing.T) {
	r := testRegistry()
	for line, want := range map[string]int{
		"":                              StatusOK,
		"show version":                  StatusOK,
		"show session ?":                StatusOK,
		"quit":                          StatusOK,
		"q":                             StatusOK,
		"exit":                          StatusOK,
		"uncomment { quit }":            StatusOK,
		"test peer":                     StatusFailed,
		"test crash":                    StatusFailed,
		"test peer | json":              StatusFailed,
		"set interface state nosuch up": StatusFailed,
		"history":                       StatusFailed,
		"nosuch":                        StatusUsage,
		"nosuch | json":                 StatusUsage,
		"show nosuch ?":                 StatusUsage,
		"show version now":              StatusUsage,
		"show session verb":             StatusUsage,
		"show session | nosuch":         StatusUsage,
		"vperf client bogus":            StatusUsage,
		"uncomment { nosuch }":          StatusUsage,
		strings.Repeat("x", maxLine+1):  StatusUsage,
	} {
		if _, err := run(r, line, Options{}); ExitStatus(err) != want {
			t.Errorf("%.40q: %v: status %d, want %d", line, err, ExitStatus(err), want)
		}
	}
	if err := fmt.Errorf("wrapped: %w", Usagef("no %s", "way")); ExitStatus(err) != StatusUsage || err.Error() != "wrapped: no way" {
		t.Errorf("wrapped usage error: %v, status %d", err, ExitStatus(err))
	}
	if _, err := run(r, "quit", Options{}); err != ErrQuit {
		t.Errorf("quit returns %v", err)
	}
}

func TestJSONOption(t *testing.T) {
	r := testRegistry()
	out, err := run(r, "show session proto tcp", Options{JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	var s sessions
	if err := json.Unmarshal([]byte(out), &s); err != nil || len(s.Sessions) != 1 || !strings.Contains(out, "\n  ") {
		t.Fatalf("%v %v: %s", err, s, out)
	}
	var b bytes.Buffer
	_, err = run(r, "show nosuch", Options{JSON: true})
	WriteError(&b, err, Options{JSON: true})
	if want := `{"error":"show: unknown input ` + "`nosuch'" + `","status":2}` + "\n"; b.String() != want {
		t.Errorf("got %s, want %s", b.String(), want)
	}
	b.Reset()
	WriteError(&b, ErrQuit, Options{})
	WriteError(&b, nil, Options{JSON: true})
	if b.Len() != 0 {
		t.Errorf("quit and success print %q", b.String())
	}
}

// TestNewline: what is shown ends in exactly one newline, and nothing is nothing.
func TestNewline(t *testing.T) {
	r := NewRegistry()
	for path, text := range map[string]string{"one": "a", "two": "a\n", "none": ""} {
		r.Add(&Command{Path: path, Help: path, Run: func(*Ctx, *Input) (Result, error) { return Text(text), nil }})
	}
	for line, want := range map[string]string{"one": "a\n", "two": "a\n", "none": "", "comment a": ""} {
		if got, err := run(r, line, Options{}); got != want || err != nil {
			t.Errorf("%s: got %q %v", line, got, err)
		}
	}
}

func TestAdd(t *testing.T) {
	r := NewRegistry()
	nop := func(*Ctx, *Input) (Result, error) { return nil, nil }
	err := r.Add(
		&Command{Path: "show a", Help: "a", Run: nop},
		&Command{Path: "show a", Help: "again", Run: nop},
		&Command{Path: "show  b", Help: "b", Run: nop},
		&Command{Path: "", Help: "b", Run: nop},
		&Command{Path: "show c?", Help: "b", Run: nop},
		&Command{Path: "show d", Run: nop},
		&Command{Path: "show e", Help: "e"},
		&Command{Path: "show f", Help: "f", Run: nop},
	)
	want := `command "show a": path is taken
command "show  b": malformed word "" in the path
command "": malformed word "" in the path
command "show c?": malformed word "c?" in the path
command "show d": Help and Run are required
command "show e": Help and Run are required`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	alias := (&Command{Path: "vperf client", Help: "x", Run: nop}).As("test echo client")
	if err := r.Add(alias); err != nil {
		t.Error(err)
	}
	var paths []string
	for _, c := range r.Commands() {
		paths = append(paths, c.Path)
	}
	list := strings.Join(paths, ",")
	for _, p := range []string{"show a,", "show f,", "test echo client"} {
		if !strings.Contains(list, p) {
			t.Errorf("%s is not in %s", p, list)
		}
	}
}

// TestInterrupt: a command that waits ends when its issuer gives up.
func TestInterrupt(t *testing.T) {
	r := testRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	r.LogLine = func(*Session, string) { close(started) }
	done := make(chan error)
	go func() { done <- r.Exec(ctx, "wait 3600", &bytes.Buffer{}, Options{}) }()
	<-started
	cancel()
	err := <-done
	if err == nil || err.Error() != "wait: interrupted" || !errors.Is(err, context.Canceled) || ExitStatus(err) != StatusFailed {
		t.Errorf("got %v", err)
	}
	r.LogLine = nil
	if err := r.Exec(ctx, "show version", &bytes.Buffer{}, Options{}); err == nil || err.Error() != "interrupted" {
		t.Errorf("after the end: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if err := r.Exec(ctx, "wait 1", &bytes.Buffer{}, Options{}); err == nil || err.Error() != "timed out" {
		t.Errorf("after the deadline: %v", err)
	}
}

// TestHungUp: a writer that fails stops a command that emits for ever.
func TestHungUp(t *testing.T) {
	r := testRegistry()
	for _, line := range []string{"test stream 1000000000", "test stream 1000000000 | include tcp", "show version"} {
		w := &brokenWriter{room: 5000}
		if strings.HasPrefix(line, "show") {
			w.room = 3
		}
		err := r.Exec(context.Background(), line, w, Options{})
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

var errBroken = errors.New("broken pipe")

type brokenWriter struct{ room int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// TestEmitAtOnce: an emitted result is at the issuer before the command goes on.
func TestEmitAtOnce(t *testing.T) {
	for _, pipe := range []string{"", " | include a", " | json"} {
		r := NewRegistry()
		var b bytes.Buffer
		r.Add(&Command{Path: "tick", Help: "tick", Run: func(c *Ctx, _ *Input) (Result, error) {
			for i := 1; i <= 3; i++ {
				c.Emit(Text("a"))
				if n := strings.Count(b.String(), "\n"); n != i {
					return nil, fmt.Errorf("%d lines after %d results", n, i)
				}
			}
			return nil, nil
		}})
		if err := r.Exec(context.Background(), "tick"+pipe, &b, Options{}); err != nil {
			t.Errorf("%s: %v", pipe, err)
		}
	}
}

func TestHooks(t *testing.T) {
	r := testRegistry()
	var lines, panics []string
	r.LogLine = func(s *Session, line string) { lines = append(lines, s.Name()+"|"+line) }
	r.LogPanic = func(path string, v any, stack []byte) {
		panics = append(panics, fmt.Sprint(path, "|", v, "|", bytes.Contains(stack, []byte("transcript_test.go"))))
	}
	run(r, "uncomment { test crash }", Options{Session: NewSession("s1")})
	run(r, " ", Options{})
	if got := strings.Join(lines, "\n"); got != "s1|uncomment { test crash }\ns1|test crash" {
		t.Errorf("lines: %s", got)
	}
	if got := strings.Join(panics, "\n"); got != "test crash|boom|true" {
		t.Errorf("panics: %s", got)
	}
}

// TestDepth: a command that runs itself ends in an error and not in a crash.
func TestDepth(t *testing.T) {
	r := NewRegistry()
	calls := 0
	r.Add(&Command{Path: "again", Help: "again", Run: func(c *Ctx, _ *Input) (Result, error) {
		calls++
		return nil, c.Exec("again")
	}})
	_, err := run(r, "again", Options{})
	if err == nil || !strings.HasSuffix(err.Error(), "again: lines run lines more than 16 deep") || calls != maxDepth+1 {
		t.Errorf("%d calls: %v", calls, err)
	}
}

// TestMacroBudget: macros that use macros many times must not cost more than a
// line may, even when they expand to nothing.
func TestMacroBudget(t *testing.T) {
	r := testRegistry()
	for _, leaf := range []string{"", "x", "0123456789"} {
		s := NewSession("")
		s.Define("m0", leaf)
		for i := 1; i <= maxMacroDepth; i++ {
			s.Define(fmt.Sprint("m", i), strings.Repeat(fmt.Sprint("$m", i-1), 1000))
		}
		text := s.Expand(fmt.Sprint("$m", maxMacroDepth))
		if len(text) > maxExpansion+64 {
			t.Errorf("expanded to %d bytes", len(text))
		}
		run(r, fmt.Sprint("echo $m", maxMacroDepth), Options{Session: s})
	}
	s := NewSession("")
	s.Define("m8", "end")
	for i := range 8 {
		s.Define(fmt.Sprint("m", i), fmt.Sprint("$m", i+1))
	}
	if got := s.Expand("$m0"); got != "end" && got != " CIRCULAR " {
		t.Errorf("8 levels: %q", got)
	}
}

func TestHistoryLimits(t *testing.T) {
	s := NewSession("")
	for i := range 60 {
		s.Remember(fmt.Sprint("line ", i))
		s.Remember(fmt.Sprint("line ", i))
	}
	lines, first := s.History()
	if len(lines) != DefaultHistory || first != 11 || lines[0] != "line 10" {
		t.Errorf("%d lines from %d: %s", len(lines), first, lines[0])
	}
	s.UpdateTerminal(func(t *Terminal) { t.HistoryLimit = 0 })
	s.Remember("x")
	if lines, _ := s.History(); len(lines) != 0 {
		t.Errorf("limit 0 keeps %q", lines)
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	r := testRegistry()
	s := NewSession("shared")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				run(r, fmt.Sprint("define x", i, " ", j), Options{Session: s})
				s.Remember(fmt.Sprint(i, j))
				if out, err := run(r, "show session | json", Options{Session: s}); err != nil || out == "" {
					t.Errorf("%q %v", out, err)
				}
				run(r, "show cli hit clear-hit", Options{Session: s})
				run(r, "echo $x1 $x2", Options{Session: s})
				run(r, "show macro", Options{Session: s})
				run(r, "set terminal history limit 9", Options{Session: s})
				r.Complete(context.Background(), "show ")
			}
		})
	}
	wg.Wait()
}

// FuzzExec types arbitrary lines. Whatever they are, there is an answer: output
// that ends in a newline, JSON where it was asked for, an error of one line.
func FuzzExec(f *testing.F) {
	for _, line := range []string{"show session verbose2 | include tcp", "sh { int { addr } }", "set int st memif0/0 up ?",
		"define a $b", "echo $hostname \\| | count", "uncomment { uncomment { help } } | json", "| | ?", "show se?", "test crash | exc x"} {
		f.Add(line, false)
		f.Add(line, true)
	}
	r := testRegistry()
	f.Fuzz(func(t *testing.T, line string, asJSON bool) {
		if strings.Contains(line, "w") && strings.ContainsAny(line, "0123456789") {
			line = strings.NewReplacer("wait", "", "wai", "", "wa", "").Replace(line) // would really wait
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var b bytes.Buffer
		o := Options{JSON: asJSON, Session: NewSession("fuzz")}
		err := r.Exec(ctx, line, &b, o)
		if b.Len() > 0 && b.Bytes()[b.Len()-1] != '\n' {
			t.Fatalf("%q printed %q", line, b.String())
		}
		if asJSON && !strings.Contains(line, "|") {
			d := json.NewDecoder(&b)
			for d.More() {
				var v any
				if err := d.Decode(&v); err != nil {
					t.Fatalf("%q printed no JSON: %v", line, err)
				}
			}
		}
		if err != nil {
			if msg := err.Error(); msg == "" || strings.ContainsAny(msg, "\n\x1b") {
				t.Fatalf("%q: error %q", line, msg)
			}
		}
		r.Complete(ctx, line)
	})
}

// TestAliases: a word that may stand for two names of one command is not ambiguous.
func TestAliases(t *testing.T) {
	r := NewRegistry()
	one := &Command{Path: "show neighbors", Help: "x", Run: func(*Ctx, *Input) (Result, error) { return Text("one\n"), nil }}
	two := &Command{Path: "show nodes", Help: "x", Run: one.Run}
	alias := one.As("show neighbor")
	if err := r.Add(one, two, alias, alias.As("show neigh-table")); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"show neigh":  "one\n",
		"show ne":     "one\n",
		"show neighx": "show: unknown input `neighx'\n",
		"show n":      "show: ambiguous input `n': neigh-table, neighbor, neighbors, nodes\n",
	} {
		var b bytes.Buffer
		err := r.Exec(context.Background(), line, &b, Options{})
		WriteError(&b, err, Options{})
		if b.String() != want {
			t.Errorf("%s: got %q, want %q", line, b.String(), want)
		}
	}
}
