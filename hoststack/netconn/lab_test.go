package netconn_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/netconn"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
)

// lab is two instances on a wire, with threads and the real clock, and a Net of each. In
// a local lab both Nets are the same, of one instance.
type lab struct {
	t        testing.TB
	w        *simtest.World
	cln, srv *netconn.Net
	addr     netip.Addr // of the server
	addr6    netip.Addr
}

// options of a lab.
type options struct {
	workers [2]int // 0: 1
	local   bool   // one instance, cut through
	link    sim.Link
	offload bool
	mtu     int
	cfg     netconn.Config
}

func newLab(t testing.TB, o options) *lab {
	t.Helper()
	before := runtime.NumGoroutine()
	// Each worker keeps a P.
	procs := runtime.GOMAXPROCS(max(o.workers[0], 1) + max(o.workers[1], 1) + 2)
	t.Cleanup(func() { runtime.GOMAXPROCS(procs) })
	l := &lab{t: t, w: simtest.NewThreads(7), addr: simtest.Addr4(1, 2), addr6: simtest.Addr6(1, 2)}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	ho := simtest.Options{Buffers: 16384, Trust: true, TCP: func(c *tcp.Config) { c.TimeWait = 50 * time.Millisecond }}
	hosts := [2]*simtest.Host{}
	for i, name := range []string{"client", "server"} {
		ho.Workers = o.workers[i]
		var err error
		hosts[i], err = l.w.NewHost(name, ho)
		must(err)
	}
	_, err := l.w.Connect(hosts[0], hosts[1], [2]sim.Link{o.link, o.link},
		simtest.WireOptions{Ring: 4096, Offload: o.offload, MTU: o.mtu})
	must(err)
	must(l.w.Start())
	if o.local {
		o.cfg.Scope = session.AllScope
	}
	l.cln, err = netconn.New(hosts[0].Sessions, o.cfg)
	must(err)
	if o.local {
		l.srv, l.addr, l.addr6 = l.cln, simtest.Addr4(1, 1), simtest.Addr6(1, 1)
	} else {
		l.srv, err = netconn.New(hosts[1].Sessions, o.cfg)
		must(err)
	}
	t.Cleanup(func() {
		l.settle()
		for _, n := range []*netconn.Net{l.cln, l.srv} {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := l.w.Close(); err != nil { // sees to it that no memory is left
			t.Error(err)
		}
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before+2 {
			buf := make([]byte, 1<<16)
			t.Errorf("%d goroutines before, %d now\n%s", before, n, buf[:runtime.Stack(buf, true)])
		}
	})
	return l
}

// settle waits until no connection is left.
func (l *lab) settle() {
	l.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		a, b := l.cln.Stats(), l.srv.Stats()
		if a.Conns+b.Conns+a.Sockets+b.Sockets == 0 || l.t.Failed() {
			return
		}
		if time.Now().After(end) {
			l.t.Errorf("left: %+v, %+v", a, b)
			return
		}
	}
}

// listen listens on a port of the server.
func (l *lab) listen(address string) *netconn.Listener {
	l.t.Helper()
	ln, err := l.srv.Listen("tcp4", address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { ln.Close() })
	return ln.(*netconn.Listener)
}

// to is the server's address, for Dial.
func (l *lab) to(ln *netconn.Listener) string {
	return netip.AddrPortFrom(l.addr, uint16(ln.Addr().(*net.TCPAddr).Port)).String()
}

// pair is two ends of a new connection.
func (l *lab) pair(ln *netconn.Listener) (c, s *netconn.Conn) {
	l.t.Helper()
	x, err := l.cln.Dial("tcp", l.to(ln))
	if err != nil {
		l.t.Fatal(err)
	}
	y, err := ln.AcceptConn()
	if err != nil {
		l.t.Fatal(err)
	}
	return x.(*netconn.Conn), y
}

// serve has f called for each connection.
func serve(ln net.Listener, f func(net.Conn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go f(c)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	_, _ = io.Copy(c, c)
}

// each runs a test in all kinds of labs.
func each(t *testing.T, f func(t *testing.T, o options)) {
	for _, o := range []options{
		{},
		{workers: [2]int{2, 3}},
		{link: sim.Link{Delay: 100_000, Loss: 0.002}},
		{local: true},
		{local: true, workers: [2]int{2, 0}},
	} {
		name := fmt.Sprintf("workers%d-%d", max(o.workers[0], 1), max(o.workers[1], 1))
		switch {
		case o.local:
			name = strings.Replace(name, "workers", "local", 1)
		case o.link.Loss > 0:
			name = "loss"
		}
		t.Run(name, func(t *testing.T) { f(t, o) })
	}
}
