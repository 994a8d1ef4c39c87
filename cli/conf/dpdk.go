package conf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// DPDK is what DPDK starts with.
type DPDK struct {
	NoHugetlb bool     // ordinary pages; off
	NoPCI     bool     // do not look for PCI devices; off
	SocketMem []int    // MiB of packet memory for each socket; nil is what the buffers need
	Vdevs     []string // software devices: "net_null0,size=64"
	LogLevel  string   // EAL's --log-level; ""
	EALArgs   []string // further arguments for EAL, as they are

	Devs       []Device // PCI devices to take; none takes all that have a driver, unless NoPCI
	DevDefault Device   // values for fields that a device leaves at zero; Resolve applies them
}

// Device is a PCI device. Zero values are left to the default device, then to the
// program.
type Device struct {
	PCI      string // DDDD:BB:SS.F
	Name     string // of the interface
	RxQueues int
	TxQueues int
	RxDesc   int    // 1024
	TxDesc   int    // 1024
	DevArgs  string // arguments for the driver
}

// Resolve gives the device with the values of "dev default" and the built-in ones
// in the fields that it left open.
func (d *DPDK) Resolve(dev Device) Device {
	def := d.DevDefault
	for _, n := range []struct {
		v          *int
		def, least int
	}{
		{&dev.RxQueues, def.RxQueues, 0}, {&dev.TxQueues, def.TxQueues, 0},
		{&dev.RxDesc, def.RxDesc, 1024}, {&dev.TxDesc, def.TxDesc, 1024},
	} {
		if *n.v == 0 {
			*n.v = n.def
		}
		if *n.v == 0 {
			*n.v = n.least
		}
	}
	if dev.DevArgs == "" {
		dev.DevArgs = def.DevArgs
	}
	return dev
}

func (d *DPDK) section() Section {
	keys := []Key{
		{"no-hugetlb", "", "ordinary pages", turnOn(&d.NoHugetlb)},
		{"no-huge", "", "the same as no-hugetlb", turnOn(&d.NoHugetlb)},
		{"no-pci", "", "leave PCI devices alone", turnOn(&d.NoPCI)},
		{"socket-mem", "<n>[,<n>]", "MiB of packet memory for each socket (what the buffers need)", d.readSocketMem},
		{"vdev", "<name>[,<args>]", "make a software device", more(&d.Vdevs, "a device, net_null0,size=64")},
		{"dev default", "{ … }", "values for all devices", group(d.DevDefault.keys()...)},
		{"dev", "<pci-address> [{ … }]", "take this device", d.readDev},
		{"log-level", "<text>", "what DPDK logs, pmd.net.memif:debug", text(&d.LogLevel, "a log level")},
		{"huge-dir", "<directory>", "where huge pages are mounted", d.eal("--huge-dir=")},
		{"file-prefix", "<name>", "prefix of DPDK's files", d.eal("--file-prefix=")},
		{"iova-mode", "<pa|va>", "addresses that devices see", d.eal("--iova-mode=")},
		{"base-virtaddr", "<address>", "where DPDK's memory begins", d.eal("--base-virtaddr=")},
		{"max-simd-bitwidth", "<n>", "widest vector instructions", d.eal("--force-max-simd-bitwidth=")},
		{"force-ranks", "<n>", "memory ranks", d.eal("-r")},
		{"trace", "<pattern>", "DPDK's trace points", d.eal("--trace=")},
		{"trace-dir", "<directory>", "where DPDK's traces go", d.eal("--trace-dir=")},
		{"trace-bufsz", "<size>", "size of DPDK's trace buffer", d.eal("--trace-bufsz=")},
		{"no-hpet", "", "do not use the HPET timer", d.eal("--no-hpet")},
		{"no-shconf", "", "share no configuration with other processes", d.eal("--no-shconf")},
	}
	keys = append(keys, unusedKeys(0, "no-multi-seg", "no-vmbus", "uio-bind-force", "enable-outer-checksum-offload",
		"enable-lro", "enable-mbuf-fast-free", "telemetry",
		"no-tx-checksum-offload", "enable-tcp-udp-checksum", "decimal-interface-names")...)
	keys = append(keys, unusedKeys(1, "uio-driver", "blacklist", "proc-type", "mem-alloc-request", "link-state-poll-interval", "stats-poll-interval")...)
	return Section{Name: "dpdk", Help: "DPDK and its devices", Keys: keys, Check: d.check}
}

// keys are those of one device.
func (d *Device) keys() []Key {
	return []Key{
		{"name", "<name>", "of the interface", text(&d.Name, "a name")},
		{"num-rx-queues", "<n>", "receive queues (one)", num(&d.RxQueues, 1, maxWorkers+1)},
		{"num-tx-queues", "<n>", "transmit queues (one a worker)", num(&d.TxQueues, 1, maxWorkers+1)},
		{"num-rx-desc", "<n>", "packets in a receive queue (1024)", num(&d.RxDesc, 32, 32768)},
		{"num-tx-desc", "<n>", "packets in a transmit queue (1024)", num(&d.TxDesc, 32, 32768)},
		{"devargs", "<text>", "arguments for the driver", text(&d.DevArgs, "arguments")},
		unused("tag", 1),
		unused("workers", 1),
		unused("tso", 1),
		unused("rss", 1),
		unused("rss-queues", 1),
		unused("no-rx-interrupts", 0),
		unused("max-lro-pkt-size", 1),
	}
}

// eal passes an argument on to EAL. A flag that ends in = or has one letter takes a
// value.
func (d *DPDK) eal(arg string) reader {
	return func(r *Reader) error {
		switch {
		case strings.HasSuffix(arg, "="):
			return r.Word("a value", func(w string) bool { d.EALArgs = append(d.EALArgs, arg+w); return true })
		case len(arg) == 2:
			return r.Word("a value", func(w string) bool { d.EALArgs = append(d.EALArgs, arg, w); return true })
		}
		d.EALArgs = append(d.EALArgs, arg)
		return nil
	}
}

func (d *DPDK) readSocketMem(r *Reader) error {
	return r.Word("MiB for each socket, 64 or 64,64", func(w string) bool {
		var mem []int
		for part := range strings.SplitSeq(w, ",") {
			n, err := strconv.ParseUint(part, 10, 20)
			if err != nil {
				return false
			}
			mem = append(mem, int(n))
		}
		d.SocketMem = mem
		return true
	})
}

var pciAddress = regexp.MustCompile(`^(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])$`)

// readPCI reads an address and adds the domain when it is missing.
func readPCI(r *Reader, v *string) error {
	return r.Word("a PCI address, 0000:02:00.0", func(w string) bool {
		m := pciAddress.FindStringSubmatch(w)
		if m == nil {
			return false
		}
		domain := m[1]
		if domain == "" {
			domain = "0000"
		}
		*v = strings.ToLower(domain + ":" + m[2])
		return true
	})
}

func (d *DPDK) readDev(r *Reader) error {
	var dev Device
	if err := readPCI(r, &dev.PCI); err != nil {
		return err
	}
	if err := maybeGroup(dev.keys()...)(r); err != nil {
		return err
	}
	d.Devs = append(d.Devs, dev)
	return nil
}

func (d *DPDK) check() error {
	seen := map[string]bool{}
	for _, dev := range d.Devs {
		if seen[dev.PCI] {
			return fmt.Errorf("dev %s is given twice", dev.PCI)
		}
		seen[dev.PCI] = true
	}
	return nil
}
