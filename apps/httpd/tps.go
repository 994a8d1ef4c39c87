package httpd

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"vpphost/cli"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

const (
	tpsName        = "http_tps"
	defaultTPSURI  = "http://0.0.0.0:80"
	defaultTPSFIFO = 64 << 10
)

var (
	errTPSRunning = errors.New("http tps server already initialized...")
	errTPSOff     = errors.New("http tps server not initialized")
)

// TPS is the "http tps" server of an instance: bodies of any size, made up on the spot, and a
// sink for those that clients send.
type TPS struct {
	layer  *session.Layer
	engine *http.Engine

	mu  sync.Mutex // guards run, control path only
	run *tpsRun
}

// NewTPS makes the server, off.
func NewTPS(c Config) *TPS { return &TPS{layer: c.Sessions, engine: c.Engine} }

// tpsRun is one start of the server, and the handler of its connections.
type tpsRun struct {
	http.NopHandler
	places
	tallies []tpsTally // by worker
}

// tpsTally counts what a worker has done; others read it.
type tpsTally struct {
	requests atomic.Uint64
	asked    atomic.Uint64 // bytes of the bodies that were asked for
	received atomic.Uint64 // bytes of request bodies
	_        [40]byte
}

// start begins to serve as o says.
func (t *TPS) start(o *tpsOptions) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run != nil && t.run.srv.Attached() {
		return errTPSRunning
	}
	if t.run != nil { // somebody has detached it
		_ = t.run.srv.Close()
		t.run = nil
	}
	if err := t.layer.Enable(); err != nil {
		return err
	}
	srv, err := t.engine.NewServer(tpsName, http.ServerConfig{Name: tpsName, RxFIFO: o.fifo, TxFIFO: o.fifo})
	if err != nil {
		return err
	}
	r := &tpsRun{tallies: make([]tpsTally, len(t.layer.Workers()))}
	r.srv, r.config = srv, http.ListenConfig{Handler: r, Limits: http.Limits{Body: http.Unlimited}}
	if err := r.add(o.uri); err != nil {
		_ = srv.Close()
		return err
	}
	t.run = r
	return nil
}

// stop ends the server.
func (t *TPS) stop() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.run
	t.run = nil
	if r == nil || !r.srv.Attached() {
		return errTPSOff
	}
	return r.srv.Close()
}

func (t *TPS) running() (*tpsRun, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run == nil || !t.run.srv.Attached() {
		return nil, errTPSOff
	}
	return t.run, nil
}

var (
	allowTPS  = []byte("Allow: GET, HEAD, POST, PUT\r\n")
	tpsHeader = []byte("Content-Type: application/octet-stream\r\n")
	testFile  = []byte("/test_file_")
)

// smallBody is up to how many bytes a body is given to the engine as memory.
const smallBody = 4 << 10

// ServeHTTP answers GET /test_file_SIZE, and swallows what is sent with POST and PUT.
func (r *tpsRun) ServeHTTP(x *http.Exchange) {
	n := &r.tallies[x.Worker().Index]
	n.requests.Add(1)
	switch x.Method() {
	case http.GET, http.HEAD:
	case http.POST, http.PUT:
		if x.ContentLength() == 0 {
			x.Reply(200, nil, nil, nil)
			return
		}
		x.WantBody()
		return
	default:
		x.ReplyStatus(405, allowTPS)
		return
	}
	word, ok := bytes.CutPrefix(x.Path(), testFile)
	size, valid := sizeOf(word)
	if !ok || !valid {
		x.ReplyStatus(404, nil)
		return
	}
	header := tpsHeader
	if v, ok := x.QueryValue("test_header"); ok {
		if header, ok = testHeader(x.Scratch(), v); !ok {
			x.ReplyStatus(400, nil)
			return
		}
	}
	n.asked.Add(size)
	if size <= smallBody {
		x.Reply(200, header, madeUp[:size], nil)
		return
	}
	x.ReplySource(200, header, int64(size), generator)
}

// Body counts what a client sends, and answers at the end.
func (r *tpsRun) Body(x *http.Exchange, piece []byte, last bool) {
	r.tallies[x.Worker().Index].received.Add(uint64(len(piece)))
	if last {
		x.Reply(200, nil, nil, nil)
	}
}

// maxTestFile keeps the size of a body a number of bytes that a header can hold.
const maxTestFile = 1 << 60

// sizeOf reads a size such as 64, 10k or 1G. It does not allocate.
func sizeOf(b []byte) (n uint64, ok bool) {
	shift := 0
	if len(b) > 0 {
		switch b[len(b)-1] | 0x20 {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		case 't':
			shift = 40
		}
	}
	if shift > 0 {
		b = b[:len(b)-1]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n << shift, n <= maxTestFile>>shift
}

// maxTestHeader is how long a header a client may ask for, in bytes.
const maxTestHeader = 4 << 10

// testHeader makes the header lines of an answer to ?test_header=SIZE.
func testHeader(b, value []byte) ([]byte, bool) {
	n, ok := sizeOf(value)
	if !ok || n > maxTestHeader {
		return nil, false
	}
	b = append(append(b, tpsHeader...), "Test-Header: "...)
	for range n {
		b = append(b, 'x')
	}
	return append(b, "\r\n"...), true
}

// period is after how many bytes a made-up body repeats itself.
const period = 64

// madeUp is the beginning of every body: lines of 63 letters and digits.
var madeUp = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-\n"), (64<<10)/period+1)

// generated is the Source of made-up bodies. It has no state.
type generated struct{}

var generator http.Source = generated{}

// Fill makes up the bytes that begin at off.
func (generated) Fill(dst []byte, off int64) (int, error) {
	from := madeUp[off%period : 64<<10+off%period]
	for n := 0; n < len(dst); {
		n += copy(dst[n:], from)
	}
	return len(dst), nil
}

func (generated) Release() {}

// tpsOptions are what "http tps" says.
type tpsOptions struct {
	uri     http.URI
	fifo    uint32
	disable bool
}

func parseTPS(in *cli.Input) (*tpsOptions, error) {
	o := &tpsOptions{fifo: defaultTPSFIFO}
	uri := defaultTPSURI
	for !in.Done() {
		start := *in
		if ok, err := memoryWord(in, &o.fifo); ok || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		switch {
		case in.Match("uri"):
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after uri")
			}
		case in.Match("disable"), in.Match("stop"):
			o.disable = true
		case in.Match("debug"), in.Match("no-zc"): // bytes are always made in the FIFO
		case in.Match("h3"), in.Match("http3"):
			return nil, cli.Usagef("%s: HTTP/3 is not supported yet", cli.Quote(start.Rest()))
		default:
			return nil, in.Unknown()
		}
	}
	var err error
	o.uri, err = listenURI(uri)
	return o, err
}

// tpsShown is what "show http tps" shows.
type tpsShown struct {
	App       uint32   `json:"appIndex"`
	Listeners []string `json:"listeners"`
	Sessions  int      `json:"sessions"`
	Requests  uint64   `json:"requests"`
	Asked     uint64   `json:"bytesAskedFor"`
	Received  uint64   `json:"bytesReceived"`
	list      bool
}

func (r *tpsRun) show(list bool) *tpsShown {
	s := &tpsShown{App: r.srv.App().Index(), Listeners: r.uris(), Sessions: r.srv.Connections(), list: list}
	for i := range r.tallies {
		n := &r.tallies[i]
		s.Requests += n.requests.Load()
		s.Asked += n.asked.Load()
		s.Received += n.received.Load()
	}
	return s
}

// text writes VPP's layout: its spelling too.
func (s *tpsShown) text() string {
	if !s.list {
		return " app index: " + strconv.Itoa(int(s.App)) + "\n listeners: " + strconv.Itoa(len(s.Listeners)) +
			"\n sesions: " + strconv.Itoa(s.Sessions) + "\n"
	}
	text := cli.Left("URI", 29) + "Index\n"
	for i, u := range s.Listeners {
		text += cli.Left(u, max(30, len(u)+1)) + strconv.Itoa(i) + "\n"
	}
	return text
}
