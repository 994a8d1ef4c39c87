package netconn_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"vpphost/cli"
	"vpphost/hoststack/netconn"
	"vpphost/hoststack/session"
)

// TestConn is what package net asks of a connection.
func TestConn(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			a, b := l.pair(ln)
			return a, b, func() { a.Close(); b.Close() }, nil
		})
	})
}

// TestTransfer sends much both ways at the same time, in pieces of all sizes.
func TestTransfer(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		c, s := l.pair(ln)
		size := 8 << 20
		if o.link.Loss > 0 {
			size = 1 << 20
		}
		var wg sync.WaitGroup
		sums := make([][2][sha256.Size]byte, 2)
		for i, x := range []*netconn.Conn{c, s} {
			wg.Add(2)
			go func() {
				defer wg.Done()
				r := rand.New(rand.NewSource(int64(i)))
				data := make([]byte, size)
				r.Read(data)
				sums[i][0] = sha256.Sum256(data)
				if i == 0 {
					for len(data) > 0 {
						n := min(1+r.Intn(1<<uint(r.Intn(19))), len(data))
						if k, err := x.Write(data[:n]); k != n || err != nil {
							t.Error(k, err)
							return
						}
						data = data[n:]
					}
				} else if n, err := x.ReadFrom(bytes.NewReader(data)); n != int64(size) || err != nil {
					t.Error(n, err)
				}
				if err := x.CloseWrite(); err != nil {
					t.Error(err)
				}
			}()
			go func() {
				defer wg.Done()
				h := sha256.New()
				if n, err := io.Copy(h, struct{ io.Reader }{x}); n != int64(size) || err != nil {
					t.Error(n, err)
				}
				h.Sum(sums[1-i][1][:0])
			}()
		}
		wg.Wait()
		for i := range sums {
			if sums[i][0] != sums[i][1] {
				t.Errorf("direction %d: other bytes came than went", i)
			}
		}
		if err := errors.Join(c.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestHalfClose closes directions in all orders; what was written always arrives.
func TestHalfClose(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		expect := func(x net.Conn, want string) {
			t.Helper()
			got, err := io.ReadAll(x)
			if string(got) != want || err != nil {
				t.Errorf("read %q, %v; want %q", got, err, want)
			}
		}
		say := func(x net.Conn, text string) {
			t.Helper()
			if _, err := io.WriteString(x, text); err != nil {
				t.Error(err)
			}
		}
		for order := range 6 {
			c, s := l.pair(ln)
			if order&1 != 0 {
				c, s = s, c
			}
			switch order / 2 {
			case 0: // one after the other
				say(c, "question")
				c.CloseWrite()
				expect(s, "question")
				say(s, "answer")
				s.CloseWrite()
				expect(c, "answer")
			case 1: // both at once, before anything is read
				say(c, "question")
				say(s, "answer")
				c.CloseWrite()
				s.CloseWrite()
				time.Sleep(5 * time.Millisecond)
				expect(s, "question")
				expect(c, "answer")
			case 2: // one closes all after it has read the end of the other
				say(c, "question")
				c.CloseWrite()
				expect(s, "question")
				say(s, "answer")
				s.Close()
				expect(c, "answer")
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("write after CloseWrite: %v", err)
			}
			c.Close()
			s.Close()
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second Close: %v", err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read after Close: %v", err)
			}
		}
	})
}

// TestCloseRead: nothing is read any more, and the peer may write as much as it likes.
func TestCloseRead(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		c, s := l.pair(l.listen(":0"))
		s.Write([]byte("unread"))
		buf := make([]byte, 6)
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Error(err)
		}
		time.AfterFunc(10*time.Millisecond, func() { c.CloseRead() }) // while it is waiting
		if n, err := c.Read(buf); n != 0 || err != io.EOF {
			t.Error(n, err)
		}
		s.SetWriteDeadline(time.Now().Add(20 * time.Second))
		if _, err := s.Write(make([]byte, 4<<20)); err != nil {
			t.Error(err)
		}
		if _, err := c.Write([]byte("still there")); err != nil {
			t.Error(err)
		}
		c.CloseWrite()
		if got, err := io.ReadAll(s); string(got) != "still there" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		s.Close()
		c.Close()
	})
}

// TestReset: SetLinger(0) resets; the other end reads what came before, and then why.
func TestReset(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		c, s := l.pair(ln)
		if _, err := c.Write([]byte("last words")); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 4)
		if _, err := io.ReadFull(s, buf); err != nil {
			t.Error(err)
		}
		c.SetLinger(0)
		c.Close()
		rest, err := io.ReadAll(s)
		if string(rest) != " words" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q, %v", rest, err)
		}
		if _, err := s.Write(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v", err)
		}
		if e := (*net.OpError)(nil); !errors.As(err, &e) || e.Op != "read" || e.Net != "tcp" {
			t.Errorf("%v", err)
		}
		s.Close()

		// Unread data at Close is a reset, too.
		c, s = l.pair(ln)
		c.Write([]byte("nobody reads this"))
		time.Sleep(20 * time.Millisecond)
		s.Close()
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
		c.Close()
	})
}

// TestCloseSends: what was written before Close arrives, also when no FIFO had room for it.
func TestCloseSends(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		o.cfg.RxFIFO, o.cfg.TxFIFO = 16<<10, 16<<10
		l := newLab(t, o)
		c, s := l.pair(l.listen(":0"))
		data := make([]byte, 100<<10)
		rand.New(rand.NewSource(1)).Read(data)
		if _, err := c.Write(data); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(s); !bytes.Equal(got, data) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		s.Close()
	})
}

// TestUnreadStays: what was unread when the session ended is read afterwards, whatever
// others have done with the memory of FIFOs since.
func TestUnreadStays(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		c, s := l.pair(ln)
		data := make([]byte, 400<<10) // more than is lent at a time
		rand.New(rand.NewSource(2)).Read(data)
		c.CloseWrite()
		io.ReadAll(s)
		if _, err := s.Write(data); err != nil {
			t.Error(err)
		}
		s.CloseWrite()
		buf := make([]byte, 1000)
		if _, err := io.ReadFull(c, buf); err != nil || !bytes.Equal(buf, data[:1000]) {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
		for range 3 {
			x, y := l.pair(ln)
			go func() { x.Write(make([]byte, 1<<20)); x.Close() }()
			io.Copy(io.Discard, y)
			y.Close()
		}
		if got, err := io.ReadAll(c); !bytes.Equal(got, data[1000:]) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		s.Close()
		c.Close()
	})
}

// TestLateAccept: who is accepted late has lost nothing that came before, and knows of an
// end that came before.
func TestLateAccept(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		c, err := l.cln.Dial("tcp", l.to(ln))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "question")
		c.(*netconn.Conn).CloseWrite()
		time.Sleep(50 * time.Millisecond)
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s.SetDeadline(time.Now().Add(5 * time.Second))
		if got, err := io.ReadAll(s); string(got) != "question" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		fmt.Fprint(s, "answer")
		s.Close()
		if got, err := io.ReadAll(c); string(got) != "answer" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()

		if o.link.Loss > 0 {
			return // it may be reset before the server's session is open
		}
		if c, err = l.cln.Dial("tcp", l.to(ln)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		c.(*netconn.Conn).SetLinger(0)
		c.Close()
		time.Sleep(50 * time.Millisecond)
		ln.SetDeadline(time.Now().Add(5 * time.Second))
		if s, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
		s.Close()
		if n := l.srv.Stats().GoneEarly; n != 1 {
			t.Errorf("%d were gone early", n)
		}
	})
}

// TestIdleHoldsNothing: connections that say nothing hold neither a FIFO nor a ring.
func TestIdleHoldsNothing(t *testing.T) {
	netconn.Sweep(20 * time.Millisecond)
	defer netconn.Sweep(5 * time.Second)
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":0")
		var all []*netconn.Conn
		buf := make([]byte, 100)
		for range 20 {
			c, s := l.pair(ln)
			all = append(all, c, s)
			c.Write(buf)
			if _, err := io.ReadFull(s, buf); err != nil {
				t.Error(err)
			}
		}
		for i := 0; i < len(all); i += 2 { // they wait for an answer that does not come
			go all[i].Read(buf)
			go all[i+1].Read(make([]byte, 10))
		}
		left := 1
		for end := time.Now().Add(5 * time.Second); left != 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			left = l.cln.Stats().Rings + l.srv.Stats().Rings
			for _, h := range l.w.Hosts {
				n, err := fifos(h.Sessions)
				if err != nil {
					t.Fatal(err)
				}
				left += n
			}
		}
		if left != 0 {
			t.Errorf("%d FIFOs and rings", left)
		}
		for i, c := range all { // and can write again
			if _, err := c.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				c.Close()
			}
		}
		for _, c := range all {
			c.Close()
		}
	})
}

// fifos is how many FIFOs there are, as "show segment-manager" tells.
func fifos(l *session.Layer) (n int, err error) {
	for _, c := range session.Commands(l) {
		if c.Path != "show segment-manager" {
			continue
		}
		r, err := c.Run(nil, cli.NewInput("verbose"))
		if err != nil {
			return 0, err
		}
		text, err := json.Marshal(r)
		if err != nil {
			return 0, err
		}
		var all struct{ Managers []session.SegmentRow }
		if err := json.Unmarshal(text, &all); err != nil {
			return 0, err
		}
		for _, m := range all.Managers {
			n += int(m.FIFOs)
		}
		return n, nil
	}
	return 0, errors.New("there is no \"show segment-manager\"")
}

// TestSlowReader: who does not read stops the writer, whose bytes then fill no more than
// the FIFOs and the ring.
func TestSlowReader(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		o.cfg.RxFIFO, o.cfg.TxFIFO = 64<<10, 64<<10
		l := newLab(t, o)
		c, s := l.pair(l.listen(":0"))
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.Write(make([]byte, 4<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n > 64<<10+64<<10+128<<10 || n < 64<<10 {
			t.Errorf("wrote %d, %v", n, err)
		}
		c.SetWriteDeadline(time.Time{})
		go func() {
			c.Write(make([]byte, 4<<20))
			c.CloseWrite()
		}()
		time.Sleep(10 * time.Millisecond)
		if got, err := io.Copy(io.Discard, s); got != int64(n+4<<20) || err != nil {
			t.Errorf("read %d, %v", got, err)
		}
		c.Close()
		s.Close()
	})
}
