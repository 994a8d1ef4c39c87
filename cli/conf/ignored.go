package conf

// ignored are the sections that VPP has and this program has no use for: the binary
// API, VPP's memory, graph and plugins, and protocols whose values are fixed here.
func ignored() []Section {
	var sections []Section
	for _, name := range []string{
		"api-trace", "api-segment", "api-queue", "socksvr", "statseg",
		"memory", "physmem", "vlib", "node", "trace", "punt",
		"plugins", "tls", "quic", "nsim",
		"ip", "ip6", "l3fib", "interface", "ethernet", "mpls",
		"acl-plugin", "nat", "linux-cp", "l2learn", "dns", "dhcp",
	} {
		sections = append(sections, Section{Name: name, Ignored: true})
	}
	return sections
}
