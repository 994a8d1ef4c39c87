package sock

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
)

// stockCommand does what the stock vppctl does with a command on its command line.
func stockCommand(s *Server, command string) (string, error) {
	conn, err := net.Dial("unix", s.cfg.Address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	// It reads 100 bytes and answers the options in them.
	first := make([]byte, 100)
	n, err := conn.Read(first)
	if err != nil || !bytes.Equal(first[:n], greeting) {
		return "", errors.Join(err, errors.New("the greeting did not come in one piece"))
	}
	conn.Write(answerTTYPE("vppctl"))
	io.WriteString(conn, command+"\n\x00") // it sends the end of the C string as well
	in := bufio.NewReader(conn)
	out, err := in.ReadString(0)
	if err != nil {
		return "", err
	}
	io.WriteString(conn, "quit\n")
	rest, err := io.ReadAll(in)
	return strings.ReplaceAll(out+string(rest), "\x00", ""), err
}

func TestStockCommand(t *testing.T) {
	s, _ := startServer(t)
	for _, tc := range []struct{ line, out string }{
		{"show version", "vpphost test\n"},
		{"nothing", ""},
		{"fail", "fail: no such thing\n"},
		{"bogus", "unknown input `bogus'\n"},
		{"history", "history: invalid for non-interactive sessions\n"},
		{"quit", ""},
	} {
		got, err := stockCommand(s, tc.line)
		if tc.line == "quit" {
			if err != io.EOF { // the session is over before there is anything to acknowledge
				t.Errorf("quit: %v", err)
			}
			continue
		}
		if err != nil || got != tc.out {
			t.Errorf("%s: got %q, %v; want %q", tc.line, got, err, tc.out)
		}
	}
}

// TestStockPipe sends lines as the stock vppctl forwards a pipe: in pieces of 100
// bytes, without regard to their ends, and without an end at the end.
func TestStockPipe(t *testing.T) {
	s, _ := startServer(t)
	conn, in := rawDial(t, s)
	conn.Write(answerTTYPE("vppctl"))
	var input, want string
	for i := range 40 {
		line := strings.Repeat(string(rune('a'+i%26)), i)
		input += "say " + line + "\n"
		want += line + "\n\x00"
	}
	input += "show version"
	want += "vpphost test\n\x00"
	for b := []byte(input); len(b) > 0; {
		n := min(len(b), 100)
		conn.Write(b[:n])
		b = b[n:]
	}
	got := make([]byte, 0, len(want))
	for len(got) < len(want) {
		ev, err := readTelnet(in)
		must(t, err)
		if ev.kind == telnetData {
			got = append(got, ev.data)
		}
	}
	if string(got) != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	io.WriteString(conn, "quit\n")
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("after quit: %q, %v", rest, err)
	}
}

// TestLongLine refuses a line without an end and goes on with the next.
func TestLongLine(t *testing.T) {
	s, _ := startServer(t)
	conn, in := rawDial(t, s)
	conn.Write(answerTTYPE("vppctl"))
	go io.WriteString(conn, strings.Repeat("x", 10*maxLine)+"\nshow version\n")
	if got := readEvents(t, in, 0); got != "line is longer than 65536 bytes\n\x00" {
		t.Errorf("got %q", got)
	}
	if got := readEvents(t, in, 0); got != "vpphost test\n\x00" {
		t.Errorf("got %q", got)
	}
}

// TestNetcat has no telnet at the other end, and an end of input.
func TestNetcat(t *testing.T) {
	s, _ := startServer(t)
	conn, in := rawDial(t, s)
	io.WriteString(conn, "show version\nfail\nshow vir")
	conn.(*net.UnixConn).CloseWrite()
	var got []byte
	for {
		ev, err := readTelnet(in)
		if err == io.EOF {
			break
		}
		must(t, err)
		if ev.kind == telnetData {
			got = append(got, ev.data)
		}
	}
	if want := "vpp# vpphost test\nvpp# fail: no such thing\nvpp# none\nvpp# "; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTelnet is a person with telnet, who does not speak before being asked.
func TestTelnet(t *testing.T) {
	s, r := startServer(t)
	conn, in := rawDial(t, s)
	conn.Write([]byte{iac, do, optSGA, iac, will, optTTYPE, iac, dont, optEcho})
	conn.Write(answerTTYPE("xterm-256color"))
	conn.Write([]byte{iac, sb, optNAWS, 0, 100, 0, 40, iac, se})
	if got := readEvents(t, in, '#'); got != "BANNER\r\nvpp#" {
		t.Errorf("greeted with %q", got)
	}
	expect := func(send, want string) {
		t.Helper()
		io.WriteString(conn, send)
		var got []byte
		for !strings.HasSuffix(string(got), want) {
			ev, err := readTelnet(in)
			if err != nil {
				t.Fatalf("sent %q, got %q, want %q: %v", send, got, want, err)
			}
			if ev.kind == telnetData {
				got = append(got, ev.data)
			}
		}
	}
	expect("size\r\x00", "100x40\r\nvpp# ")                              // CR NUL, as telnet sends Enter
	expect("say hi\r\n", "hi\r\nvpp# ")                                  // CR LF
	expect("sh\t", "show ")                                              // the rest of the word
	expect("v\t", "  version                      Show the version\r\n"+ // the candidates
		"  virtio                       Show virtio\r\nvpp# show v")
	expect("e\t\n", "vpphost test\r\nvpp# ")
	expect("\x1b[A\r", "vpphost test\r\nvpp# ")   // Up
	expect("nonsense\x03say ok\r", "ok\r\nvpp# ") // ^C clears the line
	expect("\xff\xf6", "\r\nvpphost\r\n")         // are you there
	expect("hang\r", "hanging\r\n")
	await(t, "hang", r.started)
	expect("typed ahead\x03", "interrupted\r\nvpp# ")
	await(t, "context", r.cancelled)
	expect("hang\r", "hanging\r\n")
	await(t, "hang", r.started)
	expect("\xff\xf4", "interrupted\r\nvpp# ") // interrupt process
	await(t, "context", r.cancelled)
	conn.Write([]byte{iac, sb, optNAWS, 0, 0, 0, 0, iac, se}) // unknown size
	expect("size\r", "80x24\r\nvpp# ")
	expect("history\r", "size\r\n7  history\r\nvpp# ")
	io.WriteString(conn, "\x04") // ^D
	if _, err := io.ReadAll(in); err != nil {
		t.Errorf("after ^D: %v", err)
	}
}

// TestTelnetQuiet never tells its terminal type and is served after a while.
func TestTelnetQuiet(t *testing.T) {
	s, _ := startServer(t)
	conn, in := rawDial(t, s)
	conn.Write([]byte{iac, wont, optTTYPE})
	readEvents(t, in, '#')
	io.WriteString(conn, "quit\r\n")
	if _, err := io.ReadAll(in); err != nil {
		t.Errorf("after quit: %v", err)
	}
}

// TestEndlessEscape fills the line editor's buffer with one escape sequence.
func TestEndlessEscape(t *testing.T) {
	s, _ := startServer(t)
	conn, in := rawDial(t, s)
	conn.Write(answerTTYPE("xterm"))
	readEvents(t, in, '#')
	io.WriteString(conn, "\x1b["+strings.Repeat("1", 1000))
	io.ReadAll(in) // the session ends
}

// TestTCP serves on loopback.
func TestTCP(t *testing.T) {
	s, _ := startServer(t, func(s *Server) { s.cfg.Address = "127.0.0.1:0" })
	c, err := Dial(t.Context(), s.Addr().String())
	must(t, err)
	defer c.Close()
	var out bytes.Buffer
	must(t, c.Exec(t.Context(), "show version", &out, cli.Options{}))
	if out.String() != "vpphost test\n" {
		t.Errorf("got %q", out.String())
	}
}

// vppServer answers as VPP's server does: a terminal type it does not know makes a
// person of the client, "vppctl" a program.
func vppServer(t *testing.T) (address string, lines <-chan string) {
	t.Helper()
	address = filepath.Join(t.TempDir(), "vpp.sock")
	l, err := Listen(address)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	seen := make(chan string, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Write(greeting)
				in := bufio.NewReader(conn)
				for {
					ev, err := readTelnet(in)
					if err != nil {
						return
					}
					if ev.kind == telnetTTYPE {
						if ev.text != "vppctl" {
							io.WriteString(conn, "\r    _______    _        _   _____  ___\r\nvpp# ")
						}
						continue
					}
					in.UnreadByte()
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					seen <- line
					if line != "hang\n" {
						io.WriteString(conn, "did "+line+"\x00")
					}
				}
			}()
		}
	}()
	return address, seen
}

// TestStockServer has our client talk to VPP.
func TestStockServer(t *testing.T) {
	address, lines := vppServer(t)
	c, err := Dial(t.Context(), address)
	must(t, err)
	defer c.Close()
	exec := func(ctx context.Context, line string) (string, error) {
		var out bytes.Buffer
		err := c.Exec(ctx, line, &out, cli.Options{})
		return out.String(), err
	}
	for range 2 {
		if got, err := exec(t.Context(), "show version"); err != nil || got != "did show version\n" {
			t.Errorf("got %q, %v", got, err)
		}
		<-lines
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-lines
			cancel()
		}()
		if _, err := exec(ctx, "hang"); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
	if words := c.Complete(t.Context(), "sh"); words != nil {
		t.Errorf("completion %v", words)
	}
	if _, err := exec(t.Context(), " quit"); !errors.Is(err, cli.ErrQuit) {
		t.Errorf("quit: %v", err)
	}
}

// TestLineMode does not greet. Our client says by itself what it is.
func TestLineMode(t *testing.T) {
	s, _ := startServer(t, func(s *Server) { s.cfg.LineMode = true })
	conn, _ := rawDial(t, s)
	io.WriteString(conn, "show version\nquit\n")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "vpp# vpphost test\nvpp# " {
		t.Errorf("got %q, %v", got, err)
	}
	var out bytes.Buffer
	must(t, dialTest(t, s).Exec(t.Context(), "show version", &out, cli.Options{}))
	if out.String() != "vpphost test\n" {
		t.Errorf("got %q", out.String())
	}
}

// TestGarbage throws random bytes at a server, behind every kind of greeting.
func TestGarbage(t *testing.T) {
	s, _ := startServer(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		conn, in := rawDial(t, s)
		if kind := []string{"", clientName, "vppctl", "xterm"}[i%4]; kind != "" {
			conn.Write(answerTTYPE(kind))
		}
		go io.Copy(io.Discard, in)
		b := make([]byte, 2000)
		for i := range b {
			b[i] = byte(random.Uint32())
			if random.IntN(4) == 0 {
				b[i] = iac
			}
		}
		conn.Write(b)
		conn.Close()
	}
	must(t, dialTest(t, s).Exec(t.Context(), "show version", io.Discard, cli.Options{}))
}
