package ports

import (
	"net"

	"vpphost/cli"
)

func createHost(m *Manager) *cli.Command {
	return &cli.Command{
		Path: "create host-interface",
		Usage: "[v2] name <ifname> [num-rx-queues <n>] [num-tx-queues <n>] [rx-size <n>] [tx-size <n>] [hw-addr <mac-addr>] " +
			"[mode ethernet] [qdisc-bypass-disable] [cksum-gso-disable] [dpdk]",
		Help: "Create an interface over a network interface of the kernel; dpdk: with DPDK's driver, not ours",
		Complete: keywords(map[string]func() []cli.Word{"name": kernelNames, "num-rx-queues": nil, "num-tx-queues": nil, "rx-size": nil,
			"tx-size": nil, "hw-addr": nil, "mode": func() []cli.Word { return []cli.Word{{Text: "ethernet"}} }},
			"name", "num-rx-queues", "num-tx-queues", "rx-size", "tx-size", "hw-addr", "mode", "qdisc-bypass-disable", "cksum-gso-disable", "dpdk"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			o, err := parseHost(in)
			if err != nil {
				return nil, err
			}
			return created(m.Host(o))
		},
	}
}

// kernelNames suggests the network interfaces of the kernel.
func kernelNames() (words []cli.Word) {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range all {
		words = append(words, cli.Word{Text: i.Name, Help: i.HardwareAddr.String()})
	}
	return words
}

func parseHost(in *cli.Input) (o HostOptions, err error) {
	o = HostOptions{RxQueues: 1, TxQueues: 1}
	for err == nil && !in.Done() {
		switch {
		case in.Match("name"):
			err = linuxName(in, &o.Name)
		case in.Match("num-rx-queues"):
			err = number(in, "a number of queues", &o.RxQueues, 1, maxQueues)
		case in.Match("num-tx-queues"):
			err = number(in, "a number of queues", &o.TxQueues, 1, maxQueues)
		case in.Match("rx-size"):
			err = number(in, "a ring size", &o.RxSize, 16, 1<<16)
		case in.Match("tx-size"):
			err = number(in, "a ring size", &o.TxSize, 16, 1<<16)
		case in.Match("hw-addr"):
			err = macAddr(in, &o.MAC)
		case in.Match("qdisc-bypass-disable"):
			o.NoQdiscBypass = true
		case in.Match("cksum-gso-disable"):
			o.NoOffload = true
		case in.Match("dpdk"):
			o.DPDK = true
		case in.Match("mode"):
			if !in.Match("ethernet") {
				err = cli.Usagef("only mode ethernet is supported, got %s", cli.Quote(in.Rest()))
			}
		case in.Match("v2"): // the version of VPP's driver
		default:
			err = in.Unknown()
		}
	}
	if err == nil && o.DPDK && (o.NoQdiscBypass || o.NoOffload) {
		err = cli.Usagef("dpdk has neither qdisc-bypass-disable nor cksum-gso-disable")
	}
	if err == nil && o.Name == "" {
		err = cli.Usagef("missing host interface name")
	}
	return o, err
}

func deleteHost(m *Manager) *cli.Command {
	hosts := func() (words []cli.Word) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, o := range m.hosts {
			words = append(words, cli.Word{Text: o.Name, Help: o.name()})
		}
		return words
	}
	return &cli.Command{
		Path:     "delete host-interface",
		Usage:    "name <ifname>",
		Help:     "Delete an interface over a network interface of the kernel",
		Complete: keywords(map[string]func() []cli.Word{"name": hosts}, "name"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var o HostOptions
			if !in.Match("name") {
				return nil, in.Expect("name <ifname>")
			}
			if err := linuxName(in, &o.Name); err != nil {
				return nil, err
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			i := m.ifs.ByName(o.name())
			if i == nil {
				return nil, cli.Usagef("unknown interface %s", cli.Quote(o.Name))
			}
			return nil, m.Delete(i, KindHost)
		},
	}
}
