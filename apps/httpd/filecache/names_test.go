package filecache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNames: what a path may mean, and what it must not reach.
func TestNames(t *testing.T) {
	c, dir := newCache(t, 1<<20, 1)
	outside := t.TempDir()
	write(t, outside, "secret", []byte("secret"))
	write(t, dir, "index.html", []byte("index"))
	write(t, dir, "sub/index.html", []byte("sub index"))
	write(t, dir, "sub/a b.txt", []byte("a b"))
	write(t, dir, "empty.txt", nil)
	write(t, dir, "bare/file", []byte("file"))
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(os.Symlink("sub/a b.txt", filepath.Join(dir, "inside")))
	must(os.Symlink("sub", filepath.Join(dir, "dirlink")))
	must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "absolute")))
	rel, err := filepath.Rel(dir, filepath.Join(outside, "secret"))
	must(err)
	must(os.Symlink(rel, filepath.Join(dir, "relative")))
	must(os.Symlink(outside, filepath.Join(dir, "out")))
	must(os.Symlink("loop", filepath.Join(dir, "loop")))
	must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	must(os.Mkdir(filepath.Join(dir, "odd"), 0o755))
	must(os.Mkdir(filepath.Join(dir, "odd/index.html"), 0o755))
	for _, tc := range []struct {
		path, body string
		err        error
	}{
		{"/", "index", nil},
		{"/index.html", "index", nil},
		{"//index.html", "index", nil},
		{"/sub/", "sub index", nil},
		{"/sub/a b.txt", "a b", nil},
		{"/inside", "a b", nil},
		{"/dirlink/", "sub index", nil},
		{"/dirlink/a b.txt", "a b", nil},
		{"/empty.txt", "", nil},
		{"/sub", "", ErrDirectory},
		{"/dirlink", "", ErrDirectory},
		{"/bare/", "", ErrForbidden},
		{"/odd/", "", ErrForbidden},
		{"/pipe", "", ErrForbidden},
		{"/absolute", "", ErrForbidden},
		{"/relative", "", ErrForbidden},
		{"/out/secret", "", ErrForbidden},
		{"/out/", "", ErrForbidden},
		{"/sub/../../" + filepath.Base(outside) + "/secret", "", ErrForbidden}, // never comes so: paths are clean
		{"/nothing", "", ErrNotFound},
		{"/nothing/", "", ErrNotFound},
		{"/nothing/at/all", "", ErrNotFound},
		{"/index.html/", "", ErrNotFound},
		{"/index.html/x", "", ErrNotFound},
		{"/loop", "", ErrNotFound},
		{"/" + strings.Repeat("x", 300), "", ErrNotFound},
		{"/" + strings.Repeat("x/", 3000), "", ErrNotFound},
		{"", "", ErrNotFound},
		{"secret", "", ErrNotFound},
	} {
		e, err := c.Open(tc.path, 0, 1000*second)
		switch {
		case !errors.Is(err, tc.err):
			t.Errorf("%.40q: %v, want %v", tc.path, err, tc.err)
		case err == nil && string(e.Body()) != tc.body:
			t.Errorf("%.40q: %q, want %q", tc.path, e.Body(), tc.body)
		}
		if err == nil {
			c.Drop(e)
		}
	}
	// A file has one entry, however it was asked for.
	for _, x := range c.List() {
		if strings.HasSuffix(x.Path, "/") || !strings.HasPrefix(x.Path, "//") && strings.Count(x.Path, "index.html") > 1 {
			t.Errorf("an entry of %q", x.Path)
		}
	}
}

// TestBeside: an encoded file goes to clients that take it, and not when it is older.
func TestBeside(t *testing.T) {
	c, dir := newCache(t, 1<<20, 1)
	write(t, dir, "a.css", []byte("plain"))
	write(t, dir, "a.css.gz", []byte("gzip"))
	write(t, dir, "a.css.br", []byte("brotli"))
	write(t, dir, "b.css", []byte("new"))
	write(t, dir, "b.css.gz", []byte("of an older one"))
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "b.css.gz"), old, old); err != nil {
		t.Fatal(err)
	}
	now := 1000 * second
	tags := map[string]bool{}
	for _, tc := range []struct {
		path   string
		accept Encoding
		body   string
		enc    string
		vary   bool
	}{
		{"/a.css", 0, "plain", "", true},
		{"/a.css", Gzip, "gzip", "gzip", true},
		{"/a.css", Gzip | Brotli, "brotli", "br", true},
		{"/b.css", Gzip, "new", "", false},
		{"/a.css.gz", Gzip, "gzip", "", false},
	} {
		e, err := c.Open(tc.path, tc.accept, now)
		if err != nil {
			t.Fatal(err)
		}
		h := string(e.Header())
		if string(e.Body()) != tc.body || strings.Contains(h, "Content-Encoding: "+tc.enc+"\r\n") != (tc.enc != "") ||
			strings.Contains(h, "Vary: Accept-Encoding\r\n") != tc.vary {
			t.Errorf("%+v: %q\n%s", tc, e.Body(), h)
		}
		if css := strings.HasPrefix(h, "Content-Type: text/css; charset=utf-8\r\n"); css == strings.HasSuffix(tc.path, ".gz") {
			t.Errorf("%+v: %s", tc, h)
		}
		if e.MediaType() != strings.TrimPrefix(strings.Split(h, "\r\n")[0], "Content-Type: ") || !strings.Contains(h, "ETag: "+e.ETag()+"\r\n") {
			t.Errorf("%+v: %q %q of\n%s", tc, e.MediaType(), e.ETag(), h)
		}
		if strings.Contains(string(e.Typed()), "Content-Type") || strings.Contains(string(e.Shared()), "Content-Encoding") {
			t.Errorf("%+v: %q %q", tc, e.Typed(), e.Shared())
		}
		if tags[e.ETag()+tc.path] {
			t.Errorf("%+v: %s again", tc, e.ETag())
		}
		tags[e.ETag()+tc.path] = true
		c.Drop(e)
	}
	// One that comes later is noticed.
	write(t, dir, "b.css.br", []byte("new br"))
	e, err := c.Open("/b.css", Brotli, now+3*second)
	if err != nil || string(e.Body()) != "new br" {
		t.Fatalf("%v, %q", err, e.Body())
	}
	c.Drop(e)
}

// TestLarge: a file that is too large is kept open, as it was when it was opened.
func TestLarge(t *testing.T) {
	c, dir := newCache(t, 128<<10, 1)
	write(t, dir, "big", bytes.Repeat([]byte("1"), 100<<10))
	e, err := c.Open("/big", 0, second)
	if err != nil || !e.OnDisk() || e.Body() != nil || e.Size() != 100<<10 {
		t.Fatalf("%v %+v", err, e)
	}
	write(t, dir, "new", bytes.Repeat([]byte("2"), 100<<10))
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "big")); err != nil {
		t.Fatal(err)
	}
	f, err := c.Open("/big", 0, 10*second)
	if err != nil || f == e {
		t.Fatalf("not noticed: %v", err)
	}
	var b [1]byte
	for want, x := range map[byte]*Entry{'1': e, '2': f} {
		if _, err := c.File(x).ReadAt(b[:], 99<<10); err != nil || b[0] != want {
			t.Fatalf("%q, %v", b[0], err)
		}
		c.Drop(x)
	}
	if s := c.Stats(); s.Open != 1 || s.Size != 0 {
		t.Fatalf("%+v", s)
	}
}
