package ip

import (
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// judge has another implementation decode a frame of ours and verify its checksums, but
// not those of the transports, which are not ours.
func judge(t testing.TB, frame []byte) {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil && p.Layer(layers.LayerTypeICMPv6) == nil {
		t.Errorf("frame % x: %v", frame[:min(len(frame), 100)], e.Error())
		return
	}
	for k, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP, *layers.UDP:
			continue
		case *layers.ICMPv6:
			_ = l.SetNetworkLayerForChecksum(p.NetworkLayer())
		}
		c, ok := l.(gopacket.LayerWithChecksum)
		if !ok {
			continue
		}
		if err, v := c.VerifyChecksum(); err != nil || !v.Valid {
			t.Errorf("frame % x: layer %d: %v %+v", frame[:min(len(frame), 100)], k, err, v)
		}
	}
}
