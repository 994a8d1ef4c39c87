package httpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
)

// newThreads is a lab whose workers are threads on real time, for whole commands.
func newThreads(t *testing.T) (*lab, *cli.Registry) {
	t.Helper()
	l := &lab{t: t, w: simtest.NewThreads(1), threads: true}
	quick := func(c *tcp.Config) { c.TimeWait = 100 * time.Millisecond }
	l.build(simtest.Options{Workers: 2, Trust: true, Buffers: 8192, TCP: quick})
	l.must(l.w.Start())
	t.Cleanup(l.close)
	reg := cli.NewRegistry()
	l.must(reg.Add(Commands(l.client)...))
	return l, reg
}

// typed is what the user sees who types a line.
func typed(reg *cli.Registry, line string) (string, error) {
	return typedFor(context.Background(), reg, line, cli.Options{})
}

func typedFor(ctx context.Context, reg *cli.Registry, line string, o cli.Options) (string, error) {
	var b bytes.Buffer
	err := reg.Exec(ctx, line, &b, o)
	_ = cli.WriteError(&b, err, o)
	return b.String(), err
}

// steady replaces what differs between runs.
func steady(s string) string {
	var out []string
	for _, l := range strings.SplitAfter(s, "\n") {
		switch {
		case strings.HasPrefix(l, "* latency: "):
			l = "* latency: X\n"
		case strings.HasPrefix(l, "< Date: "):
			l = "< Date: X\n"
		}
		out = append(out, l)
	}
	return strings.Join(out, "")
}

func TestCommands(t *testing.T) {
	l, reg := newThreads(t)
	l.play(84, &script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\x00b"}})
	l.play(85, &script{answers: []string{"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end"}, then: "close"})
	l.play(86, &script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"}, then: "close"})
	const server = "http://10.0.1.2"
	for _, c := range []struct{ line, want string }{
		{"http client uri " + server + "/", "hello from GET\n"},
		{"http client verbose uri " + server + "/", `* latency: X
* redirect count: 0
< HTTP/1.1 200 OK
< Server: test
< Date: X
< Connection: close
< Content-Type: text/plain
< Content-Length: 14

hello from GET
`},
		{"http client post data {some text} uri " + server + "/take", "9 bytes\n"},
		{"http client put data abc uri " + server + "/take", "3 bytes\n"},
		{"http client uri " + server + ":85/", "until the end\n"},
		{"http client uri " + server + ":84/", "* binary body of 3 bytes is not shown: use save-to\n"},
		{"http client uri " + server + "/size/20", "abcdefghijklmnopqrst\n"},
		{"http client redirect uri " + server + "/go?to=/size/5", "abcde\n"},
		{"http client redirect uri " + server + "/go?to=http://10.0.1.2:85/x", "until the end\n"},
		{"http client redirect uri " + server + "/loop", "http client: error: more than 10 redirects\n"},
		{"http client redirect max-redirects 0 uri " + server + "/go?to=/x", "http client: error: more than 0 redirects\n"},
		{"http client redirect uri " + server + "/go?to=https://10.0.1.2/", "http client: error: redirected to where we cannot go: `https://10.0.1.2/': only http is supported\n"},
		{"http client uri " + server + ":86/", "http client: error: transport closed: http message ends too early\n"},
		{"http client uri " + server + ":9/", "http client: error: failed to connect: refused\n"},
		{"http client repeat 5 sessions 2 uri " + server + ":9/", "http client: error: failed to connect: refused\n"},
		{"http client uri http://10.9.9.9/", "http client: error: failed to connect: no route\n"},
		{"http client timeout .3 uri " + server + "/never", "http client: error: timeout\n"},
		{"http client max-body-size 10 uri " + server + "/size/11", "http client: error: the body is larger than max-body-size (10 bytes): use save-to\n"},
		{"http client file /nonexistent post uri " + server + "/take", "http client: open /nonexistent: no such file or directory\n"},
		{"http client uri", "http client: expected a URI after uri\n"},
		{"http client", "http client: URI not defined\n"},
		{"http cli client uri " + server + "/show/version", "hello from GET\n"},
		{"http cli client uri " + server + " query /size/3", "abc\n"},
		{"http cli client no-output uri " + server + "/show/version", ""},
		{"http cli client bogus", "http cli client: unknown input `bogus'\n"},
	} {
		got, _ := typed(reg, c.line)
		if got = steady(got); got != c.want {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", c.line, got, c.want)
		}
	}
	out, err := typed(reg, "http cli client uri "+server+"/status/404")
	if err == nil || !strings.HasSuffix(out, "http cli client: error: the server answered 404 Not Found\n") || !strings.Contains(out, "404 Not Found") {
		t.Errorf("404: %v\n%s", err, out)
	}
}

// name is one below saveDir that nobody else uses.
func name(t *testing.T) string {
	n := fmt.Sprintf("httpc-test-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() { _ = os.Remove(filepath.Join(saveDir, n)) })
	return n
}

func TestSaveTo(t *testing.T) {
	_, reg := newThreads(t)
	n := name(t)
	path := filepath.Join(saveDir, n)
	size := int64(30 << 20)
	if testing.Short() {
		size /= 10
	}
	for _, page := range []string{"size", "chunked"} {
		out, err := typed(reg, fmt.Sprintf("http client save-to %s uri http://10.0.1.2/%s/%d", n, page, size))
		if err != nil || !strings.HasPrefix(out, "< HTTP/1.1 200 OK\n< ") || !strings.HasSuffix(out, fmt.Sprintf("\n\n* %d bytes saved to file (%s)\n", size, path)) {
			t.Fatalf("%v\n%s", err, out)
		}
		h := sha256.New()
		for i := range size {
			h.Write([]byte{pattern(i)})
		}
		got, err := os.ReadFile(path)
		if sum := sha256.Sum256(got); err != nil || int64(len(got)) != size || !bytes.Equal(sum[:], h.Sum(nil)) {
			t.Fatalf("%d bytes, %v: not what was sent", len(got), err)
		}
	}
	out, err := typed(reg, "http client save-to "+n+" uri http://10.0.1.2/broken/100000")
	if err == nil || !strings.Contains(out, "bytes of the body are in "+path) {
		t.Errorf("%v\n%s", err, out)
	}
	// Nobody makes us write elsewhere by a link.
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, path); err != nil {
		t.Fatal(err)
	}
	out, err = typed(reg, "http client save-to "+n+" uri http://10.0.1.2/size/5")
	if _, serr := os.Stat(other); err == nil || !strings.Contains(out, "error: save-to: ") || !os.IsNotExist(serr) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = typed(reg, "http client save-to "+n+" uri http://10.0.1.2/size/5 | json")
	if err == nil || !strings.Contains(out, `"error"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

var rows = regexp.MustCompile(`(?m)^\d\.\d-\d\.\d +\d+ `)

func TestLoadCommand(t *testing.T) {
	_, reg := newThreads(t)
	out, err := typed(reg, "http client repeat 200 sessions 4 uri http://10.0.1.2/size/64")
	lines := strings.Split(out, "\n")
	if err != nil || lines[0] != "* Running, please wait..." || !strings.HasPrefix(lines[1], "* 200 request(s) in ") ||
		!strings.HasPrefix(lines[2], "* avg latency ") || !strings.HasSuffix(lines[3], " req/sec") || !strings.Contains(out, "* status: 2xx 200\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = typed(reg, "http client duration 1.3 report-interval sessions 2 new-connection uri http://10.0.1.2/size/64")
	if err != nil || len(rows.FindAllString(out, -1)) != 2 || !strings.Contains(out, " conn/sec\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = typedFor(context.Background(), reg, "http client duration .5 rate 100 uri http://10.0.1.2/size/64", cli.Options{JSON: true})
	var last Summary
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		last = Summary{}
		if derr := d.Decode(&last); derr != nil {
			t.Fatal(derr)
		}
	}
	if err != nil || last.Requests < 5 || last.Requests > 50 || last.Rate != 100 || last.Latency.Count != last.Requests || last.Status["2xx"] != last.Requests {
		t.Errorf("%v\n%s", err, out)
	}
	// Ctrl-C prints what there is.
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	out, err = typedFor(ctx, reg, "http client duration 60 sessions 2 uri http://10.0.1.2/size/64", cli.Options{})
	if err == nil || !strings.Contains(out, " request(s) in ") || !strings.HasSuffix(out, "http client: error: aborted\n") || strings.Contains(out, "* 0 request") {
		t.Errorf("%v\n%s", err, out)
	}
	// A silent server ends a run that has a number, after a while.
	start := time.Now()
	out, err = typed(reg, "http client repeat 3 timeout .2 uri http://10.0.1.2/never")
	if err == nil || !strings.HasSuffix(out, "http client: error: timeout\n") || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v\n%s", err, time.Since(start), out)
	}
	// While one runs there is no second.
	ctx, cancel = context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			_, _ = typedFor(ctx, reg, "http client uri http://10.0.1.2/never", cli.Options{})
		}
		close(ended)
	}()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if out, err = typed(reg, "http client timeout .1 uri http://10.0.1.2/"); err != nil && err.Error() != "http client: error: timeout" {
			break
		}
	}
	if out != "http client: failed: already running!\n" {
		t.Errorf("%v\n%s", err, out)
	}
	cancel()
	<-ended
	if out, err = typed(reg, "http client uri http://10.0.1.2/"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDisabled: when the session layer goes away in the middle the command ends.
func TestDisabled(t *testing.T) {
	l, reg := newThreads(t)
	time.AfterFunc(300*time.Millisecond, func() { _ = l.cln.Sessions.Disable() })
	start := time.Now()
	out, err := typed(reg, "http client duration 20 uri http://10.0.1.2/size/64")
	if err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v\n%s", err, time.Since(start), out)
	}
	if out, err = typed(reg, "http client uri http://10.0.1.2/"); err != nil || out != "hello from GET\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
