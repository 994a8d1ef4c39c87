package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the engine prints into the transcripts")

const prompt = "vpp# "

// TestTranscripts types each line behind a prompt in testdata/*.txt and compares
// what the user sees with what the file says. One file is one session.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	t.Setenv("UNSET_IN_TESTS", "")
	os.Unsetenv("UNSET_IN_TESTS")
	t.Setenv("FROM_ENV", "environment")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := typeLines(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			gl, wl := strings.Split(got, "\n"), strings.Split(string(want), "\n")
			for i := range max(len(gl), len(wl)) {
				g, w := "<end>", "<end>"
				if i < len(gl) {
					g = gl[i]
				}
				if i < len(wl) {
					w = wl[i]
				}
				if g != w {
					t.Fatalf("%s:%d:\ngot  %q\nwant %q", file, i+1, g, w)
				}
			}
		})
	}
}

// typeLines types the lines behind the prompts of a transcript into a new session
// and gives the transcript of that.
func typeLines(transcript string) string {
	r := testRegistry()
	s := NewSession("test")
	s.UpdateTerminal(func(t *Terminal) { t.Interactive, t.Name, t.Width, t.Height = true, "xterm", 80, 24 })
	o := Options{Session: s, Layout: Layout{Width: 80, Height: 24}}
	var b bytes.Buffer
	for line := range strings.Lines(transcript) {
		typed, ok := strings.CutPrefix(line, prompt)
		if !ok {
			if b.Len() == 0 || strings.HasPrefix(line, "#") {
				b.WriteString(line) // comments stay
			}
			continue
		}
		b.WriteString(line)
		typed = strings.TrimSuffix(typed, "\n")
		s.Remember(typed)
		err := r.Exec(context.Background(), typed, &b, o)
		WriteError(&b, err, o)
	}
	return b.String()
}

// testRegistry has commands with the names of the real ones.
func testRegistry() *Registry {
	r := NewRegistry()
	say := func(path, usage, help string) *Command {
		return &Command{Path: path, Usage: usage, Help: help,
			Run: func(_ *Ctx, in *Input) (Result, error) {
				var args string
				in.Line(&args)
				return Text(strings.TrimRight(path+" ran: "+args, " :") + "\n"), nil
			}}
	}
	err := r.Add(
		say("show version", "", "Show the version"),
		say("show interface", "[<interface>...]", "Show interfaces"),
		say("show interface addr", "", "Show the addresses of interfaces"),
		say("show interface rx-placement", "", "Show which worker polls what"),
		say("show ip fib", "[table <n>]", "Show routes"),
		say("show ip neighbor", "", "Show neighbors"),
		say("show ip neighbors", "", "Show neighbors"),
		say("show ip6 fib", "", "Show IPv6 routes"),
		say("show segment-manager", "", "Show segments"),
		say("show session stats", "", "Show session counters"),
		say("show session lookup", "[table <n>]", "Show the lookup tables"),
		&Command{Path: "show session", Usage: "[verbose [n]] [proto <name>]",
			Help: "Show sessions\nOf every worker; one line a session with verbose.",
			Run:  runShowSession, Complete: completeShowSession},
		say("set interface ip address", "<interface> <prefix>", "Set an address"),
		&Command{Path: "set interface state", Usage: "<interface> up|down", Help: "Start or stop an interface",
			Run: runSetState},
		&Command{Path: "vperf client", Usage: "[uri <uri>]\n[verbose]", Help: "Measure",
			Run: func(_ *Ctx, in *Input) (Result, error) {
				return Text("test failed"), fmt.Errorf("failed: %w", in.Unknown())
			}},
		&Command{Path: "test crash", Help: "Panic",
			Run: func(*Ctx, *Input) (Result, error) { panic("boom") }},
		&Command{Path: "test crash output", Help: "Panic while printing",
			Run: func(*Ctx, *Input) (Result, error) { return badResult{}, nil }},
		&Command{Path: "test stream", Usage: "<n>", Help: "Emit several results", Run: runStream},
		&Command{Path: "test peer", Help: "Fail", Run: func(*Ctx, *Input) (Result, error) {
			return nil, errors.New("connection refused")
		}},
		&Command{Path: "test leftover", Usage: "[<n>]", Help: "Scan nothing",
			Run: func(*Ctx, *Input) (Result, error) { return Text("not shown"), nil }},
	)
	if err != nil {
		panic(err)
	}
	return r
}

type session struct {
	ID    int    `json:"id"`
	Proto string `json:"proto"`
}

type sessions struct {
	Verbose  uint64    `json:"verbose"`
	Sessions []session `json:"sessions"`
}

func (s sessions) Text(w io.Writer, _ Layout) error {
	if s.Verbose == 0 {
		_, err := fmt.Fprintf(w, "Thread 0: %d sessions\n", len(s.Sessions))
		return err
	}
	for _, one := range s.Sessions {
		fmt.Fprintf(w, "%d [%s] level %d\n", one.ID, one.Proto, s.Verbose)
	}
	return nil
}

func runShowSession(_ *Ctx, in *Input) (Result, error) {
	r := sessions{Sessions: []session{{1, "tcp"}, {2, "udp"}}}
	var proto string
	for !in.Done() {
		switch {
		case in.Match("verbose"):
			r.Verbose = 1
			in.Uint(&r.Verbose)
		case in.Match("proto"):
			if !in.OneOf(&proto, "tcp", "udp") {
				return nil, in.Expect("tcp or udp")
			}
		default:
			return nil, in.Unknown()
		}
	}
	if proto != "" {
		var kept []session
		for _, s := range r.Sessions {
			if s.Proto == proto {
				kept = append(kept, s)
			}
		}
		r.Sessions = kept
	}
	return r, nil
}

func completeShowSession(_ *Ctx, in *Input) []Word {
	if in.Match("proto") && in.Done() {
		return []Word{{"udp", "datagrams"}, {"tcp", "streams"}}
	}
	return []Word{{"verbose", "one line a session"}, {"proto", "only of this protocol"}}
}

func runSetState(_ *Ctx, in *Input) (Result, error) {
	var name string
	var up bool
	if at := *in; !in.Word(&name) || name != "memif0/0" {
		return nil, fmt.Errorf("unknown interface %s", Quote(at.Rest()))
	}
	if !in.OnOff(&up) {
		return nil, in.Unknown()
	}
	return nil, in.End()
}

func runStream(c *Ctx, in *Input) (Result, error) {
	var n int
	if !in.Int(&n) {
		return nil, in.Expect("a number")
	}
	for i := range n {
		if err := c.Err(); err != nil {
			return nil, err
		}
		if err := c.Emit(sessions{Verbose: 1, Sessions: []session{{i, "tcp"}}}); err != nil {
			return nil, err
		}
	}
	return Text("done"), nil
}

type badResult struct{}

func (badResult) Text(io.Writer, Layout) error { panic("cannot print") }
