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
	d     *Device
	rx    []device.RxQueue
	tx    []device.TxQueue
	cache *pkt.Cache
	bufs  []*pkt.Buf
	warn  []string
}

func (w *wire) open(pool *dpdk.Pool, o Options) *host {
	w.t.Helper()
	o.Interface, o.NetNS, o.MAC = "va", w.ns, ourMAC
	d, warn, err := Open(o, pool)
	if err != nil {
		w.t.Fatal(err)
	}
	h := &host{t: w.t, d: d, warn: warn}
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
	return h
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
