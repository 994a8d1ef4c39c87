package conf

// UDP is the transport's configuration. Its words are VPP's.
type UDP struct {
	MTU                     uint16 // bytes of the largest packet; 0 leaves it to the interface and the path
	NoCsumOffload           bool   // complete checksums in software; off
	ICMPUnreachableDisabled bool   // no ICMP error for a port where nobody listens; off
}

func (u *UDP) section() Section {
	return Section{Name: "udp", Help: "UDP", Keys: []Key{
		{"mtu", "<n>", "largest packet (that of the interface)", num(&u.MTU, 1280, 65535)},
		{"no-csum-offload", "", "complete checksums in software", turnOn(&u.NoCsumOffload)},
		{"icmp-unreachable-disabled", "", "do not answer datagrams for ports where nobody listens", turnOn(&u.ICMPUnreachableDisabled)},
	}}
}
