package nettest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device/netdev"
)

// Run runs a command line, and fails the test when it fails.
func Run(t testing.TB, line string) string {
	t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

var namespaces atomic.Int32

// Namespace makes a network namespace of a unique name, which goes with the test. Where
// scripts/test.sh has said that there are none the test is left out.
func Namespace(t testing.TB) string {
	t.Helper()
	if os.Getenv("VPPHOST_NO_KERNEL") != "" {
		t.Skip("VPPHOST_NO_KERNEL is set: no root or no namespaces here")
	}
	ns := fmt.Sprintf("devtest%d-%d", os.Getpid(), namespaces.Add(1))
	Run(t, "ip netns add "+ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	return ns
}

// Socket opens a UDP socket in a namespace.
func Socket(t testing.TB, ns string, ip netip.Addr) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	if err := netdev.In(ns, func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Port is the port of a socket.
func Port(c *net.UDPConn) uint16 { return uint16(c.LocalAddr().(*net.UDPAddr).Port) }

// FDs is how many descriptors this process has open.
func FDs(t testing.TB) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

// Readable waits until fd is readable, and tells whether it became so in time.
func Readable(t testing.TB, fd int, wait time.Duration) bool {
	t.Helper()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for end := time.Now().Add(wait); ; {
		n, err := unix.Poll(poll, int(max(0, time.Until(end)).Milliseconds()))
		if err == unix.EINTR { // the runtime preempts by signals
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}
}

// Pattern is n bytes that differ with the seed.
func Pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i*7)
	}
	return b
}

// Datagram is a UDP packet over IPv4 in an Ethernet frame.
type Datagram struct {
	SrcMAC, DstMAC [6]byte
	Src, Dst       netip.AddrPort
	Payload        []byte
	SumOK          bool // the UDP checksum is right
	Fragment       bool // of a larger one; ports, payload and checksum are not read
	FrameBytes     int
}

// HeaderBytes is what a frame has before the payload.
const HeaderBytes = 42

func sum(b []byte, s uint32) uint32 {
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

// Parse reads a frame; ok is false when it is not UDP over IPv4, whole.
func Parse(f []byte) (d Datagram, ok bool) {
	if len(f) < HeaderBytes || binary.BigEndian.Uint16(f[12:]) != 0x0800 || f[23] != 17 {
		return d, false
	}
	ip := f[14:]
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if total > len(ip) || total < 28 {
		return d, false
	}
	ip = ip[:total]
	d.DstMAC, d.SrcMAC, d.FrameBytes = [6]byte(f), [6]byte(f[6:]), len(f)
	d.Fragment = binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
	if d.Fragment {
		return d, true
	}
	udp := ip[20:]
	d.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), binary.BigEndian.Uint16(udp))
	d.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), binary.BigEndian.Uint16(udp[2:]))
	d.Payload = udp[8:]
	d.SumOK = sum(udp, sum(ip[12:20], 17+uint32(len(udp)))) == 0xffff
	return d, true
}

// Build writes the frame of d into f, which has HeaderBytes more than the payload.
func (d *Datagram) Build(f []byte) {
	clear(f[:HeaderBytes])
	copy(f, d.DstMAC[:])
	copy(f[6:], d.SrcMAC[:])
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(d.Payload)))
	src, dst := d.Src.Addr().As4(), d.Dst.Addr().As4()
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum(ip[:20], 0)))
	udp := ip[20:]
	binary.BigEndian.PutUint16(udp, d.Src.Port())
	binary.BigEndian.PutUint16(udp[2:], d.Dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(d.Payload)))
	copy(udp[8:], d.Payload)
	binary.BigEndian.PutUint16(udp[6:], ^uint16(sum(udp, sum(ip[12:20], 17+uint32(len(udp))))))
}
