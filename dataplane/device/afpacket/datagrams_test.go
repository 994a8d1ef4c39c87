package afpacket

import (
	"bytes"
	"net"
	"testing"
	"time"

	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/pkt"
)

// TestDatagramsTogether: datagrams of one flow go to the kernel as one packet, where our end
// of the wire can cut it, and arrive one by one in any case.
func TestDatagramsTogether(t *testing.T) {
	for _, ethtool := range []string{"", "tx-udp-segmentation off"} {
		w := newWire(t, 1500)
		c := w.socket()
		_ = c.SetReadBuffer(4 << 20)
		pool := newPool(t, pkt.DefaultRoom)
		h := w.open(native, pool, Options{})
		if ethtool != "" {
			nettest.Run(t, "ip netns exec "+w.ns+" ethtool -K va "+ethtool)
		}
		to := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		const rounds, burst = manyDoubts + 4, 20
		for round := range rounds {
			h.cache.GetN(h.bufs[:burst])
			for i := range burst {
				b := h.bufs[i]
				w.build(b, 9, to, nettest.Pattern(1000, byte(round*burst+i)))
				partial(b.Data())
				b.Flags = pkt.CsumPartial
			}
			if n := h.tx[0].TxBurst(h.bufs[:burst]); n != burst {
				t.Fatalf("%q: %d sent", ethtool, n)
			}
			buf := make([]byte, 2000)
			for i := range burst {
				_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
				if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], nettest.Pattern(1000, byte(round*burst+i))) {
					t.Fatalf("%q: datagram %d of round %d: %d bytes, %v", ethtool, i, round, n, err)
				}
			}
		}
		if n := detail(h.d, "tx large packets"); (n == rounds) != (ethtool == "") || n != 0 && ethtool != "" {
			t.Errorf("%q: %d large packets", ethtool, n)
		}
		for _, x := range h.d.Details() {
			if x.Name == "tx offload" && x.Value != "checksum and segmentation" {
				t.Errorf("%q: TCP's segmentation is given up for UDP's", ethtool)
			}
		}
	}
}

// partial leaves the checksum of a datagram over IPv4 to the device.
func partial(f []byte) {
	n := uint32(len(f) - 34)
	s := uint32(17) + n
	for i := 26; i < 34; i += 2 {
		s += uint32(f[i])<<8 | uint32(f[i+1])
	}
	s = s>>16 + s&0xffff
	s += s >> 16
	f[40], f[41] = byte(s>>8), byte(s)
}
