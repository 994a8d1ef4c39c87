package http

import (
	"sync/atomic"
	"time"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/session"
	"vpphost/hoststack/transport"
)

// ClientHandler is told what happens to a client's connections, on their workers. It must
// not block.
type ClientHandler interface {
	// OnOpen: the connection is open and idle.
	OnOpen(c *Call)
	// OnHead: the head of a final response is there; those with 1xx are skipped.
	OnHead(c *Call, h *ResponseHead)
	// OnBody: content of the response, without its chunked coding.
	OnBody(c *Call, piece []byte)
	// OnDone: the response is complete, latency ns after Send. The connection is idle, and
	// may be used for another request if it is Reusable; else it is being closed.
	OnDone(c *Call, latency int64)
	// OnClose: the connection is over, or could not be opened. Last call, exactly one for
	// each Open. err is nil when no request was in flight, or when the client closed it.
	OnClose(c *Call, err error)
}

// NopClient implements ClientHandler by doing nothing.
type NopClient struct{}

func (NopClient) OnOpen(*Call)                {}
func (NopClient) OnHead(*Call, *ResponseHead) {}
func (NopClient) OnBody(*Call, []byte)        {}
func (NopClient) OnDone(*Call, int64)         {}
func (NopClient) OnClose(*Call, error)        {}

// ClientConfig is how a client is made. Zero values mean the defaults.
type ClientConfig struct {
	Handler        ClientHandler
	RxFIFO, TxFIFO uint32 // bytes
	Scope          session.Scope
	ConnectTimeout time.Duration // 0: that of the transport
	Timeout        time.Duration // of a request, from Send to OnDone; 0: none
	MaxHead        int           // bytes of a response's head; as many as there is room for, at most MaxHead
}

// Client is a session application that asks by HTTP.
type Client struct {
	session.NopApp
	e      *Engine
	number uint32
	app    *session.AppHandle
	cfg    ClientConfig
	turn   atomic.Uint32 // worker of the next OpenFrom
}

// NewClient attaches a client under the given name of an application. Control path.
func (e *Engine) NewClient(name string, c ClientConfig) (*Client, error) {
	if err := e.layer.Enable(); err != nil {
		return nil, err
	}
	if most := e.mostHead(e.fifoSize(c.RxFIFO)); c.MaxHead <= 0 || c.MaxHead > most {
		c.MaxHead = most
	}
	k := &Client{e: e, cfg: c}
	k.number = e.adopt(k)
	var err error
	k.app, err = e.layer.Attach(name, k, session.Options{Scope: c.Scope, RxFIFO: e.fifoSize(c.RxFIFO), TxFIFO: e.fifoSize(c.TxFIFO)})
	if err != nil {
		e.disown(k.number)
		return nil, err
	}
	return k, nil
}

// App is the client as a session application; Attached tells whether it still is one.
func (k *Client) App() *session.AppHandle { return k.app }
func (k *Client) Attached() bool          { return k.app.Attached() }

// Open begins to open a connection from worker w; OnOpen or OnClose follows, unless an
// error is returned. On w.
func (k *Client) Open(w *session.Worker, u URI, opaque uint64) error {
	sh := k.e.shards[w.Index]
	i, c := sh.alloc(k.number, stOpening)
	if c == nil {
		return transport.ErrNoMemory
	}
	c.opaque = opaque
	if err := w.Connect(k.app, u.Proto, u.Endpoint, uint64(sh.conns.Gen(i))<<32|uint64(i)); err != nil {
		sh.free(i, c)
		return err
	}
	d := k.cfg.ConnectTimeout
	if d <= 0 {
		d = closeWait
	}
	sh.due(i, c, d)
	return nil
}

// OpenFrom is Open on one of the workers, in turn. Control path.
func (k *Client) OpenFrom(u URI, opaque uint64) error {
	sh := k.e.shards[int(k.turn.Add(1)-1)%len(k.e.shards)]
	var err error
	if e := sh.sw.Do(func(*worker.Worker) { err = k.Open(sh.sw, u, opaque) }); e != nil {
		return e
	}
	return err
}

// Close ends the client: its connections are reset, and every OnClose has been called when
// it returns. Control path.
func (k *Client) Close() error {
	err := k.app.Detach()
	k.e.disown(k.number)
	return err
}

// Request is a request that many connections may send. It is built once.
type Request struct {
	method Method
	head   []byte
	body   []byte
	length int64
	source func() Source
}

// NewRequest builds a request for u. header are whole field lines, each with its CRLF;
// Host and Content-Length are added unless they are among them. body, which may be nil,
// must not change afterwards.
func NewRequest(m Method, u URI, header, body []byte) *Request {
	r := &Request{method: m, body: body, length: int64(len(body))}
	r.build(u, header)
	return r
}

// NewRequestSource is NewRequest with a body that a Source makes, a new one each time:
// length bytes, or -1 when that is not known, and then it is sent in chunks.
func NewRequestSource(m Method, u URI, header []byte, length int64, source func() Source) *Request {
	r := &Request{method: m, length: length, source: source}
	r.build(u, header)
	return r
}

func (r *Request) build(u URI, header []byte) {
	b := append([]byte(nil), r.method.String()...)
	b = append(b, ' ')
	b = append(b, u.Target...)
	b = append(b, " HTTP/1.1\r\n"...)
	// A template whose fields cannot be read goes out as it is: whoever wrote it wants that.
	var f fields
	f.reset(header)
	f.parse(append(header[:len(header):len(header)], "\r\n"...), 0, MaxFields, false)
	if f.host < 0 {
		b = AppendField(b, "Host", u.Host())
	}
	b = append(b, header...)
	switch {
	case f.length >= 0 || f.coding:
	case r.length < 0:
		b = append(b, chunkedField...)
	case r.length > 0 || r.method == POST || r.method == PUT || r.method == PATCH: // RFC 9110 8.6
		b = appendLength(b, r.length)
	}
	r.head = append(b, "\r\n"...)
}
