package sock

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vpphost/cli"
)

// patience is how long a test waits for what has to come; nothing fails sooner.
const patience = 20 * time.Second

// testRegistry has the commands that the tests use. What "hang" and "flood" say of
// their contexts comes over the channels.
type testRegistry struct {
	*cli.Registry
	started, cancelled chan struct{}
}

func newTestRegistry(t *testing.T) *testRegistry {
	t.Helper()
	r := &testRegistry{cli.NewRegistry(), make(chan struct{}, 100), make(chan struct{}, 100)}
	must(t, r.Add(
		&cli.Command{Path: "show version", Help: "Show the version", Run: text("vpphost test\n")},
		&cli.Command{Path: "show virtio", Help: "Show virtio", Run: text("none\n")},
		&cli.Command{Path: "nothing", Help: "Print nothing", Run: text("")},
		&cli.Command{Path: "fail", Help: "Fail", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			return nil, errors.New("no such thing")
		}},
		&cli.Command{Path: "size", Help: "Show the window", Run: func(c *cli.Ctx, _ *cli.Input) (cli.Result, error) {
			return cli.Text(fmt.Sprintf("%dx%d\n", c.Layout.Width, c.Layout.Height)), nil
		}},
		&cli.Command{Path: "say", Usage: "<text>", Help: "Print the text", Run: func(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var s string
			in.Line(&s)
			return cli.Text(s + "\n"), nil
		}},
		&cli.Command{Path: "hang", Help: "Wait for the end of the context", Run: func(c *cli.Ctx, _ *cli.Input) (cli.Result, error) {
			if err := c.Emit(cli.Text("hanging\n")); err != nil {
				return nil, err
			}
			r.started <- struct{}{}
			<-c.Done()
			r.cancelled <- struct{}{}
			return cli.Text("had enough\n"), c.Err()
		}},
		&cli.Command{Path: "flood", Usage: "<lines>", Help: "Print many lines", Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var n int
			in.Int(&n)
			for i := range n {
				if err := c.Emit(cli.Text(fmt.Sprintf("%d %s\n", i, strings.Repeat("x", 90)))); err != nil {
					r.cancelled <- struct{}{}
					return nil, err
				}
			}
			return nil, nil
		}},
	))
	return r
}

func text(s string) func(*cli.Ctx, *cli.Input) (cli.Result, error) {
	return func(*cli.Ctx, *cli.Input) (cli.Result, error) { return cli.Text(s), nil }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
	}
}

// startServer serves a test registry at a unix socket.
func startServer(t *testing.T, change ...func(*Server)) (*Server, *testRegistry) {
	t.Helper()
	r := newTestRegistry(t)
	s := New(Config{
		Address: filepath.Join(t.TempDir(), "cli.sock"),
		Engine:  r, Banner: "BANNER\n", HistoryLimit: 10,
	})
	for _, f := range change {
		f(s)
	}
	must(t, r.Add(s.Commands()...))
	must(t, s.Start())
	t.Cleanup(func() { must(t, s.Close()) })
	return s, r
}

func dialTest(t *testing.T, s *Server) *Client {
	t.Helper()
	c, err := Dial(t.Context(), s.cfg.Address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientExec(t *testing.T) {
	s, _ := startServer(t)
	c := dialTest(t, s)
	if c.Banner() != "BANNER\n" {
		t.Errorf("banner %q", c.Banner())
	}
	for _, tc := range []struct {
		line, out, err string
		status         int
	}{
		{"show version", "vpphost test\n", "", 0},
		{"sh ver", "vpphost test\n", "", 0},
		{"nothing", "", "", 0},
		{"", "", "", 0},
		{"fail", "", "fail: no such thing", 1},
		{"frobnicate now", "", "unknown input `frobnicate now'", 2},
		{"say " + strings.Repeat("long ", 10000), strings.TrimSuffix(strings.Repeat("long ", 10000), " ") + "\n", "", 0},
		{strings.Repeat("x", maxLine+1), "", "line is longer than 65536 bytes", 2},
		{"say \xff\x00ü", "", "", 0},
		{"quit", "", "quit", 0},
	} {
		var out bytes.Buffer
		err := c.Exec(t.Context(), tc.line, &out, cli.Options{})
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if tc.out != "" && strings.TrimRight(out.String(), " \n") != strings.TrimRight(tc.out, " \n") {
			t.Errorf("%.40q printed %.80q, want %.80q", tc.line, out.String(), tc.out)
		}
		if msg != tc.err || cli.ExitStatus(err) != tc.status {
			t.Errorf("%.40q: error %q, status %d; want %q, %d", tc.line, msg, cli.ExitStatus(err), tc.err, tc.status)
		}
	}
	await(t, "server to hang up after quit", c.Done())
	if err := c.Err(); err != nil {
		t.Errorf("after quit: %v", err)
	}
}

func TestClientJSON(t *testing.T) {
	s, _ := startServer(t)
	var out bytes.Buffer
	must(t, dialTest(t, s).Exec(t.Context(), "show version", &out, cli.Options{JSON: true}))
	if !strings.Contains(out.String(), `"text"`) {
		t.Errorf("got %q, want JSON", out.String())
	}
}

// TestPipedJSONError: who asks for JSON with a pipe gets the error in JSON too.
func TestPipedJSONError(t *testing.T) {
	s, _ := startServer(t)
	c := dialTest(t, s)
	var out bytes.Buffer
	err := c.Exec(t.Context(), "fail | json", &out, cli.Options{})
	must(t, cli.WriteError(&out, err, cli.Options{}))
	if got, want := out.String(), `{"error":"fail: no such thing","status":1}`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClientComplete(t *testing.T) {
	s, _ := startServer(t)
	c := dialTest(t, s)
	got := fmt.Sprint(c.Complete(t.Context(), "show v"))
	if want := "[{version Show the version} {virtio Show virtio}]"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if words := c.Complete(t.Context(), "bogus "); words != nil {
		t.Errorf("got %v for an unknown command", words)
	}
	// An answer that came too late for its question is not taken for the next one's.
	done, cancel := context.WithCancel(t.Context())
	cancel()
	c.Complete(done, "show v")
	if got := fmt.Sprint(c.Complete(t.Context(), "sa")); got != "[{say Print the text}]" {
		t.Errorf("got %v", got)
	}
	var out bytes.Buffer
	must(t, c.Exec(t.Context(), "say hi", &out, cli.Options{}))
	if out.String() != "hi\n" {
		t.Errorf("got %q after a completion", out.String())
	}
}

// TestInterrupt cancels a command and goes on with the session.
func TestInterrupt(t *testing.T) {
	s, r := startServer(t)
	c := dialTest(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-r.started
		cancel()
	}()
	var out bytes.Buffer
	err := c.Exec(ctx, "hang", &out, cli.Options{})
	if !errors.Is(err, context.Canceled) || cli.ExitStatus(err) != 1 {
		t.Errorf("error %v, status %d", err, cli.ExitStatus(err))
	}
	if got, want := out.String(), "hanging\nhad enough\n"; got != want {
		t.Errorf("printed %q, want %q: what came before and after the interrupt", got, want)
	}
	await(t, "context", r.cancelled)
	out.Reset()
	must(t, c.Exec(t.Context(), "show version", &out, cli.Options{}))
	if out.String() != "vpphost test\n" {
		t.Errorf("next command printed %q", out.String())
	}
}

// TestStreaming sees output before the command ends.
func TestStreaming(t *testing.T) {
	s, r := startServer(t)
	c := dialTest(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	go func() {
		bufio.NewReader(pr).ReadString('\n')
		cancel()
		io.Copy(io.Discard, pr)
	}()
	if err := c.Exec(ctx, "hang", pw, cli.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	await(t, "context", r.cancelled)
}

func TestHangUpCancels(t *testing.T) {
	s, r := startServer(t)
	for _, kind := range []string{clientName, "vppctl", "xterm"} {
		conn, in := rawDial(t, s)
		conn.Write(answerTTYPE(kind))
		if kind == clientName {
			readEvents(t, in, 'H')
			must(t, writeJSON(conn, frameLine, lineFrame{Line: "hang"}))
		} else {
			io.WriteString(conn, "hang\r\n")
		}
		await(t, kind+" to run", r.started)
		conn.Close()
		await(t, kind+"'s context", r.cancelled)
	}
}

func TestServerCloses(t *testing.T) {
	s, r := startServer(t)
	c := dialTest(t, s)
	idle := dialTest(t, s)
	go func() {
		<-r.started
		s.Close()
	}()
	var out bytes.Buffer
	err := c.Exec(t.Context(), "hang", &out, cli.Options{})
	if err == nil {
		t.Error("no error")
	}
	await(t, "connection to end", idle.Done())
	if err := idle.Err(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := Dial(t.Context(), s.cfg.Address); !errors.Is(err, ErrNoConnection) {
		t.Errorf("dial after close: %v", err)
	}
}

// TestTerminalState carries "set terminal" from the server to the client's session.
func TestTerminalState(t *testing.T) {
	s, _ := startServer(t)
	c := dialTest(t, s)
	session := cli.NewSession("test")
	session.UpdateTerminal(func(t *cli.Terminal) {
		*t = cli.Terminal{Name: "xterm", Interactive: true, Pager: true, PagerLimit: 100, History: true, HistoryLimit: 7}
	})
	exec := func(line string) string {
		t.Helper()
		var out bytes.Buffer
		must(t, c.Exec(t.Context(), line, &out, cli.Options{Session: session}))
		return out.String()
	}
	exec("set terminal pager off")
	if session.Terminal().Pager {
		t.Error("pager is still on")
	}
	if out := exec("show terminal"); !strings.Contains(out, "xterm") || !strings.Contains(out, "Pager enabled:   no") {
		t.Errorf("show terminal printed\n%s", out)
	}
	if out := exec("history"); out != "1  set terminal pager off\n2  show terminal\n3  history\n" {
		t.Errorf("history printed %q", out)
	}
}

func TestShowCLISessions(t *testing.T) {
	s, _ := startServer(t)
	c := dialTest(t, s)
	var out bytes.Buffer
	must(t, c.Exec(t.Context(), "show cli-sessions", &out, cli.Options{}))
	if want := "ID    Name                 Flags\n1     unix-cli-local:1     iSlpa\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestManyClients has 20 clients of all kinds talk at once.
func TestManyClients(t *testing.T) {
	s, _ := startServer(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%4 == 3 {
				got, err := stockCommand(s, fmt.Sprintf("say client %d", i))
				if want := fmt.Sprintf("client %d\n", i); err != nil || got != want {
					t.Errorf("stock client: %q, %v; want %q", got, err, want)
				}
				return
			}
			c, err := Dial(t.Context(), s.cfg.Address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for j := range 50 {
				var out bytes.Buffer
				want := fmt.Sprintf("client %d line %d\n", i, j)
				if err := c.Exec(t.Context(), "say "+want, &out, cli.Options{}); err != nil || out.String() != want {
					t.Errorf("%q, %v; want %q", out.String(), err, want)
				}
				if len(c.Complete(t.Context(), "show v")) != 2 {
					t.Error("no completion")
				}
			}
		})
	}
	wg.Wait()
}

func TestTooManyClients(t *testing.T) {
	s, _ := startServer(t, func(s *Server) { s.cfg.MaxClients = 2 })
	a, _ := dialTest(t, s), dialTest(t, s)
	conn, err := net.Dial("unix", s.cfg.Address)
	must(t, err)
	got, _ := io.ReadAll(conn)
	if string(got) != "too many sessions\r\n" {
		t.Errorf("the third client got %q", got)
	}
	a.Close()
	for start := time.Now(); ; {
		if c, err := Dial(t.Context(), s.cfg.Address); err == nil {
			c.Close()
			break
		}
		if time.Since(start) > patience {
			t.Fatal("no room after a client left")
		}
	}
}

// TestSlowClient has a client that does not read. Others do not notice, and its
// command is cancelled in the end.
func TestSlowClient(t *testing.T) {
	s, r := startServer(t, func(s *Server) { s.spoolLimit, s.stallLimit = 64<<10, 50*time.Millisecond })
	for _, kind := range []string{clientName, "vppctl"} {
		conn, in := rawDial(t, s)
		conn.Write(answerTTYPE(kind))
		if kind == clientName {
			readEvents(t, in, 'H')
			must(t, writeJSON(conn, frameLine, lineFrame{Line: "flood 1000000"}))
		} else {
			io.WriteString(conn, "flood 1000000\n")
		}
		var out bytes.Buffer
		must(t, dialTest(t, s).Exec(t.Context(), "show version", &out, cli.Options{}))
		if out.String() != "vpphost test\n" {
			t.Errorf("another client got %q", out.String())
		}
		await(t, "flood to be cancelled", r.cancelled)
	}
}

// TestPausedReader does not lose output of a client that reads late, as through a
// pager: our client reads ahead, a stock one has the spool.
func TestPausedReader(t *testing.T) {
	s, _ := startServer(t, func(s *Server) { s.stallLimit = time.Millisecond })
	conn, in := rawDial(t, s)
	conn.Write(answerTTYPE("vppctl"))
	io.WriteString(conn, "flood 10000\nquit\n") // less than the spool holds
	time.Sleep(50 * time.Millisecond)
	got, err := io.ReadAll(in)
	must(t, err)
	if n := bytes.Count(got, []byte("\n")); n != 10000 {
		t.Errorf("%d lines arrived", n)
	}

	c := dialTest(t, s)
	pr, pw := io.Pipe()
	lines := make(chan int)
	go func() {
		time.Sleep(50 * time.Millisecond)
		b, _ := io.ReadAll(pr)
		lines <- bytes.Count(b, []byte("\n"))
	}()
	must(t, c.Exec(t.Context(), "flood 100000", pw, cli.Options{})) // 10 MB
	pw.Close()
	if n := <-lines; n != 100000 {
		t.Errorf("%d lines arrived", n)
	}
}

// TestPanic ends the client whose engine panics, and only it.
func TestPanic(t *testing.T) {
	s, r := startServer(t)
	s.cfg.Engine = panicEngine{r.Registry}
	bad, good := dialTest(t, s), dialTest(t, s)
	if err := bad.Exec(t.Context(), "boom", io.Discard, cli.Options{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
	must(t, good.Exec(t.Context(), "show version", io.Discard, cli.Options{}))
}

type panicEngine struct{ *cli.Registry }

func (e panicEngine) Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error {
	if line == "boom" {
		panic("boom")
	}
	return e.Registry.Exec(ctx, line, out, o)
}

// TestBadFrames ends a client that does not keep to the protocol.
func TestBadFrames(t *testing.T) {
	s, _ := startServer(t)
	for name, bytes := range map[string]string{
		"type":   "Z\x00\x00\x00\x00",
		"length": "L\xff\xff\xff\xff",
		"json":   "L\x00\x00\x00\x01{",
		"cut":    "L\x00\x00\x00\x09{",
	} {
		conn, in := rawDial(t, s)
		conn.Write(answerTTYPE(clientName))
		readEvents(t, in, 'H')
		io.WriteString(conn, bytes)
		conn.(*net.UnixConn).CloseWrite()
		if _, err := io.ReadAll(in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, dialTest(t, s).Exec(t.Context(), "show version", io.Discard, cli.Options{}))
}

// rawDial connects without a client.
func rawDial(t *testing.T, s *Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial(s.Addr().Network(), s.Addr().String())
	must(t, err)
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

// readEvents reads telnet data until a byte, and returns it.
func readEvents(t *testing.T, in *bufio.Reader, until byte) string {
	t.Helper()
	var got []byte
	for {
		ev, err := readTelnet(in)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		if ev.kind == telnetData {
			if got = append(got, ev.data); ev.data == until {
				return string(got)
			}
		}
	}
}
