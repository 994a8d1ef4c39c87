package afpacket

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/netdev"
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
	wires    atomic.Int32
)

func run(t testing.TB, line string) string {
	t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

func newWire(t testing.TB, mtu int) *wire {
	t.Helper()
	n := wires.Add(1)
	w := &wire{t: t, ns: fmt.Sprintf("afp%d-%da", os.Getpid(), n), kernel: fmt.Sprintf("afp%d-%db", os.Getpid(), n)}
	for _, ns := range []string{w.ns, w.kernel} {
		run(t, "ip netns add "+ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	}
	run(t, fmt.Sprintf("ip -n %s link add va mtu %d type veth peer name vb mtu %d netns %s", w.ns, mtu, mtu, w.kernel))
	// No neighbour discovery of the kernels among our frames.
	for _, x := range []string{w.ns + " sysctl -qw net.ipv6.conf.va.disable_ipv6=1", w.kernel + " sysctl -qw net.ipv6.conf.vb.disable_ipv6=1"} {
		run(t, "ip netns exec "+x)
	}
	run(t, "ip -n "+w.kernel+" link set vb up")
	run(t, "ip -n "+w.kernel+" addr add "+kernelIP.String()+"/24 dev vb")
	run(t, fmt.Sprintf("ip -n %s neigh add %s lladdr %s dev vb", w.kernel, ourIP, net.HardwareAddr(ourMAC[:])))
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
func (w *wire) ethtool(args string) { run(w.t, "ip netns exec "+w.kernel+" ethtool -K vb "+args) }

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

// datagram is a UDP packet in an Ethernet frame.
type datagram struct {
	src, dst   netip.AddrPort
	payload    []byte
	sum        bool // the UDP checksum is right
	fragment   bool
	frameBytes int
}

func sum16(b []byte, s uint32) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}

// parse reads a frame; false when it is not UDP over IPv4.
func parse(f []byte) (d datagram, ok bool) {
	if len(f) < 34 || binary.BigEndian.Uint16(f[12:]) != 0x0800 || f[23] != 17 {
		return d, false
	}
	ip := f[14:]
	total := int(binary.BigEndian.Uint16(ip[2:]))
	d.frameBytes = len(f)
	if total > len(ip) {
		return d, false
	}
	ip = ip[:total]
	d.fragment = binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
	udp := ip[20:]
	if d.fragment {
		return d, true
	}
	d.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), binary.BigEndian.Uint16(udp))
	d.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), binary.BigEndian.Uint16(udp[2:]))
	d.payload = udp[8:]
	s := sum16(ip[12:20], 17+uint32(len(udp)))
	d.sum = sum16(udp, s) == 0xffff
	return d, true
}

// build writes a datagram from us to the kernel.
func (w *wire) build(b *pkt.Buf, srcPort, dstPort uint16, payload []byte) {
	f := b.Append(42 + len(payload))
	clear(f[:42])
	copy(f, w.vb.MAC[:])
	copy(f[6:], ourMAC[:])
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(payload)))
	copy(ip[12:], ourIP.AsSlice())
	copy(ip[16:], kernelIP.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum16(ip[:20], 0)))
	udp := ip[20:]
	binary.BigEndian.PutUint16(udp, srcPort)
	binary.BigEndian.PutUint16(udp[2:], dstPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(payload)))
	copy(udp[8:], payload)
	binary.BigEndian.PutUint16(udp[6:], ^uint16(sum16(udp, sum16(ip[12:20], 17+uint32(len(udp))))))
}

// socket is a UDP socket of the kernel's end.
func (w *wire) socket() *net.UDPConn {
	w.t.Helper()
	var c *net.UDPConn
	w.inKernel(func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: kernelIP.AsSlice()})
		return err
	})
	w.t.Cleanup(func() { c.Close() })
	return c
}

func port(c *net.UDPConn) uint16 { return uint16(c.LocalAddr().(*net.UDPAddr).Port) }

func (w *wire) toUs(c *net.UDPConn, payload []byte) {
	w.t.Helper()
	if _, err := c.WriteToUDP(payload, &net.UDPAddr{IP: ourIP.AsSlice(), Port: 7}); err != nil {
		w.t.Fatal(err)
	}
}

func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i*7)
	}
	return b
}
