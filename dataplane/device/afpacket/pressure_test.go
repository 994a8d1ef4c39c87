package afpacket

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/pkt"
)

// openTap makes a tap interface in a namespace and returns its other end.
func openTap(t *testing.T, ns, name string) int {
	t.Helper()
	var fd int
	if err := netdev.In(ns, func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// TestBackPressure sends to an interface that nobody empties. It refuses what it has no
// room for, and nothing is lost: when there is room again the rest follows in order.
func TestBackPressure(t *testing.T) {
	for _, tc := range []struct {
		name string
		size int
		want pkt.Flags
	}{{"alone", 100, 0}, {"joined", 1400, pkt.CsumPartial}} {
		t.Run(tc.name, func(t *testing.T) {
			ns := nettest.Namespace(t)
			tap := openTap(t, ns, "tp")
			nettest.Run(t, "ip netns exec "+ns+" sysctl -qw net.ipv6.conf.tp.disable_ipv6=1")
			pool := newPool(t, pkt.DefaultRoom)
			d, err := Open(Options{Interface: "tp", NetNS: ns}, pool)
			if err != nil {
				t.Fatal(err)
			}
			w := &wire{t: t}
			h := w.host(d, pool)
			s := nettest.Stream{SrcMAC: ourMAC, DstMAC: [6]byte{2, 9, 9, 9, 9, 9}}
			const total = 3000
			made, wait := 0, 0
			sent, idle, refused := 0, 0, false
			want := uint32(0)
			got := 0
			frame := make([]byte, 2000)
			for end := time.Now().Add(20 * time.Second); got < total && time.Now().Before(end); {
				for wait < 100 && made < total && h.cache.GetN(h.bufs[wait:wait+1]) == 1 {
					f := s.Segment(tc.size, 0x10, 0)
					copy(h.bufs[wait].Append(len(f)), f)
					h.bufs[wait].Flags = tc.want
					wait++
					made++
				}
				n := d.Tx(0).TxBurst(h.bufs[:wait])
				copy(h.bufs, h.bufs[n:wait])
				wait -= n
				sent += n
				if n > 0 {
					idle = 0
					continue
				}
				if idle++; idle < 10 && sent < total {
					continue
				}
				refused = refused || sent < total
				for k := 0; k < 100; k++ {
					n, err := unix.Read(tap, frame)
					if err != nil {
						break
					}
					if n < 54 || frame[1] != 9 {
						continue
					}
					if seq := binary.BigEndian.Uint32(frame[38:]); seq != want {
						t.Fatalf("segment %d has number %d, want %d", got, seq, want)
					}
					want += uint32(tc.size)
					got++
				}
			}
			h.cache.PutN(h.bufs[:wait])
			if got != total || !refused {
				t.Errorf("%d of %d arrived, refused %v; %v", got, total, refused, d.Details())
			}
		})
	}
}
