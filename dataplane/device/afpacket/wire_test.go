package afpacket

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
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

// wire is a veth between two namespaces: "va" in ours, "vb" with an address in the
// kernel's.
type wire struct {
	t      testing.TB
	ns     string // where va is
	kernel string // where vb is
	vb     *netdev.Link
}

var (
	kernelIP = netip.MustParseAddr("10.99.0.1")
	ourIP    = netip.MustParseAddr("10.99.0.2")
	ourMAC   = [6]byte{2, 0xfe, 0, 0, 0, 2}
)

func newWire(t testing.TB, mtu int) *wire {
	t.Helper()
	w := &wire{t: t, ns: nettest.Namespace(t), kernel: nettest.Namespace(t)}
	nettest.Run(t, fmt.Sprintf("ip -n %s link add va mtu %d type veth peer name vb mtu %d netns %s", w.ns, mtu, mtu, w.kernel))
	// No neighbour discovery of the kernels among our frames.
	for _, x := range []string{w.ns + " sysctl -qw net.ipv6.conf.va.disable_ipv6=1", w.kernel + " sysctl -qw net.ipv6.conf.vb.disable_ipv6=1"} {
		nettest.Run(t, "ip netns exec "+x)
	}
	nettest.Run(t, "ip -n "+w.kernel+" link set vb up")
	nettest.Run(t, "ip -n "+w.kernel+" addr add "+kernelIP.String()+"/24 dev vb")
	nettest.Run(t, fmt.Sprintf("ip -n %s neigh add %s lladdr %s dev vb", w.kernel, ourIP, net.HardwareAddr(ourMAC[:])))
	w.inKernel(func() error {
		var err error
		w.vb, err = netdev.Find("vb")
		return err
	})
	return w
}

func (w *wire) inKernel(f func() error) {
	w.t.Helper()
	if err := netdev.In(w.kernel, f); err != nil {
		w.t.Fatal(err)
	}
}

// ethtool changes offloads of the kernel's end.
func (w *wire) ethtool(args string) {
	nettest.Run(w.t, "ip netns exec "+w.kernel+" ethtool -K vb "+args)
}

var pools atomic.Int32

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

// host is our end: a device and a worker's buffers.
type host struct {
	t     testing.TB
	d     device.Device
	rx    []device.RxQueue
	tx    []device.TxQueue
	cache *pkt.Cache
	bufs  []*pkt.Buf
	warn  []string
}

// driver opens devices.
type driver struct {
	name string
	open func(Options, *dpdk.Pool) (d device.Device, warnings []string, err error)
}

var (
	native = driver{"af_packet", func(o Options, pool *dpdk.Pool) (device.Device, []string, error) {
		d, err := Open(o, pool)
		return d, nil, err
	}}
	dpdks = driver{"net_af_packet", func(o Options, pool *dpdk.Pool) (device.Device, []string, error) {
		return OpenDPDK(o, pool)
	}}
)

// eachDriver runs a test with both.
func eachDriver(t *testing.T, f func(t *testing.T, by driver)) {
	for _, by := range []driver{native, dpdks} {
		t.Run(by.name, func(t *testing.T) { f(t, by) })
	}
}

// wakers are the descriptors that wake a worker.
func (h *host) wakers() []int {
	if r, ok := h.d.(device.Ringer); ok {
		return r.Bells()
	}
	return h.d.Info().WakeFDs
}

func (w *wire) open(by driver, pool *dpdk.Pool, o Options) *host {
	w.t.Helper()
	o.Interface, o.NetNS, o.MAC = "va", w.ns, ourMAC
	d, warn, err := by.open(o, pool)
	if err != nil {
		w.t.Fatal(err)
	}
	h := w.host(d, pool)
	h.warn = warn
	return h
}

// host is a device with what a worker has.
func (w *wire) host(d device.Device, pool *dpdk.Pool) *host {
	w.t.Helper()
	h := &host{t: w.t, d: d}
	var err error
	for i := range d.Info().RxQ {
		h.rx, h.tx = append(h.rx, d.Rx(i)), append(h.tx, d.Tx(i))
	}
	if h.cache, err = pkt.NewCache(pool); err != nil {
		w.t.Fatal(err)
	}
	h.bufs, _ = mem.Slice[*pkt.Buf](pkt.MaxBurst)
	w.t.Cleanup(func() {
		h.cache.Flush()
		if err := d.Close(); err != nil {
			w.t.Error(err)
		}
	})
	h.carrier()
	return h
}

// arm does what a worker does before it sleeps.
func (h *host) arm() bool {
	for _, q := range h.rx {
		if b, ok := q.(device.Bell); ok && !b.Arm() {
			return false
		}
	}
	return true
}

// carrier waits until the kernel has noticed that both ends are up.
func (h *host) carrier() {
	h.t.Helper()
	for end := time.Now().Add(5 * time.Second); !h.d.Link().Up; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatal("the link stays down")
		}
	}
}

// each gives every packet that comes to f, until f returns false or time is up.
func (h *host) each(d time.Duration, f func(b *pkt.Buf) bool) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		for _, q := range h.rx {
			n := q.RxBurst(h.bufs)
			goOn := true
			for _, b := range h.bufs[:n] {
				goOn = goOn && f(b)
			}
			h.cache.PutN(h.bufs[:n])
			if !goOn {
				return
			}
		}
	}
}

// build writes a datagram from us to the kernel.
func (w *wire) build(b *pkt.Buf, srcPort, dstPort uint16, payload []byte) {
	d := nettest.Datagram{SrcMAC: ourMAC, DstMAC: w.vb.MAC, Src: netip.AddrPortFrom(ourIP, srcPort),
		Dst: netip.AddrPortFrom(kernelIP, dstPort), Payload: payload}
	d.Build(b.Append(nettest.HeaderBytes + len(payload)))
}

// socket is a UDP socket of the kernel's end.
func (w *wire) socket() *net.UDPConn { return nettest.Socket(w.t, w.kernel, kernelIP) }

func (w *wire) toUs(c *net.UDPConn, payload []byte) {
	w.t.Helper()
	if _, err := c.WriteToUDP(payload, &net.UDPAddr{IP: ourIP.AsSlice(), Port: 7}); err != nil {
		w.t.Fatal(err)
	}
}

// superPackets has the kernel send 20 runs of 20 kB as UDP segments of 1000 bytes.
func superPackets(t *testing.T, w *wire) {
	c := w.socket()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		w.toUs(c, nettest.Pattern(20000, byte(i)))
	}
}
