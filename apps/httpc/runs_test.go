package httpc

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

func TestRepeat(t *testing.T) {
	for _, workers := range []int{1, 3} {
		l := newLab(t, simtest.Options{Workers: workers})
		s := l.all(10000, uri(80, "/size/1000")+"repeat 1000 sessions 10")
		if s.Requests != 1000 || s.Connections != 10 || s.Status["2xx"] != 1000 || s.Failures != 0 || s.Bytes < 1000*1000 || s.Bytes > 1400*1000 {
			t.Errorf("%d workers: %v", workers, s)
		}
		// 100 requests each, one after another, of a round trip of 200 us and little more.
		if s.Seconds < .02 || s.Seconds > .03 || s.Latency.P50 < 200 || s.Latency.Max > 500 || s.Latency.Count != 1000 {
			t.Errorf("%d workers: %v", workers, s)
		}
	}
}

func TestOneRequest(t *testing.T) {
	l := newLab(t, simtest.Options{Workers: 2})
	if s := l.all(1000, uri(80, "/")+"repeat 1 sessions 5"); s.Requests != 1 || s.Connections != 1 {
		t.Error(s)
	}
}

func TestDuration(t *testing.T) {
	l := newLab(t, simtest.Options{})
	s := l.all(400, uri(80, "/chunked/3000")+"duration .3 sessions 4")
	if s.Failures != 0 || s.Seconds < .3 || s.Seconds > .301 || s.Requests < 4*1000 || s.Requests > 4*1500 {
		t.Error(s)
	}
}

// TestCutOff: what is in flight when the time is up is neither an answer nor an error.
func TestCutOff(t *testing.T) {
	l := newLab(t, simtest.Options{})
	r := l.load(uri(80, "/never") + "duration .1 sessions 3")
	r.begin()
	if l.w.RunFor(200*millisecond, r.over) {
		t.Error("over without an answer")
	}
	if s := r.finish(); s.Requests != 0 || s.Unfinished != 3 || s.Failures != 0 {
		t.Error(s)
	}
}

func TestNewConnection(t *testing.T) {
	for _, page := range []string{"/size/64", "/close/64", "/chunked/64"} {
		l := newLab(t, simtest.Options{Workers: 2})
		s := l.all(10000, uri(80, page)+"repeat 500 sessions 7 new-connection")
		if s.Requests != 500 || s.Connections != 500 || s.Failures != 0 || s.ConnPerSec < 500/s.Seconds*.99 || s.Connect.Count != 500 {
			t.Errorf("%s: %v", page, s)
		}
		// The time of a request is that of its connection too: two round trips.
		if s.Latency.P50 < 400 || s.Connect.P50 < 200 || s.Connect.P50 > 350 {
			t.Errorf("%s: %v, connect %v", page, s, s.Connect)
		}
		if n := l.pages.requests.Load(); n != 500 {
			t.Errorf("%s: the server has seen %d", page, n)
		}
	}
}

// TestServerCloses: a session opens another connection when the server ends one.
func TestServerCloses(t *testing.T) {
	l := newLab(t, simtest.Options{})
	s := l.all(10000, uri(80, "/close/100")+"repeat 50 sessions 3")
	if s.Requests != 50 || s.Failures != 0 || s.Connections < 50 || s.Connections > 53 {
		t.Error(s)
	}
	l.play(81, &script{answers: []string{"HTTP/1.0 200 OK\r\n\r\nuntil the end"}, then: "close"})
	if s = l.all(10000, uri(81, "/")+"repeat 20 sessions 2"); s.Requests != 20 || s.Failures != 0 {
		t.Error(s)
	}
}

// TestRate: an open loop sends at its rate, and not faster, whatever the number of
// sessions.
func TestRate(t *testing.T) {
	for _, line := range []string{"sessions 20", "sessions 5 new-connection"} {
		l := newLab(t, simtest.Options{Workers: 2})
		l.w.Tick = 5000
		s := l.all(1500, uri(80, "/size/64")+"rate 1000 duration .5 "+line)
		if s.Requests < 499 || s.Requests > 501 || s.Missed != 0 || s.Failures != 0 || s.Latency.P99 > 1000 {
			t.Errorf("%s: %v", line, s)
		}
	}
}

// TestOmission: a server that stalls is charged for all the requests that were due
// meanwhile, not for one a session.
func TestOmission(t *testing.T) {
	l := newLab(t, simtest.Options{})
	l.w.Tick = 5000
	stalls := func() { // the link is as good as cut for 100 ms
		l.must(l.srv.Ifaces.SetUp(l.srv.Ifaces.ByName("sim0"), false))
		l.w.At(l.w.Now()+100*millisecond, func() { l.must(l.srv.Ifaces.SetUp(l.srv.Ifaces.ByName("sim0"), true)) })
	}
	r := l.load(uri(80, "/size/64") + "rate 1000 duration 1 sessions 10")
	r.begin()
	l.w.RunFor(200*millisecond, nil)
	stalls()
	if !l.w.RunFor(5000*millisecond, r.over) {
		t.Fatal("not over")
	}
	s := r.finish()
	// Some 100 of 1000 waited, up to 100 ms and more: the worst tenth shows it. A closed
	// loop would have counted ten.
	if s.Requests < 990 || s.Failures != 0 || s.Latency.P99 < 80e3 || s.Latency.P50 > 1000 {
		t.Error(s)
	}
	// Without sessions enough, what is due is missed, and said to be.
	s = l.all(3000, uri(80, "/size/64")+"rate 100k duration .2 sessions 1")
	if s.Requests > 1100 || s.Missed < 18000 || s.Requests+s.Missed != 20000 {
		t.Error(s)
	}
}

func TestRefused(t *testing.T) {
	l := newLab(t, simtest.Options{Workers: 2})
	r := l.load(uri(9, "/") + "repeat 100 sessions 4")
	l.w.RunFor(1000*millisecond, r.settled)
	if c := r.sum(); c.opened != 0 || !r.settled() || !r.hopeless() {
		t.Errorf("%+v", c.opened)
	}
	if p := r.first.Load(); p == nil || !errors.Is(*p, transport.ErrRefused) || !strings.HasPrefix(failure(*p, true).Error(), "error: failed to connect: ") {
		t.Error(r.first.Load())
	}
	r.finish()
	r = l.load(uri(9, "/") + "duration .5 sessions 4 new-connection")
	r.begin()
	l.w.RunFor(1000*millisecond, r.over)
	s := r.finish()
	// A session that was refused rests: it does not storm the server.
	if n := s.Errors["connection refused"]; n < 8 || n > 4*6 || s.Requests != 0 {
		t.Error(s)
	}
}

func TestTimeouts(t *testing.T) {
	l := newLab(t, simtest.Options{})
	s := l.all(20000, uri(80, "/never")+"repeat 6 sessions 3 timeout .5")
	if s.Requests != 0 || s.Errors["timeout"] != 6 {
		t.Error(s)
	}
}

// TestFailures: each way of failing is counted as what it is, and the run goes on.
func TestFailures(t *testing.T) {
	l := newLab(t, simtest.Options{})
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for i, c := range []struct {
		s      script
		line   string
		reason string
	}{
		{script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"}, then: "close"}, "", "truncated"},
		{script{answers: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}, then: "close"}, "", "truncated"},
		{script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"}, then: "reset"}, "", "reset by peer"},
		{script{answers: []string{"HELLO\r\n\r\n"}}, "", "malformed"},
		{script{answers: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}}, "", "malformed"},
		{script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + strings.Repeat("x", 2000)}}, "max-body-size 1k", "too large"},
	} {
		port := 8000 + i
		l.play(uint16(port), &c.s)
		s := l.all(20000, uri(port, "/")+"repeat 6 sessions 2 "+c.line)
		if s.Requests != 0 || s.Errors[c.reason] != 6 || s.Failures != 6 {
			t.Errorf("%s: %v", c.reason, s)
		}
	}
	// After the failure comes a success, on a connection of its own.
	l.play(8100, &script{answers: []string{"HELLO\r\n\r\n", ok}})
	if s := l.all(20000, uri(8100, "/")+"repeat 10"); s.Requests != 9 || s.Errors["malformed"] != 1 || s.Connections != 2 {
		t.Error(s)
	}
	s := l.all(20000, uri(80, "/broken/100000")+"repeat 4 sessions 2")
	if s.Requests != 0 || s.Failures != 4 {
		t.Error(s)
	}
	s = l.all(20000, uri(80, "/status/404")+"repeat 4 sessions 2")
	if s.Requests != 4 || s.Failures != 0 || s.Status["4xx"] != 4 {
		t.Error(s)
	}
}

// TestClosedOnAccept: a server that ends each connection at once is not stormed.
func TestClosedOnAccept(t *testing.T) {
	for _, how := range []string{"close", "reset"} {
		l := newLab(t, simtest.Options{})
		l.play(81, &script{answers: []string{""}, greet: how})
		r := l.load(uri(81, "/") + "duration .5 sessions 2")
		r.begin()
		l.w.RunFor(1500*millisecond, r.over)
		s := r.finish()
		if s.Requests != 0 || s.Failures < 4 || s.Failures > 2*6 || s.Connections > 2*7 {
			t.Errorf("%s: %v", how, s)
		}
	}
}

// quitter answers once on a connection, and closes when the second request comes: the race
// of RFC 9112 9.3.1.
type quitter struct {
	session.NopApp
	how string
}

func (q *quitter) Readable(w *session.Worker, s *session.Session) {
	w.Rx(s).Drop(w.Rx(s).Len())
	w.Dropped(s)
	if s.Opaque++; s.Opaque == 2 {
		(&script{}).do(w, s, q.how)
		return
	}
	w.Tx(s).Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	w.Send(s)
}

func (q *quitter) Closed(w *session.Worker, s *session.Session) { w.Close(s) }

func TestRetry(t *testing.T) {
	for _, how := range []string{"close", "reset"} {
		l := newLab(t, simtest.Options{})
		a, err := l.srv.Attach("quitter", &quitter{how: how})
		l.must(err)
		l.must(a.Listen(transport.TCP, transport.Endpoint{Addr: netip.MustParseAddrPort("0.0.0.0:81")}))
		s := l.all(5000, uri(81, "/")+"repeat 10 sessions 1")
		if s.Requests != 10 || s.Failures != 0 || s.Retried != 9 || s.Connections != 10 {
			t.Errorf("%s: %v", how, s)
		}
		// A POST is not sent twice.
		s = l.all(5000, uri(81, "/")+"post data x repeat 10 sessions 1")
		if s.Requests != 5 || s.Failures != 5 || s.Retried != 0 {
			t.Errorf("%s: %v", how, s)
		}
	}
}

// TestHuge: many sessions with large bodies share a link with small FIFOs.
func TestHuge(t *testing.T) {
	l := newLab(t, simtest.Options{})
	size := 20000000
	if testing.Short() {
		size /= 10
	}
	s := l.all(60000, uri(80, fmt.Sprint("/size/", size))+"repeat 6 sessions 3 fifo-size 64k timeout 60")
	if s.Requests != 6 || s.Bytes < uint64(6*size) || s.Failures != 0 {
		t.Error(s)
	}
}

func TestPost(t *testing.T) {
	l := newLab(t, simtest.Options{})
	s := l.all(5000, uri(80, "/take")+"post data {some text} header X-Test:yes header User-Agent:me repeat 3")
	if s.Requests != 3 || s.Status["2xx"] != 3 || string(l.pages.body) != "some text" || l.pages.fields != "me yes" {
		t.Errorf("%v, %q, %q", s, l.pages.body, l.pages.fields)
	}
}

// TestManySessions: more sessions than may open at a time, and than are closed in a Step.
func TestManySessions(t *testing.T) {
	l := newLab(t, simtest.Options{Workers: 2})
	s := l.all(20000, uri(80, "/size/64")+"repeat 5000 sessions 1500")
	if s.Requests != 5000 || s.Connections != 1500 || s.Failures != 0 {
		t.Error(s)
	}
}

// TestNoAllocations: a request allocates nothing on the worker.
func TestNoAllocations(t *testing.T) {
	l := newLab(t, simtest.Options{Trust: true})
	r := l.load(uri(80, "/fast") + "repeat 1000000 sessions 20")
	r.begin()
	l.w.RunFor(20*millisecond, nil)
	before := r.sum().done
	n := testing.AllocsPerRun(20, func() { l.w.RunFor(2*millisecond, nil) })
	done := r.sum().done - before
	r.stopNow()
	l.w.RunFor(100*millisecond, r.over)
	r.finish()
	// The world itself allocates a little for every ms.
	if done < 21*100 || n > 20 {
		t.Errorf("%g allocations for %d requests", n, done/21)
	}
}

func (r *load) stopNow() {
	for _, lw := range r.workers {
		_ = lw.sw.Do(func(w *worker.Worker) { lw.pace.stop(w.Now()) })
	}
}

// fetchOf makes a fetch whose worker the test drives.
func (l *lab) fetchOf(line string) (*fetch, *options) {
	l.t.Helper()
	o, err := parseClient(cli.NewInput(line))
	l.must(err)
	f := &fetch{note: worker.NewNotifier(), timeout: 30 * time.Second, request: o.request(o.method, o.uri, []byte(o.data))}
	f.pipe, err = newPipe(o.fifo)
	l.must(err)
	f.client, err = l.client.engine.NewClient(clientName, http.ClientConfig{Handler: f, RxFIFO: o.fifo, TxFIFO: o.fifo, Scope: o.scope})
	l.must(err)
	l.t.Cleanup(func() {
		_ = f.client.Close()
		f.pipe.close()
	})
	l.must(f.client.OpenFrom(o.uri, 0))
	return f, o
}

// checker is a disk that writes slowly, and knows what should come.
type checker struct {
	n     int64
	wrong int64
	slow  time.Duration
}

func (c *checker) Write(b []byte) (int, error) {
	time.Sleep(c.slow)
	for _, x := range b {
		if x != pattern(c.n) {
			c.wrong++
		}
		c.n++
	}
	return len(b), nil
}

// TestSlowDisk: the body is whole however slow the reader is, and the pipe never
// overflows.
func TestSlowDisk(t *testing.T) {
	for _, page := range []string{"/size/30000000", "/chunked/30000000", "/close/30000000"} {
		if testing.Short() && page[1] != 's' {
			continue
		}
		l := newLab(t, simtest.Options{Trust: true})
		f, _ := l.fetchOf(uri(80, page))
		if !l.w.RunFor(1000*millisecond, func() bool { return f.stage.Load() >= fetchBody }) {
			t.Fatal("no head")
		}
		disk := &checker{slow: time.Millisecond}
		type end struct {
			n   uint64
			err error
		}
		ended := make(chan end, 1)
		go func() {
			n, err := f.body(t.Context(), disk, 0)
			ended <- end{n, err}
		}()
		var e end
		for e.n == 0 && e.err == nil {
			l.w.RunFor(millisecond, nil)
			select {
			case e = <-ended:
			default:
				time.Sleep(50 * time.Microsecond)
			}
		}
		if e.err != nil || e.n != 30e6 || disk.wrong != 0 || f.status != 200 {
			t.Errorf("%s: %d bytes, %d wrong, %v", page, e.n, disk.wrong, e.err)
		}
		if page[1] == 's' && f.length != 30e6 {
			t.Errorf("length %d", f.length)
		}
	}
}

// TestCutThrough: with local scope a server of the same instance answers, without a packet.
func TestCutThrough(t *testing.T) {
	l := newLab(t, simtest.Options{Workers: 2})
	srv, err := l.client.engine.NewServer("here", http.ServerConfig{TxFIFO: 16 << 20})
	l.must(err)
	u, err := http.ParseListen("http://0.0.0.0:8080")
	l.must(err)
	_, err = srv.Listen(u, http.ListenConfig{Handler: &pages{}})
	l.must(err)
	const there = "uri http://10.0.1.1:8080"
	s := l.all(5000, there+"/size/1000 repeat 500 sessions 5 local-scope")
	if s.Requests != 500 || s.Failures != 0 || s.Connections != 5 || s.Latency.Max > 100 {
		t.Error(s)
	}
	f, _ := l.fetchOf(there + "/size/3000000 all-scope")
	disk := &checker{}
	ended := make(chan error, 1)
	go func() {
		_, err := f.body(t.Context(), disk, 0)
		ended <- err
	}()
	for done := false; !done; {
		l.w.RunFor(millisecond, nil)
		select {
		case err := <-ended:
			if done = true; err != nil || disk.n != 3e6 || disk.wrong != 0 {
				t.Errorf("%d bytes, %d wrong, %v", disk.n, disk.wrong, err)
			}
		default:
			time.Sleep(50 * time.Microsecond)
		}
	}
	l.must(srv.Close())
}

func TestFetchFails(t *testing.T) {
	l := newLab(t, simtest.Options{})
	l.play(81, &script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"}, then: "close"})
	l.play(82, &script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"}, then: "reset"})
	l.play(83, &script{answers: []string{"what?\r\n\r\n"}})
	l.play(84, &script{answers: []string{""}, greet: "close"})
	for port, want := range map[int]string{
		9:  "error: failed to connect: ",
		81: "error: transport closed: ",
		82: "error: transport closed: ",
		83: "error: " + http.ErrMalformed.Error(),
		84: "error: transport closed: ",
	} {
		f, _ := l.fetchOf(uri(port, "/"))
		l.w.RunFor(5000*millisecond, func() bool { return f.stage.Load() == fetchFailed })
		if f.stage.Load() != fetchFailed || !strings.HasPrefix(f.err.Error(), want) {
			t.Errorf("port %d: stage %d, %v, want %s", port, f.stage.Load(), f.err, want)
		}
	}
}
