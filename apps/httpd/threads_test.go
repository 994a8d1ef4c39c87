package httpd

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/transport"
)

// fetch is one download of a fetcher.
type fetch struct {
	path string
	head []byte // until the empty line
	body bool
	over bool // the server has sent its end
	sum  uint32
	n    int64
}

// fetcher is a client whose connections are on several threads, each on one.
type fetcher struct {
	session.NopApp
	list   []fetch // by Opaque
	ended  atomic.Int64
	failed atomic.Int64
	begun  atomic.Int64
	why    atomic.Pointer[error]
}

func (f *fetcher) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	if err != nil {
		f.failed.Add(1)
		f.why.Store(&err)
		f.ended.Add(1)
		return
	}
	s.Opaque = opaque
	w.Tx(s).Write([]byte("GET " + f.list[opaque].path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
	w.Send(s)
}

func (f *fetcher) Readable(w *session.Worker, s *session.Session) {
	x := &f.list[s.Opaque]
	rx := w.Rx(s)
	for rx.Len() > 0 {
		b := rx.PeekAt(0, rx.Len())
		n := len(b)
		if !x.body {
			x.head = append(x.head, b...)
			b = nil
			if i := bytes.Index(x.head, []byte("\r\n\r\n")); i >= 0 {
				x.body = true
				b = x.head[i+4:]
				f.begun.Add(1)
			}
		}
		x.sum = crc32.Update(x.sum, crc32.IEEETable, b)
		x.n += int64(len(b))
		rx.Drop(n)
	}
	w.Dropped(s)
}

func (f *fetcher) Closed(w *session.Worker, s *session.Session) {
	f.Readable(w, s)
	f.list[s.Opaque].over = true
	w.Close(s)
}

func (f *fetcher) Gone(_ *session.Worker, s *session.Session, why error) {
	// With a TIME-WAIT as short as here a lost last ACK is answered with a reset.
	if why != nil && !f.list[s.Opaque].over {
		f.failed.Add(1)
		f.why.Store(&why)
	}
	f.ended.Add(1)
}

// TestThreads has workers that are threads serve small and large files over a wire that
// loses frames, while files change, the cache is too small, and listeners come and go; and
// ends the server in the middle of it. For the race detector.
func TestThreads(t *testing.T) {
	for _, n := range [][2]int{{1, 2}, {2, 1}, {1, 4}} {
		if testing.Short() && n[1] != 2 {
			continue
		}
		t.Run(fmt.Sprintf("%d-%d", n[0], n[1]), func(t *testing.T) {
			must := func(err error) {
				if err != nil {
					t.Helper()
					t.Fatal(err)
				}
			}
			w := simtest.NewThreads(7)
			quick := func(c *tcp.Config) { c.TimeWait = 100 * time.Millisecond }
			o := simtest.Options{Buffers: 8192, Trust: true, TCP: quick, RxFIFO: 64 << 10, TxFIFO: 64 << 10, Workers: n[0]}
			cln, err := w.NewHost("client", o)
			must(err)
			o.Workers = n[1]
			srv, err := w.NewHost("server", o)
			must(err)
			link := sim.Link{Loss: 0.002}
			_, err = w.Connect(cln, srv, [2]sim.Link{link, link}, simtest.WireOptions{})
			must(err)
			engine, err := http.New(srv.Sessions, http.Config{})
			must(err)
			must(w.Start())

			dir := t.TempDir()
			sums := map[string]uint32{}
			var paths []string
			for i, size := range []int{10, 3000, 20000, 50000, 60000, 40000, 300000, 700000} {
				b := bytes.Repeat([]byte{byte('a' + i), byte(i)}, size/2)
				name := fmt.Sprintf("/f%d", i)
				must(os.WriteFile(filepath.Join(dir, name), b, 0o644))
				sums[name] = crc32.ChecksumIEEE(b)
				paths = append(paths, name)
			}
			reg := cli.NewRegistry()
			static := NewStatic(Config{Engine: engine, Sessions: srv.Sessions, Registry: reg})
			must(reg.Add(static.commands()...))
			run := func(line string) error {
				return reg.Exec(context.Background(), line, &strings.Builder{}, cli.Options{})
			}
			const start = "http static server cache-size 128k fifo-size 32k www-root "
			must(run(start + dir))

			const fetches = 300
			download := func() *fetcher {
				f := &fetcher{list: make([]fetch, fetches)}
				a, err := cln.Attach("fetcher", f)
				must(err)
				for i := range f.list {
					f.list[i].path = paths[(i*7+i/8)%len(paths)]
					must(a.Connect(transport.TCP, transport.Endpoint{Addr: netip.AddrPortFrom(simtest.Addr4(1, 2), 80)}, uint64(i)))
				}
				return f
			}
			wait := func(f *fetcher, until func() bool) {
				t.Helper()
				for end := time.Now().Add(60 * time.Second); !until(); time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d of %d ended", f.ended.Load(), fetches)
					}
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			disturbed := make(chan struct{})
			go func() {
				defer close(disturbed)
				for k := 0; ctx.Err() == nil; k++ {
					lines := []string{"show http static server cache sessions listeners verbose", "clear http static cache",
						"http static listener add uri http://0.0.0.0:81 www-root " + dir, "http static listener del uri http://0.0.0.0:81"}
					if err := run(lines[k%len(lines)]); err != nil {
						t.Error(err)
					}
					now := time.Now()
					_ = os.Chtimes(filepath.Join(dir, paths[k%len(paths)]), now, now)
					time.Sleep(2 * time.Millisecond)
				}
			}()
			f := download()
			wait(f, func() bool { return f.ended.Load() == fetches })
			cancel()
			<-disturbed
			if f.failed.Load() != 0 {
				t.Errorf("%d failed: %v", f.failed.Load(), *f.why.Load())
			}
			for i := range f.list {
				if x := &f.list[i]; x.sum != sums[x.path] {
					t.Errorf("%s: %d bytes, wrong ones: %.60q", x.path, x.n, x.head)
				}
			}
			// In the middle of everything.
			f = download()
			wait(f, func() bool { return f.begun.Load() > fetches/4 })
			must(run("http static server disable"))
			must(run(start + dir))
			wait(f, func() bool { return f.ended.Load() == fetches })
			must(run("http static server disable"))
			time.Sleep(300 * time.Millisecond) // the engine's timer runs out
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			engine.Close()
		})
	}
}
