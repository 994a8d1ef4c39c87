package netconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"vpphost/hoststack/netconn"
)

// TestDeadlines: in the future, moved, taken back; and of Accept.
func TestDeadlines(t *testing.T) {
	l := newLab(t, options{})
	ln := l.listen(":0")
	c, s := l.pair(ln)
	buf := make([]byte, 8)
	begin := time.Now()
	c.SetReadDeadline(begin.Add(20 * time.Millisecond))
	go func() {
		time.Sleep(5 * time.Millisecond)
		c.SetReadDeadline(begin.Add(60 * time.Millisecond)) // later, while it is waiting
	}()
	_, err := c.Read(buf)
	if d := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || d < 55*time.Millisecond {
		t.Errorf("%v after %v", err, d)
	}
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("again: %v", err)
	}
	s.Write([]byte("hello"))
	time.Sleep(10 * time.Millisecond)
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with data: %v", err) // as in package net
	}
	c.SetReadDeadline(time.Time{})
	if n, err := c.Read(buf); n != 5 || err != nil {
		t.Error(n, err)
	}
	ln.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("accept: %v", err)
	}
	ln.SetDeadline(time.Time{})
	x, y := l.pair(ln)
	for _, k := range []*netconn.Conn{c, s, x, y} {
		k.Close()
	}
	if err := c.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestDialErrors: what package net would say.
func TestDialErrors(t *testing.T) {
	l := newLab(t, options{})
	ln := l.listen(":0")
	for _, k := range []struct {
		network, address string
		want             error
	}{
		{"tcp", simAddr(l, 9), syscall.ECONNREFUSED},
		{"tcp", "192.0.2.1:80", syscall.EHOSTUNREACH},
		{"tcp", "10.0.1.2:0", syscall.EINVAL},
		{"unix", "10.0.1.2:80", net.UnknownNetworkError("unix")},
	} {
		_, err := l.cln.Dial(k.network, k.address)
		var op *net.OpError
		if !errors.Is(err, k.want) || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("%s: %v, want %v", k.address, err, k.want)
		}
	}
	for _, k := range [][2]string{{"tcp", "example.org:80"}, {"tcp", "10.0.1.2"}, {"tcp6", "10.0.1.2:80"}, {"tcp", "10.0.1.2:port"}} {
		if _, err := l.cln.Dial(k[0], k[1]); err == nil {
			t.Errorf("%v: no error", k)
		}
	}
	if _, err := l.srv.Listen("tcp4", ln.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listen twice: %v", err)
	}
	ln.Close()
	if _, err := l.cln.Dial("tcp", l.to(ln)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after Close: %v", err)
	}

	// A peer that does not answer: the context ends it, and nothing is left.
	begin := time.Now()
	d := netconn.Dialer{Net: l.cln, Timeout: 50 * time.Millisecond}
	_, err := d.Dial("tcp", "10.0.1.77:80")
	if e, ok := err.(net.Error); !ok || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := l.cln.DialContext(ctx, "tcp", "10.0.1.78:80"); !errors.Is(err, context.Canceled) && !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("cancel: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func simAddr(l *lab, port uint16) string { return net.JoinHostPort(l.addr.String(), "9") }

// TestAddrs: both ends agree who they are, over IPv4 and IPv6, and a wildcard takes both.
func TestAddrs(t *testing.T) {
	l := newLab(t, options{})
	ln, err := l.srv.Listen("tcp", ":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ln.Addr().String() != "[::]:8080" || ln.Addr().Network() != "tcp" {
		t.Error(ln.Addr())
	}
	for _, a := range []string{l.addr.String(), l.addr6.String()} {
		c, err := l.cln.Dial("tcp", net.JoinHostPort(a, "8080"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if c.LocalAddr().String() != s.RemoteAddr().String() || c.RemoteAddr().String() != s.LocalAddr().String() {
			t.Errorf("%v-%v, %v-%v", c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
		}
		if tcp, ok := s.LocalAddr().(*net.TCPAddr); !ok || tcp.Port != 8080 {
			t.Error(s.LocalAddr())
		}
		c.Close()
		s.Close()
	}
}

// TestBacklog: connections beyond the backlog are reset and counted, the others wait.
func TestBacklog(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		o.cfg.Backlog = 4
		o.workers[1] = 0
		if o.local {
			o.workers[0] = 0
		}
		l := newLab(t, o)
		ln := l.listen(":0")
		var open []net.Conn
		for range 12 {
			if c, err := l.cln.Dial("tcp", l.to(ln)); err == nil {
				open = append(open, c)
			}
		}
		for end := time.Now().Add(5 * time.Second); l.srv.Stats().BacklogFull < 8 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if s := l.srv.Stats(); s.BacklogFull != 8 {
			t.Errorf("%+v", s)
		}
		for range 4 {
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		c, s := l.pair(ln) // there is room again
		for _, c := range append(open, c, s) {
			c.Close()
		}

		// Those that wait when the listener closes are reset.
		late, err := l.cln.Dial("tcp", l.to(ln))
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		late.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := late.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
		late.Close()
	})
}

// TestMany has many connections talk at the same time.
func TestMany(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		conns := 2000
		if testing.Short() {
			conns = 200
		}
		l := newLab(t, o)
		ln := l.listen(":0")
		go serve(ln, echo)
		var wg sync.WaitGroup
		limit := make(chan struct{}, 500)
		for i := range conns {
			wg.Add(1)
			limit <- struct{}{}
			go func() {
				defer func() { <-limit; wg.Done() }()
				c, err := l.cln.Dial("tcp", l.to(ln))
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				text := bytes.Repeat([]byte{byte(i)}, 1+i)
				buf := make([]byte, len(text))
				for range 3 {
					if _, err := c.Write(text); err != nil {
						t.Error(err)
						return
					}
					if _, err := io.ReadFull(c, buf); err != nil || !bytes.Equal(buf, text) {
						t.Errorf("%d: %v", i, err)
						return
					}
				}
			}()
		}
		wg.Wait()
		ln.Close()
	})
}

// TestDetach: when the application is detached, all calls end with an error.
func TestDetach(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		c, s := l.pair(ln)
		full, rest := l.pair(ln)
		rest.Write([]byte("unread"))
		idle, _ := l.cln.Dial("tcp", l.to(ln)) // not accepted
		results := make(chan error, 4)
		go func() { _, err := s.Read(make([]byte, 1)); results <- err }()
		go func() {
			_, err := rest.Write(make([]byte, 16<<20))
			results <- err
		}()
		ln2, err := l.srv.Listen("tcp4", ":0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, err := ln2.Accept(); results <- err }()
		time.Sleep(20 * time.Millisecond)
		for i, h := range l.w.Hosts {
			if i == 1 || o.local {
				if err := h.Sessions.Disable(); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		for range 3 {
			select {
			case err := <-results:
				if err == nil {
					t.Error("no error")
				}
			case <-time.After(5 * time.Second):
				t.Fatal("a call goes on")
			}
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write: %v", err)
		}
		if _, err := full.Read(make([]byte, 1)); o.local && !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read: %v", err)
		}
		if _, err := l.srv.Listen("tcp4", ":0"); err == nil {
			t.Error("listening goes on")
		}
		if _, err := l.srv.Dial("tcp", l.to(ln)); err == nil {
			t.Error("dialing goes on")
		}
		if !o.local {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the peer: %v", err)
			}
		}
		for _, x := range []net.Conn{c, s, full, rest, idle} {
			if x != nil {
				x.Close()
			}
		}
		for _, h := range l.w.Hosts {
			_ = h.Sessions.Enable() // for the lab's own questions
		}
	})
}

// TestConcurrentClose closes while everything else is under way.
func TestConcurrentClose(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		for k := range 30 {
			c, s := l.pair(ln)
			var wg sync.WaitGroup
			for _, x := range []*netconn.Conn{c, s} {
				wg.Add(4)
				go func() { defer wg.Done(); io.Copy(io.Discard, struct{ io.Reader }{x}) }()
				go func() {
					defer wg.Done()
					for b := make([]byte, 10000); ; {
						if _, err := x.Write(b); err != nil {
							return
						}
					}
				}()
				go func() { defer wg.Done(); time.Sleep(time.Duration(k) * 100 * time.Microsecond); x.CloseWrite() }()
				go func() {
					defer wg.Done()
					time.Sleep(time.Duration(k) * 200 * time.Microsecond)
					if k%3 == 0 {
						x.SetLinger(0)
					}
					x.Close()
				}()
			}
			wg.Wait()
		}
	})
}
