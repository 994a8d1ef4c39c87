package simtest

import (
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// gopacketDecode takes a frame apart with gopacket: what our own code has written must be
// readable by somebody else's.
func gopacketDecode(frame []byte) error {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	if f := p.ErrorLayer(); f != nil {
		return f.Error()
	}
	switch n := p.NetworkLayer().(type) {
	case nil:
		if p.Layer(layers.LayerTypeARP) == nil {
			return fmt.Errorf("neither IP nor ARP")
		}
	case *layers.IPv4:
		if n.Version != 4 || n.Flags&layers.IPv4EvilBit != 0 {
			return fmt.Errorf("IPv4 version %d flags %v", n.Version, n.Flags)
		}
	case *layers.IPv6:
		if n.Version != 6 {
			return fmt.Errorf("IPv6 version %d", n.Version)
		}
	}
	if p.Metadata().Truncated {
		return fmt.Errorf("truncated")
	}
	if t, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok {
		if err := t.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
			return err
		}
		if sum, err := t.ComputeChecksum(); err != nil || sum != 0 {
			return fmt.Errorf("TCP checksum %#x, computed %#x, %v", t.Checksum, sum, err)
		}
		for _, o := range t.Options {
			if o.OptionType == layers.TCPOptionKindMSS && o.OptionLength != 4 {
				return fmt.Errorf("MSS option of %d bytes", o.OptionLength)
			}
		}
	}
	return nil
}
