package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vpphost/cli"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"# only\n\n  # comments\n":         "",
		"show version":                     "1:show version|",
		"a\nb\n\n  c  \n":                  "1:a|2:b|4:c|",
		"a # comment { with \\\nb":         "1:a|2:b|",
		"create tap \\\n  id 0 \\\n x # c": "1:create tap \n  id 0 \n x|",
		"\\\n a":                           "2:a|",
		"a\\#b # c":                        `1:a\#b|`,
		"comment {\n any # c }\n}\nb":      "1:comment {\n any \n}|4:b|",
		"a { {\n } \n } c\nb":              "1:a { {\n } \n } c|4:b|",
		"a } b\nc":                         "1:a } b|2:c|",
		`a \{ b` + "\nc":                   `1:a \{ b|2:c|`,
		"a\r\nb \\\r\n c\r\n":              "1:a|2:b \n c|",
		`a\`:                               `1:a\|`,
		"a\n\nb {\n c":                     "3:missing }",
		"{ a }\n{ b":                       "2:missing }",
		"a\tb":                             "1:a\tb|",
	} {
		lines, last, err := split(text)
		got := ""
		for _, l := range lines {
			got += fmt.Sprintf("%d:%s|", l.number, l.text)
		}
		if err != nil {
			got += fmt.Sprintf("%d:%v", last, err)
		}
		if got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
		}
	}
}

// world is a directory of scripts and a registry with commands to use in them.
type world struct {
	t   *testing.T
	reg *cli.Registry
	out bytes.Buffer
	o   cli.Options
	ran []string // by "note"
}

func newWorld(t *testing.T, files map[string]string) *world {
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, reg: cli.NewRegistry(), o: cli.Options{Session: cli.NewSession("test")}}
	err := w.reg.Add(append(Commands(),
		&cli.Command{Path: "set interface ip address", Usage: "<interface> <prefix>", Help: "Set an address", Run: w.note("address")},
		&cli.Command{Path: "set interface state", Usage: "<interface> up|down", Help: "Start an interface", Run: w.note("state")},
		&cli.Command{Path: "create tap", Usage: "...", Help: "Make a tap", Run: w.note("tap")},
		&cli.Command{Path: "session enable", Help: "Enable", Run: w.note("enable")},
		&cli.Command{Path: "fail", Help: "Fail", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			return nil, errors.New("it failed")
		}},
	)...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// note remembers what the command was called with.
func (w *world) note(name string) func(*cli.Ctx, *cli.Input) (cli.Result, error) {
	return func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
		var args []string
		for !in.Done() {
			var word string
			if !in.Word(&word) {
				return nil, in.Unknown()
			}
			args = append(args, word)
		}
		w.ran = append(w.ran, strings.TrimSpace(name+" "+strings.Join(args, " ")))
		return nil, nil
	}
}

// types runs a line and gives what the user sees.
func (w *world) types(line string) string {
	w.out.Reset()
	err := w.reg.Exec(context.Background(), line, &w.out, w.o)
	cli.WriteError(&w.out, err, w.o)
	return w.out.String()
}

func (w *world) expect(line, want string) {
	w.t.Helper()
	if got := w.types(line); got != want {
		w.t.Errorf("%s:\ngot  %q\nwant %q", line, got, want)
	}
}

// TestExample runs a script with everything in it.
func TestExample(t *testing.T) {
	w := newWorld(t, map[string]string{
		"setup.gate": `comment { bring up the test port }
define ifc tap0
create tap id 0 \
   host-ip4-addr 10.10.1.1/24     # continuation and comment
set int ip address $ifc 10.10.1.2/24
set int state $(ifc) up
session enable
wait 0.005
comment {
  a group over lines | with a pipe
}
echo done on $ifc
exec more.gate
`,
		"more.gate": "echo more on $ifc\ndefine ifc loop0\n",
	})
	w.expect("exec setup.gate", "waited 0.005 sec.\ndone on tap0\nmore on tap0\n")
	got := strings.Join(w.ran, ", ")
	if want := "tap id 0 host-ip4-addr 10.10.1.1/24, address tap0 10.10.1.2/24, state tap0 up, enable"; got != want {
		t.Errorf("ran %s", got)
	}
	w.expect("echo $ifc", "loop0\n") // macros of a script are the session's
}

func TestErrors(t *testing.T) {
	w := newWorld(t, map[string]string{
		"bad":     "session enable\n\nshow nosuch\nset int state tap0 up\n",
		"outer":   "echo a\nexec bad\necho not reached\n",
		"brace":   "echo a\necho { b\n",
		"empty":   "",
		"blank":   "\n# nothing\n",
		"self":    "echo again\nexec self\n",
		"quits":   "echo a\nquit\necho not reached\n",
		"sub dir": "echo spaces\n",
		"failing": "echo a\nfail\necho { b } \n nosuch\n",
	})
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect("exec", "exec: expecting file name, got `'\n")
	w.expect("exec { a", "exec: expecting file name, got `{ a'\n")
	w.expect("exec nosuch", "exec: failed to open `nosuch': no such file or directory\n")
	w.expect("exec .", "exec: not a regular file `.'\n")
	w.expect("exec pipe", "exec: not a regular file `pipe'\n")
	w.expect("exec empty", "exec: empty file `empty'\n")
	w.expect("exec blank", "")
	w.expect("exec blank now", "exec: unknown input `now'\n")
	w.expect("exec bad", "exec: bad:3: show: unknown input `nosuch'\n")
	if got := strings.Join(w.ran, ", "); got != "enable" {
		t.Errorf("ran %s", got)
	}
	w.expect("exec outer", "a\nexec: outer:2: exec: bad:3: show: unknown input `nosuch'\n")
	w.expect("exec brace", "exec: brace:2: missing }\n")
	w.expect("exec quits", "a\n")
	w.expect("exec sub\\ dir", "spaces\n")
	w.expect("exec {sub dir}", "spaces\n")
	w.expect("exec outer | count", "1\nexec: outer:2: exec: bad:3: show: unknown input `nosuch'\n")
	if got := w.types("exec self"); strings.Count(got, "again\n") != 16 || !strings.HasSuffix(got, "deep\n") {
		t.Errorf("a script that runs itself: %s", got)
	}
	w.expect("exec --keep-going failing", "a\nfailing:2: fail: it failed\n{ b }\nfailing:4: unknown input `nosuch'\nexec: 2 of 4 lines failed\n")
	w.expect("exec failing --keep-going | include it", "failing:2: fail: it failed\nexec: 2 of 4 lines failed\n")
	w.expect("exec --keep-going failing | json", `{"text":"a\n"}
{"file":"failing","line":2,"error":"failing:2: fail: it failed","status":1}
{"text":"{ b }\n"}
{"file":"failing","line":4,"error":"failing:4: unknown input `+"`nosuch'"+`","status":2}
{"error":"exec: 2 of 4 lines failed","status":1}
`)
	w.expect("exec --keep-going quits", "a\n")
	if err := w.reg.Exec(context.Background(), "exec quits", &w.out, w.o); !errors.Is(err, cli.ErrQuit) {
		t.Errorf("quit in a script: %v", err)
	}
	if err := w.reg.Exec(context.Background(), "exec bad", &w.out, w.o); cli.ExitStatus(err) != cli.StatusUsage {
		t.Errorf("status of a script with an unknown word: %v", err)
	}
}

func TestTooLong(t *testing.T) {
	w := newWorld(t, map[string]string{"long": strings.Repeat("#\n", maxFile/2) + "\n"})
	w.expect("exec long", fmt.Sprintf("exec: file `long' is longer than %d bytes\n", maxFile))
}

func TestRunFile(t *testing.T) {
	w := newWorld(t, map[string]string{
		"good": "define x 1\necho $x\nexec bad",
		"bad":  "set int state tap0 up\nfail",
	})
	var out bytes.Buffer
	err := RunFile(context.Background(), w.reg, "good", &out, cli.Options{})
	if err == nil || err.Error() != "good:3: exec: bad:2: fail: it failed" || out.String() != "1\n" {
		t.Errorf("%v, printed %q", err, out.String())
	}
	var at *Error
	err = RunFile(context.Background(), w.reg, "nosuch", &out, cli.Options{})
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &at) {
		t.Errorf("missing file: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = RunFile(ctx, w.reg, "good", &out, cli.Options{})
	if !errors.As(err, &at) || at.Line != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestInterrupt: a script ends with its issuer, also with --keep-going.
func TestInterrupt(t *testing.T) {
	w := newWorld(t, map[string]string{"slow": "wait 3600\necho not reached\n"})
	ctx, cancel := context.WithCancel(context.Background())
	w.reg.LogLine = func(_ *cli.Session, line string) {
		if strings.HasPrefix(line, "wait") {
			cancel()
		}
	}
	err := w.reg.Exec(ctx, "exec --keep-going slow", &w.out, w.o)
	if !errors.Is(err, context.Canceled) || err.Error() != "exec: slow:1: wait: interrupted" || w.out.Len() > 0 {
		t.Errorf("%v, printed %q", err, w.out.String())
	}
}

func TestComplete(t *testing.T) {
	w := newWorld(t, map[string]string{"setup.gate": "a", "sub/one": "a", "sub/two": "a", "other": "a", ".hidden": "a"})
	for line, want := range map[string]string{
		"exec ":               "other setup.gate sub/",
		"exec s":              "setup.gate sub/",
		"exec sub/":           "sub/one sub/two",
		"exec ./sub/t":        "./sub/two",
		"exec .h":             ".hidden",
		"exec nosuch/":        "",
		"exec --keep-going o": "other",
		"exec other ":         "",
	} {
		var got []string
		for _, word := range w.reg.Complete(context.Background(), line) {
			got = append(got, word.Text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: got %q, want %q", line, s, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a \\\n b # c\n{ d\n} e\n")
	f.Add("\\\r\n\\#{}}{")
	f.Add("\u1680") // a blank for Unicode only
	f.Fuzz(func(t *testing.T, text string) {
		lines, last, err := split(text)
		total := strings.Count(text, "\n") + 1
		if err != nil {
			if last < 1 || last > total || !strings.Contains(text, "{") {
				t.Fatalf("%q: %v at %d", text, err, last)
			}
			return
		}
		before := 0
		for _, l := range lines {
			if l.number <= before || l.number > total || strings.Trim(l.text, blanks) == "" {
				t.Fatalf("%q: line %d after %d: %q", text, l.number, before, l.text)
			}
			before = l.number
		}
	})
}
