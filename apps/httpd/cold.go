package httpd

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"vpphost/apps/httpd/filecache"
	"vpphost/hoststack/http"
)

// conditional are the fields that say what a client wants of a file.
var conditional = [...]string{"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"}

// later has a goroutine find the file and answer. What it must know of the request goes
// along: path, query, and a head with the fields that matter, each behind a NUL.
func (s *site) later(x *http.Exchange, path []byte) {
	h := x.Head()
	b := append(x.Scratch(), x.Method().String()...)
	b = append(b, " / HTTP/1.1\r\nhost:\r\n"...)
	for i := range h.NumFields() {
		name, value := h.FieldAt(i)
		if !wanted(name) {
			continue
		}
		if len(b)+len(name)+len(value)+8 > cap(b) {
			x.ReplyStatus(431, nil)
			return
		}
		b = append(append(b, name...), ':')
		b = append(append(b, value...), "\r\n"...)
	}
	b = append(b, "\r\n"...)
	e := errand{kind: errandFile, token: x.Defer(), site: s, flags: uint32(accepted(h)), now: x.Worker().Now()}
	if !s.run.desk.push(x.Worker(), e, path, nul, x.Query(), nul, b) {
		x.ReplyStatus(503, retryLater)
	}
}

var nul = []byte{0}

// wanted tells whether a field is one of conditional.
func wanted(name []byte) bool {
	for _, c := range conditional {
		if len(name) == len(c) && bytes.EqualFold(name, []byte(c)) {
			return true
		}
	}
	return false
}

// errand does what a worker has asked for.
func (r *staticRun) errand(e *errand) {
	switch e.kind {
	case errandFile:
		e.site.find(e)
	case errandCheck:
		e.site.files.Check(string(e.text), filecache.Encoding(e.flags), e.now)
	case errandBuiltin:
		r.page(e)
	case errandLog:
		r.log.Info("request", "listener", e.site.number, "method", http.Method(e.flags).String(), "path", string(e.text))
	}
}

// find finds a file and answers with it.
func (s *site) find(e *errand) {
	path, rest, _ := strings.Cut(string(e.text), "\x00")
	query, text, _ := strings.Cut(rest, "\x00")
	f, err := s.files.Open(path, filecache.Encoding(e.flags), e.now)
	if err != nil {
		s.refuse(e.token, path, query, err)
		return
	}
	head, status := http.ParseRequest([]byte(text))
	var ranges []http.Range
	if status == 0 {
		status, ranges = decide(head, f, nil)
	}
	if f.OnDisk() && (status == 200 || status == 206) && head.Method() == http.GET {
		s.stream(e.token, f, status, ranges)
		return
	}
	e.token.Do(func(x *http.Exchange) {
		switch {
		case s.run.over.Load():
		case x == nil: // the client has gone
			s.files.Drop(f)
		default:
			s.files.Reader(x.Worker().Index).Take(f)
			s.reply(x, f, status, ranges)
		}
	})
}

// refuse says why there is no file.
func (s *site) refuse(t http.Token, path, query string, err error) {
	var header []byte
	status := 500
	switch {
	case errors.Is(err, filecache.ErrNotFound):
		status = 404
	case errors.Is(err, filecache.ErrForbidden):
		status = 403
	case errors.Is(err, filecache.ErrBusy):
		status, header = 503, retryLater
	case errors.Is(err, filecache.ErrDirectory):
		// One slash in front: two would name another host.
		where := (&url.URL{Path: "/" + strings.Trim(path, "/") + "/"}).EscapedPath()
		if query != "" {
			where += "?" + query
		}
		status, header = 301, http.AppendField(nil, "Location", where)
	default:
		s.run.log.Warn("http static server: cannot read a file", "path", path, "error", err)
	}
	t.Do(func(x *http.Exchange) {
		if x != nil {
			x.ReplyStatus(status, header)
		}
	})
}

// streaming is a file that a goroutine sends, and how far it has come.
type streaming struct {
	file   *os.File
	site   *site
	path   string
	length int64
	offset atomic.Int64
}

// ReadAt reads the file.
func (f *streaming) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.file.ReadAt(b, off)
	f.offset.Add(int64(n))
	return n, err
}

// send copies a part of the file, which may have become shorter.
func (f *streaming) send(w *http.Stream, r http.Range) error {
	n, err := io.Copy(w, io.NewSectionReader(f, r.First, r.Length))
	if err == nil && n < r.Length {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// stream sends a file, or parts of it, from the disk: the engine's ring has it wait for the
// client. e is handed, and dropped at the end.
func (s *site) stream(t http.Token, e *filecache.Entry, status int, r []http.Range) {
	defer s.files.Drop(e)
	f := &streaming{file: s.files.File(e), site: s, path: string(e.Path()), length: e.Size()}
	header := bytes.Clone(e.Header())
	var parts *http.Multipart
	switch {
	case status == 200:
		r = []http.Range{{Length: f.length}}
	case len(r) == 1:
		header, f.length = http.AppendContentRange(header, r[0], e.Size()), r[0].Length
	default:
		parts = http.NewMultipart(r, e.Size(), e.MediaType())
		header, f.length = append(parts.Field(), e.Typed()...), parts.Length()
	}
	s.run.streams.Store(f, nil)
	defer s.run.streams.Delete(f)
	w := t.Stream(status, header, f.length)
	var err error
	if parts != nil {
		err = parts.WriteTo(w, f)
	} else {
		err = f.send(w, r[0])
	}
	switch {
	case err == nil:
		_ = w.Close()
		return
	case !errors.Is(err, http.ErrGone):
		s.run.log.Warn("http static server: cannot read a file", "path", f.path, "error", err)
	}
	w.Abort()
}
