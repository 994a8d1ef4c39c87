package afpacket

import (
	"fmt"

	"vpphost/dataplane/device/netdev"
)

// warnings looks for settings of the kernel that make packets larger than the MTU,
// which the ring cuts.
func warnings(l *netdev.Link) []string {
	var out []string
	if o, err := l.Offloads(); err == nil {
		out = append(out, receiving(l.Name, o)...)
	}
	if l.Kind != "veth" {
		return out
	}
	if l.PeerAway {
		return append(out, fmt.Sprintf("the other end of veth %s is in another network namespace, where its "+
			"offloads cannot be seen; packets larger than the MTU are cut unless there: ethtool -K <interface> tx off", l.Name))
	}
	peer, err := netdev.FindIndex(l.Peer)
	if err != nil {
		return out
	}
	if o, err := peer.Offloads(); err == nil {
		out = append(out, sending(peer.Name, o)...)
	}
	return out
}

// receiving is about our end of the wire.
func receiving(name string, o netdev.Offloads) []string {
	switch {
	case o.GRO && o.LRO:
		return []string{fmt.Sprintf("%s joins received segments, and they are cut: ethtool -K %s gro off lro off", name, name)}
	case o.GRO:
		return []string{fmt.Sprintf("%s joins received segments, and they are cut: ethtool -K %s gro off", name, name)}
	case o.LRO:
		return []string{fmt.Sprintf("%s joins received segments, and they are cut: ethtool -K %s lro off", name, name)}
	}
	return nil
}

// sending is about the other end of a veth. Without checksum offload the kernel does all
// segmentation itself, that of TCP, UDP and SCTP; switching those off one by one would
// keep the checksums out, which we could bear, but takes four settings.
func sending(name string, o netdev.Offloads) []string {
	if !o.TxCsum && !o.TSO {
		return nil
	}
	return []string{fmt.Sprintf("%s may send packets larger than the MTU, and they are cut: ethtool -K %s tx off", name, name)}
}
