//go:build !race

package udp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device/afpacket"
	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/hoststack/datagram"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/transport"
)

// Here the Linux kernel is the peer, over veth in namespaces.

var (
	kernel = [2]netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd00:99::1")}
	ours   = [2]netip.Addr{netip.MustParseAddr("10.99.0.2"), netip.MustParseAddr("fd00:99::2")}
)

// lab is our stack on one end of a veth, with an echo server on port 7, and a namespace on
// the other.
type lab struct {
	t   *testing.T
	w   *simtest.World
	h   *simtest.Host
	ns  string
	app *simtest.Datagrams
	dev *afpacket.Device
}

func newLab(t *testing.T, o afpacket.Options, opts datagram.Options) *lab {
	l := &lab{t: t, ns: nettest.Namespace(t), app: &simtest.Datagrams{Echo: true}}
	mine := nettest.Namespace(t)
	run := func(format string, args ...any) { t.Helper(); nettest.Run(t, fmt.Sprintf(format, args...)) }
	run("ip -n %s link add va type veth peer name vb netns %s", mine, l.ns)
	run("ip -n %s addr add %v/24 dev vb", l.ns, kernel[0])
	run("ip -n %s addr add %v/64 dev vb nodad", l.ns, kernel[1])
	run("ip -n %s link set vb up", l.ns)
	o.Interface, o.NetNS = "va", mine
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	l.w = simtest.NewThreads(1)
	var err error
	l.h, err = l.w.NewHost("ours", simtest.Options{Trust: true, Buffers: 4096})
	must(err)
	dev, err := afpacket.Open(o, l.h.Pool)
	must(err)
	l.dev = dev
	must(l.w.Start())
	must(l.h.AttachDevice(dev, 0, netip.PrefixFrom(ours[0], 24), netip.PrefixFrom(ours[1], 64)))
	a, err := l.h.Attach("echo", l.app)
	must(err)
	for _, x := range ours {
		must(a.Listen(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(x, 7), Ext: opts}))
	}
	for _, x := range ours { // until the link is there
		for end := time.Now().Add(10 * time.Second); ; {
			if exec.Command("ip", "netns", "exec", l.ns, "ping", "-c1", "-W1", x.String()).Run() == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%v does not answer", x)
			}
		}
	}
	t.Cleanup(func() {
		if l.app.Bad != nil && !errors.Is(l.app.Bad, simtest.ErrStranger) {
			t.Error(l.app.Bad)
		}
		if err := l.w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, line := range l.h.Errors() {
				t.Log(line)
			}
		}
		_ = dev.Close()
	})
	return l
}

// dial opens a connected socket of the kernel.
func (l *lab) dial(to netip.AddrPort) *net.UDPConn {
	l.t.Helper()
	var c *net.UDPConn
	if err := netdev.In(l.ns, func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	_ = c.SetReadBuffer(4 << 20)
	return c
}

func (l *lab) exchange(c *net.UDPConn, n int) {
	l.t.Helper()
	want, got := nettest.Pattern(n, byte(n)), make([]byte, 1<<16)
	if _, err := c.Write(want); err != nil {
		l.t.Fatalf("%d bytes: %v", n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
	k, err := c.Read(got)
	if err != nil || !bytes.Equal(got[:k], want) {
		l.t.Errorf("%d bytes came back as %d, %v", n, k, err)
	}
}

var sizes = []int{0, 1, 17, 1451, 1452, 1453, 1472, 1473, 4000, 32000, 65000, 65507}

// TestKernel: datagrams of all sizes go to and fro, with the kernel as the client.
func TestKernel(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, cl := range []bool{false, true} {
			t.Run(fmt.Sprintf("plain=%v,connectionless=%v", plain, cl), func(t *testing.T) {
				l := newLab(t, afpacket.Options{NoOffload: plain}, datagram.Options{Connectionless: cl})
				for _, a := range ours {
					c := l.dial(netip.AddrPortFrom(a, 7))
					for _, n := range sizes {
						l.exchange(c, n)
					}
				}
			})
		}
	}
}

// TestKernelServes: the other way round; the kernel answers.
func TestKernelServes(t *testing.T) {
	l := newLab(t, afpacket.Options{}, datagram.Options{})
	client := &simtest.Datagrams{}
	a, err := l.h.Attach("client", client)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range kernel {
		var s *net.UDPConn
		if err := netdev.In(l.ns, func() (err error) {
			s, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(x, 9)))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		_ = s.SetReadBuffer(8 << 20)
		_ = s.SetWriteBuffer(8 << 20)
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, from, err := s.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = s.WriteToUDPAddrPort(b[:n], from)
			}
		}()
		if err := a.Connect(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(x, 9)}, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
		f := l.flow(client, i)
		for k := range 24 { // one after the other: the kernel's buffers are small
			w := l.h.Sessions.Workers()[f.Handle.Worker]
			l.do(func() { client.Start(w, f, k+1, 12, 1452, 1473, 9000, 30000, 65000, 65507) })
			l.wait("answer", func() bool { return client.Unique() == 24*i+k+1 })
		}
	}
	if client.Bad != nil {
		t.Error(client.Bad)
	}
}

func (l *lab) do(f func()) {
	l.t.Helper()
	if err := l.h.Sessions.Workers()[0].Do(simtest.On(f)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) wait(what string, f func() bool) {
	l.t.Helper()
	for end := time.Now().Add(5 * time.Second); !f(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: not in time", what)
		}
	}
}

// flow is session i of an application, when it is there.
func (l *lab) flow(a *simtest.Datagrams, i int) (f *simtest.Flow) {
	l.t.Helper()
	l.wait("session", func() bool {
		l.do(func() {
			if len(a.Peers) > i {
				f = a.Peers[i]
			}
		})
		return f != nil
	})
	return f
}

// TestKernelSegments: what the kernel leaves together (UDP_SEGMENT) comes apart, and what we
// send of one flow at once goes together.
func TestKernelSegments(t *testing.T) {
	l := newLab(t, afpacket.Options{}, datagram.Options{})
	for _, a := range ours {
		c := l.dial(netip.AddrPortFrom(a, 7))
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
		if err != nil {
			t.Fatal(err)
		}
		want := nettest.Pattern(30500, 1)
		if _, err := c.Write(want); err != nil {
			t.Fatal(err)
		}
		var all []byte
		b := make([]byte, 1<<16)
		for len(all) < len(want) {
			_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
			n, err := c.Read(b)
			if err != nil || n > 1000 {
				t.Fatalf("%d of %d bytes, then %d, %v", len(all), len(want), n, err)
			}
			all = append(all, b[:n]...)
		}
		if !bytes.Equal(all, want) {
			t.Error("not what was sent")
		}
	}
	for _, d := range l.dev.Details() {
		if strings.HasSuffix(d.Name, "x large packets") && d.Value == uint64(0) {
			t.Errorf("no %s", d.Name)
		}
	}
}

// TestKernelRefused: a port where nobody listens is refused, whoever asks.
func TestKernelRefused(t *testing.T) {
	l := newLab(t, afpacket.Options{}, datagram.Options{})
	for i := range ours {
		c := l.dial(netip.AddrPortFrom(ours[i], 8))
		if _, err := c.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the kernel hears %v", err)
		}
		client := &simtest.Datagrams{}
		a, err := l.h.Attach("client", client)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Connect(transport.UDP, transport.Endpoint{Addr: netip.AddrPortFrom(kernel[i], 8)}, 1); err != nil {
			t.Fatal(err)
		}
		f := l.flow(client, 0)
		w := l.h.Sessions.Workers()[0]
		l.do(func() { client.Start(w, f, 1, 12) })
		gone := false
		l.wait("refusal", func() bool { l.do(func() { gone = f.Gone }); return gone })
		if !errors.Is(f.Why, syscall.ECONNREFUSED) {
			t.Errorf("we hear %v", f.Why)
		}
	}
}
