package tap

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	if err := dpdk.Init(dpdk.Config{MemMB: 256}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const jumbo = 9216 + pkt.Headroom

var (
	hostIP = netip.MustParsePrefix("10.98.0.1/24")
	ourIP  = netip.MustParseAddr("10.98.0.2")
	ourMAC = [6]byte{2, 0xfe, 0, 0, 0, 2}
	pools  atomic.Int32
)

func newPool(t testing.TB, room int) *dpdk.Pool {
	t.Helper()
	p, err := dpdk.NewPool(fmt.Sprintf("test%d", pools.Add(1)), 4096, room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if total, avail := p.Usage(); total != avail {
			t.Errorf("%d of %d buffers came back", avail, total)
			return
		}
		p.Close()
	})
	return p
}

// host is a tap whose kernel end is in a namespace of its own.
type host struct {
	t     testing.TB
	ns    string
	d     *Device
	rx    device.RxQueue
	tx    device.TxQueue
	cache *pkt.Cache
	bufs  []*pkt.Buf
}

func open1(t testing.TB, pool *dpdk.Pool, o Options) *host {
	t.Helper()
	h := &host{t: t, ns: nettest.Namespace(t)}
	o.HostNS, o.MAC, o.HostIP4 = h.ns, ourMAC, hostIP
	var err error
	if h.d, err = Open(o, pool); err != nil {
		t.Fatal(err)
	}
	h.rx, h.tx = h.d.Rx(0), h.d.Tx(0)
	if h.cache, err = pkt.NewCache(pool); err != nil {
		t.Fatal(err)
	}
	h.bufs, _ = mem.Slice[*pkt.Buf](pkt.MaxBurst)
	t.Cleanup(func() {
		h.cache.Flush()
		if err := h.d.Close(); err != nil {
			t.Error(err)
		}
	})
	nettest.Run(t, fmt.Sprintf("ip -n %s neigh replace %s lladdr %s dev %s", h.ns, ourIP,
		net.HardwareAddr(ourMAC[:]), h.d.Options().HostIfName))
	return h
}

// next returns a copy of the next datagram that comes.
func (h *host) next(wait time.Duration) (d nettest.Datagram, ok bool) {
	for end := time.Now().Add(wait); !ok && time.Now().Before(end); {
		n := h.rx.RxBurst(h.bufs)
		for _, b := range h.bufs[:n] {
			if x, is := nettest.Parse(bytes.Clone(b.Data())); is && !ok {
				d, ok = x, true
			}
		}
		h.cache.PutN(h.bufs[:n])
	}
	return d, ok
}

func (h *host) send(to *net.UDPConn, payload []byte) {
	h.t.Helper()
	if h.cache.GetN(h.bufs[:1]) != 1 {
		h.t.Fatal("no buffer")
	}
	d := nettest.Datagram{SrcMAC: ourMAC, DstMAC: h.d.link.MAC, Src: netip.AddrPortFrom(ourIP, 7),
		Dst: netip.AddrPortFrom(hostIP.Addr(), nettest.Port(to)), Payload: payload}
	d.Build(h.bufs[0].Append(nettest.HeaderBytes + len(payload)))
	if h.tx.TxBurst(h.bufs[:1]) != 1 {
		h.t.Fatal("not sent")
	}
}

func toUs(t testing.TB, c *net.UDPConn, payload []byte) {
	t.Helper()
	if _, err := c.WriteToUDP(payload, &net.UDPAddr{IP: ourIP.AsSlice(), Port: 7}); err != nil {
		t.Fatal(err)
	}
}

func TestBothWays(t *testing.T) {
	h := open1(t, newPool(t, pkt.DefaultRoom), Options{})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	n := uint64(0)
	for size := 1; size <= 1472; size += 97 {
		p := nettest.Pattern(size, byte(size))
		toUs(t, c, p)
		d, ok := h.next(5 * time.Second)
		if !ok || !bytes.Equal(d.Payload, p) || !d.SumOK {
			t.Fatalf("%d bytes from the kernel: %v, sum %v", size, ok, d.SumOK)
		}
		h.send(c, p)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 2000)
		k, _, err := c.ReadFromUDP(buf)
		if err != nil || !bytes.Equal(buf[:k], p) {
			t.Fatalf("%d bytes to the kernel: %v", size, err)
		}
		n++
	}
	if c := h.d.Counters(); c.RxPackets < n || c.TxPackets != n || c.RxErrors+c.TxErrors != 0 {
		t.Errorf("counters %+v, want %d", c, n)
	}
}

// TestBulk: UDP segmentation and runs of packets come through uncut.
func TestBulk(t *testing.T) {
	h := open1(t, newPool(t, pkt.DefaultRoom), Options{})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range 20 {
		toUs(t, c, nettest.Pattern(20000, byte(i)))
		for range 20 {
			d, ok := h.nextOf(1000)
			if !ok {
				break
			}
			if !d.SumOK {
				t.Error("a wrong checksum")
			}
			n++
		}
	}
	if n != 400 {
		t.Errorf("%d segments of 400", n)
	}
}

// nextOf is next, one packet a burst.
func (h *host) nextOf(size int) (d nettest.Datagram, ok bool) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if h.rx.RxBurst(h.bufs[:1]) == 0 {
			continue
		}
		d, ok = nettest.Parse(bytes.Clone(h.bufs[0].Data()))
		h.cache.Put(h.bufs[0])
		if ok && len(d.Payload) == size {
			return d, true
		}
	}
	return d, false
}

func TestHostSide(t *testing.T) {
	o := Options{ID: 3, HostMAC: [6]byte{2, 1, 1, 1, 1, 1}, HostIP6: netip.MustParsePrefix("fd98::1/64"),
		HostGW: ourIP, HostGW6: netip.MustParseAddr("fd98::2"), HostMTU: 1400}
	h := open1(t, newPool(t, pkt.DefaultRoom), o)
	out := nettest.Run(t, "ip -n "+h.ns+" addr show tap3") + nettest.Run(t, "ip -n "+h.ns+" route") +
		nettest.Run(t, "ip -n "+h.ns+" -6 route")
	for _, want := range []string{"10.98.0.1/24", "fd98::1/64", "mtu 1400", "02:01:01:01:01:01", ",UP",
		"default via 10.98.0.2 dev tap3", "default via fd98::2 dev tap3"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if _, err := netdev.Find("tap3"); !errors.Is(err, netdev.ErrNoInterface) {
		t.Errorf("tap3 is in our namespace, too: %v", err)
	}
	if !h.d.Link().Up {
		t.Error("link is down")
	}
	nettest.Run(t, "ip -n "+h.ns+" link set tap3 down")
	if h.d.Link().Up {
		t.Error("link is up while the kernel's end is down")
	}
	nettest.Run(t, "ip -n "+h.ns+" link set tap3 up")
	i := h.d.Info()
	if i.MAC != ourMAC || i.Driver != "net_tap" || i.MaxMTU != 1500 || len(i.WakeFDs) != 1 || i.RxCsum || i.TxCsum || i.TSO {
		t.Errorf("info %+v", i)
	}
	want := map[string]any{"host interface": "tap3", "host namespace": h.ns, "host mac": "02:01:01:01:01:01", "host mtu": 1400}
	for _, d := range h.d.Details() {
		if v, ok := want[d.Name]; ok && v == d.Value {
			delete(want, d.Name)
		}
	}
	if len(want) != 0 {
		t.Errorf("details lack %v: %v", want, h.d.Details())
	}
	if err := h.d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := netdev.In(h.ns, func() error { _, err := netdev.Find("tap3"); return err }); !errors.Is(err, netdev.ErrNoInterface) {
		t.Errorf("the kernel's end outlives the device: %v", err)
	}
	if h.d.Link().Up {
		t.Error("a closed device is up")
	}
}

// TestJumbo: the kernel may send up to what a buffer holds; we send up to 1500.
func TestJumbo(t *testing.T) {
	h := open1(t, newPool(t, jumbo), Options{HostMTU: 9000})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	p := nettest.Pattern(8900, 1)
	toUs(t, c, p)
	d, ok := h.next(5 * time.Second)
	if !ok || !bytes.Equal(d.Payload, p) {
		t.Fatal("8900 bytes did not arrive")
	}
	h.send(c, p) // taken and dropped: the driver would refuse it for ever
	h.send(c, p[:1000])
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, _, err := c.ReadFromUDP(make([]byte, 9000)); err != nil || n != 1000 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if e := h.d.Counters().TxErrors; e != 1 {
		t.Errorf("%d drops are counted, want 1", e)
	}
}

func TestLongerThanBuffer(t *testing.T) {
	h := open1(t, newPool(t, pkt.DefaultRoom), Options{})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	nettest.Run(t, "ip -n "+h.ns+" link set tap0 mtu 9000")
	toUs(t, c, nettest.Pattern(5000, 1))
	toUs(t, c, nettest.Pattern(500, 1))
	d, ok := h.next(5 * time.Second)
	if !ok || len(d.Payload) != 500 {
		t.Errorf("%d bytes, %v", len(d.Payload), ok)
	}
	if e := h.d.Counters().RxErrors; e != 1 {
		t.Errorf("%d drops are counted, want 1", e)
	}
}

func TestWake(t *testing.T) {
	h := open1(t, newPool(t, pkt.DefaultRoom), Options{})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	for { // what the kernel says when it comes up
		if _, ok := h.next(200 * time.Millisecond); !ok {
			break
		}
	}
	for range 20 {
		sent := make(chan struct{})
		time.AfterFunc(2*time.Millisecond, func() { defer close(sent); toUs(t, c, []byte("x")) })
		if !nettest.Readable(t, h.d.Info().WakeFDs[0], 5*time.Second) {
			t.Fatal("not woken")
		}
		got := 0
		for range 8 { // polls are sparse while nothing comes
			n := h.rx.RxBurst(h.bufs)
			h.cache.PutN(h.bufs[:n])
			got += n
		}
		if got == 0 {
			t.Error("woken for nothing")
		}
		<-sent // a word of the kernel's own may have come first
	}
}

func TestTwoQueues(t *testing.T) {
	h := open1(t, newPool(t, pkt.DefaultRoom), Options{Queues: 2})
	if i := h.d.Info(); i.RxQ != 2 || i.TxQ != 2 || len(i.WakeFDs) != 2 {
		t.Fatalf("info %+v", i)
	}
	got := [2]int{}
	for range 40 {
		toUs(t, nettest.Socket(t, h.ns, hostIP.Addr()), []byte("x"))
	}
	for end := time.Now().Add(5 * time.Second); got[0]+got[1] < 40 && time.Now().Before(end); {
		for q := range 2 {
			n := h.d.Rx(q).RxBurst(h.bufs)
			for _, b := range h.bufs[:n] {
				if _, ok := nettest.Parse(b.Data()); ok {
					got[q]++
				}
			}
			h.cache.PutN(h.bufs[:n])
		}
	}
	if got[0]+got[1] != 40 {
		t.Errorf("packets by queue: %v", got)
	}
}

func TestHotplugWhilePolling(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	h := open1(t, pool, Options{})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	stop, done := make(chan bool), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
				if _, ok := h.next(10 * time.Millisecond); ok {
					n++
				}
			}
		}
	}()
	fds := nettest.FDs(t)
	for i := range 50 {
		d, err := Open(Options{ID: 7, HostNS: h.ns, HostIP4: netip.MustParsePrefix(fmt.Sprintf("10.97.%d.1/24", i))}, pool)
		if err != nil {
			t.Fatal(err)
		}
		toUs(t, c, []byte("x"))
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("start after close: %v", err)
		}
	}
	stop <- true
	if n := <-done; n == 0 {
		t.Error("no packets while devices came and went")
	}
	if n := nettest.FDs(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
}

func TestErrors(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	ns := nettest.Namespace(t)
	nettest.Run(t, "ip -n "+ns+" link add taken type veth peer name taken2")
	fds := nettest.FDs(t)
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{HostIfName: "a-name-that-is-too-long"}, "a-name-that-is-too-long"},
		{Options{HostIfName: "a,b"}, `"a,b"`},
		{Options{HostMTU: 9000}, "host mtu 9000"},
		{Options{HostMTU: 10}, "host mtu 10"},
		{Options{Queues: 17}, "17 queues"},
		{Options{HostNS: "nosuchns"}, "no network namespace nosuchns"},
		{Options{HostIP4: netip.MustParsePrefix("fd00::1/64")}, "wrong kind"},
		{Options{HostNS: ns, HostIfName: "taken"}, "taken: host interface: file already exists"},
		{Options{HostNS: ns, HostGW: netip.MustParseAddr("192.0.2.1")}, "add default route via 192.0.2.1"},
	} {
		d, err := Open(tc.o, pool)
		if err == nil {
			t.Errorf("%+v was accepted", tc.o)
			d.Close()
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v", tc.o, err)
		}
	}
	if n := nettest.FDs(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if len(dpdk.Ports()) != 0 {
		t.Errorf("ports are left: %v", dpdk.Ports())
	}
}

func TestWithoutPrivilege(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	var err error
	if nsErr := netdev.In(nettest.Namespace(t), func() error {
		// The thread alone loses its capabilities, and ends after this.
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETUID, 65534, 0, 0); e != 0 {
			return e
		}
		_, err = Open(Options{}, pool)
		return nil
	}); nsErr != nil {
		t.Fatal(nsErr)
	}
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "net_admin") {
		t.Errorf("got %v", err)
	}
}

func TestNoAllocation(t *testing.T) {
	h := open1(t, newPool(t, pkt.DefaultRoom), Options{})
	c := nettest.Socket(t, h.ns, hostIP.Addr())
	p := nettest.Pattern(100, 1)
	if n := testing.AllocsPerRun(500, func() {
		h.send(c, p)
		h.cache.PutN(h.bufs[:h.rx.RxBurst(h.bufs)])
	}); n != 0 {
		t.Errorf("%v allocations a burst", n)
	}
}

func BenchmarkEmptyPoll(b *testing.B) {
	h := open1(b, newPool(b, pkt.DefaultRoom), Options{})
	b.ReportAllocs()
	for b.Loop() {
		h.cache.PutN(h.bufs[:h.rx.RxBurst(h.bufs)])
	}
}

func BenchmarkSend(b *testing.B) {
	h := open1(b, newPool(b, pkt.DefaultRoom), Options{})
	c := nettest.Socket(b, h.ns, hostIP.Addr())
	p := nettest.Pattern(1458, 1)
	b.ReportAllocs()
	for b.Loop() {
		h.send(c, p)
	}
}
