package httpd

import (
	"sync/atomic"

	"vpphost/apps/httpd/filecache"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

// site is one listener of the static server, and what it serves: the Handler of its
// connections.
type site struct {
	http.NopHandler
	run      *staticRun
	number   int
	uri      http.URI
	options  siteOptions
	files    *filecache.Cache // nil without www-root
	handlers bool
	maxAge   int
	listener *http.Listener
	gone     atomic.Bool // it listens no more
}

var (
	allowGet   = []byte("Allow: GET, HEAD\r\n")
	allowPost  = []byte("Allow: GET, HEAD, POST\r\n")
	retryLater = []byte("Retry-After: 1\r\n")
)

// ServeHTTP answers a request, or gives it to a goroutine.
func (s *site) ServeHTTP(x *http.Exchange) {
	if s.gone.Load() {
		x.CloseAfter()
	}
	path := x.Path()
	if s.run.debug {
		s.run.desk.push(x.Worker(), errand{kind: errandLog, site: s, flags: uint32(x.Method())}, path)
	}
	if s.handlers {
		if b := builtinAt(path); b != noBuiltin {
			s.builtin(x, b)
			return
		}
	}
	switch m := x.Method(); {
	case m != http.GET && m != http.HEAD:
		x.ReplyStatus(405, allowGet)
	case s.files == nil:
		x.ReplyStatus(404, nil)
	default:
		s.file(x, path)
	}
}

// file answers with a file if the cache has it.
func (s *site) file(x *http.Exchange, path []byte) {
	w := x.Worker()
	r, now, h := s.files.Reader(w.Index), w.Now(), &s.run.shards[w.Index]
	key := filecache.Key(h.key, path)
	e := s.get(r, w, key, 0, now)
	if e != nil && e.Beside() != 0 {
		if enc := accepted(x.Head()) & e.Beside(); enc != 0 {
			r.Release(e)
			e = s.get(r, w, key, enc.Preferred(), now)
		}
	}
	if e == nil || e.OnDisk() && x.Method() == http.GET {
		if e != nil {
			r.Release(e)
		}
		s.later(x, path)
		return
	}
	status, ranges := decide(x.Head(), e, h.ranges[:0])
	s.reply(x, e, status, ranges)
}

// get finds a file in the cache, and has a goroutine look at the disk when it is time.
func (s *site) get(r *filecache.Reader, w *session.Worker, key []byte, enc filecache.Encoding, now int64) *filecache.Entry {
	e, check := r.Get(key, enc, now)
	if check && !s.run.desk.push(w, errand{kind: errandCheck, site: s, flags: uint32(enc), now: now}, key) {
		e.Unchecked()
	}
	return e
}

// accepted are the encodings that a client takes.
func accepted(h *http.RequestHead) (enc filecache.Encoding) {
	if http.AcceptsEncoding(h, "br") {
		enc |= filecache.Brotli
	}
	if http.AcceptsEncoding(h, "gzip") {
		enc |= filecache.Gzip
	}
	return enc
}

// decide evaluates the conditions and the ranges of a request for e.
func decide(h *http.RequestHead, e *filecache.Entry, dst []http.Range) (status int, r []http.Range) {
	v := http.Validators{ETag: e.ETag(), Modified: e.Modified()}
	if status := v.Precondition(h); status != 0 {
		return status, nil
	}
	r, status = v.Ranges(h, e.Size(), dst)
	return status, r
}

// reply answers with status for an entry that is held, and let go in Done.
func (s *site) reply(x *http.Exchange, e *filecache.Entry, status int, r []http.Range) {
	w := x.Worker()
	i, sv := s.run.shards[w.Index].serving.Alloc()
	if sv == nil {
		s.files.Reader(w.Index).Release(e)
		x.ReplyStatus(503, retryLater)
		return
	}
	sv.inUse, sv.e, sv.site, sv.length = true, e, uint32(s.number), e.Size()
	x.SetOpaque(uint64(i))
	switch {
	case status == 200 && e.OnDisk(): // HEAD
		x.ReplySource(200, e.Header(), e.Size(), nowhere)
	case status == 200:
		x.Reply(200, e.Header(), e.Body(), nil)
	case status == 206 && len(r) == 1:
		sv.length = r[0].Length
		b := append(x.Scratch(), e.Header()...)
		b = http.AppendContentRange(b, r[0], e.Size())
		x.Reply(206, b, e.Body()[r[0].First:r[0].First+r[0].Length], nil)
	case status == 206:
		m := http.NewMultipart(r, e.Size(), e.MediaType())
		sv.length = m.Length()
		b := append(append(x.Scratch(), m.Field()...), e.Typed()...)
		x.ReplySource(206, b, m.Length(), m.Source(e.Body(), nil))
	default:
		sv.length = 0
		s.condition(x, e, status)
	}
}

// condition answers 304, 412 or 416.
func (s *site) condition(x *http.Exchange, e *filecache.Entry, status int) {
	switch b := x.Scratch(); status {
	case 304:
		x.Reply(304, e.Shared(), nil, nil)
	case 416:
		x.ReplyStatus(416, http.AppendUnsatisfied(b, e.Size()))
	default:
		x.ReplyStatus(status, nil)
	}
}

// Done lets the file go.
func (s *site) Done(x *http.Exchange, err error) {
	i := uint32(x.Opaque())
	if i == 0 {
		return
	}
	w := x.Worker()
	p := s.run.shards[w.Index].serving
	if e := p.At(i).e; e != nil {
		s.files.Reader(w.Index).Release(e)
	}
	p.At(i).inUse = false
	p.Free(i)
}

// noBody is the Source of a body that is not sent.
type noBody struct{}

var nowhere http.Source = noBody{}

func (noBody) Fill([]byte, int64) (int, error) { return 0, http.ErrGone }
func (noBody) Release()                        {}
