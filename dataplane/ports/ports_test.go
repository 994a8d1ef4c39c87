package ports

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/device"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// fake is a device that never has packets and tells what is done to it.
type fake struct {
	h       *host
	kind    string
	started bool
	details []device.Detail
}

func (d *fake) Info() device.Info {
	return device.Info{Driver: "fake", Name: d.kind, MAC: [6]byte{2, 0, 0, 0, 0, 1}, RxQ: 1, TxQ: 1}
}

func (d *fake) Start() error {
	if d.h.failStart {
		return errors.New("cannot start")
	}
	d.started = true
	return nil
}
func (d *fake) Stop() error               { d.started = false; return nil }
func (d *fake) Close() error              { d.h.open--; return nil }
func (d *fake) Rx(int) device.RxQueue     { return d }
func (d *fake) Tx(int) device.TxQueue     { return d }
func (d *fake) RxBurst([]*pkt.Buf) int    { return 0 }
func (d *fake) TxBurst(b []*pkt.Buf) int  { return 0 }
func (d *fake) Link() device.Link         { return device.Link{Up: d.started} }
func (d *fake) Counters() device.Counters { return device.Counters{} }
func (d *fake) SetMAC([6]byte) error      { return nil }
func (d *fake) Details() []device.Detail  { return d.details }

// host is an instance with fake devices.
type host struct {
	t         *testing.T
	m         *Manager
	ifs       *iface.Manager
	reg       *cli.Registry
	open      int // devices
	failOpen  bool
	failStart bool
	memif     MemifOptions // of the last device opened
	af        HostOptions
	tap       TapOptions
	details   []device.Detail
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t}
	pool, err := pkt.NewMapPool("test", 64, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(worker.Config{CPU: -1, Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	if h.ifs, err = iface.New([]*worker.Worker{w}, nil); err != nil {
		t.Fatal(err)
	}
	opened := func(kind string) (device.Device, error) {
		if h.failOpen {
			return nil, errors.New("cannot open")
		}
		h.open++
		return &fake{h: h, kind: kind, details: h.details}, nil
	}
	h.m = New(h.ifs, Openers{MemifSocket: "/run/test/memif.sock",
		Memif: func(o MemifOptions) (device.Device, error) { h.memif = o; return opened("memif") },
		Host:  func(o HostOptions) (device.Device, error) { h.af = o; return opened("af") },
		Tap:   func(o TapOptions) (device.Device, error) { h.tap = o; return opened("tap") },
	})
	h.reg = cli.NewRegistry()
	if err := h.reg.Add(Commands(h.m)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.m.Close()
		if h.open != 0 {
			t.Errorf("%d devices are left open", h.open)
		}
		if n := len(h.ifs.All()); n != 1 {
			t.Errorf("%d interfaces are left", n)
		}
		w.Stop()
		pool.Close()
	})
	return h
}

func (h *host) run(line string) (string, error) {
	var b strings.Builder
	err := h.reg.Exec(context.Background(), line, &b, cli.Options{})
	return b.String(), err
}

func (h *host) want(line, out string) {
	h.t.Helper()
	got, err := h.run(line)
	if err != nil || got != out {
		h.t.Errorf("%s: %v, prints\n%q\nwant\n%q", line, err, got, out)
	}
}

// fails runs lines that must fail with the given text and change nothing.
func (h *host) fails(line, text string, usage bool) {
	h.t.Helper()
	open, ifs, sockets := h.open, len(h.ifs.All()), len(h.m.sockets)
	out, err := h.run(line)
	if err == nil || err.Error() != text || out != "" {
		h.t.Errorf("%s: %q %v\nwant %s", line, out, err, text)
	}
	if errors.Is(err, cli.ErrUsage) != usage {
		h.t.Errorf("%s: usage error is %v, want %v", line, !usage, usage)
	}
	if h.open != open || len(h.ifs.All()) != ifs || len(h.m.sockets) != sockets {
		h.t.Errorf("%s changed something", line)
	}
}

func TestMemif(t *testing.T) {
	h := newHost(t)
	h.want("create interface memif", "memif0/0\n")
	if want := (MemifOptions{SocketPath: "/run/test/memif.sock", RingSize: 1024, RxQueues: 1, TxQueues: 1}); h.memif != want {
		t.Errorf("defaults %+v", h.memif)
	}
	h.want("create memif socket id 1 filename other.sock", "")
	h.want("create memif socket id 2 filename /tmp/x.sock", "")
	h.want("create interface memif id 7 socket-id 1 secret s3 ring-size 4096 rx-queues 2 tx-queues 3 buffer-size 9216 "+
		"master no-zero-copy hw-addr 02:00:00:00:00:09 mode ethernet", "memif1/7\n")
	if want := (MemifOptions{ID: 7, SocketID: 1, SocketPath: "/run/test/other.sock", Master: true, RingSize: 4096, BufferSize: 9216,
		Secret: "s3", MAC: hdr.MAC{2, 0, 0, 0, 0, 9}, RxQueues: 2, TxQueues: 3}); h.memif != want {
		t.Errorf("options %+v", h.memif)
	}
	if i := h.ifs.ByName("memif1/7"); i.Kind != "memif" || i.Up() || !i.Dev.(*fake).started {
		t.Errorf("interface %+v", i)
	}
	h.fails("create interface memif", "create interface memif: interface memif0/0 already exists", false)
	h.fails("create memif socket id 1 filename y.sock", "create memif socket: socket id 1 (/run/test/other.sock) already exists", false)
	h.fails("create memif socket id 3 filename /tmp/x.sock", "create memif socket: socket /tmp/x.sock already exists as id 2", false)
	h.fails("delete memif socket id 1", "delete memif socket: socket id 1: socket is in use by memif1/7", false)
	h.fails("delete memif socket id 9", "delete memif socket: socket id 9: no such socket", false)
	h.fails("delete memif socket id 0", "delete memif socket: socket id 0 cannot be deleted", false)
	h.want("delete memif socket id 2", "")
	h.want("delete interface memif memif1/7", "")
	h.want("delete memif socket id 1", "")
	h.fails("create interface memif id 1 socket-id 1", "create interface memif: socket-id 1: no such socket", false)
	h.fails("delete interface memif memif1/7", "delete interface memif: unknown interface `memif1/7'", true)
	h.failOpen = true
	h.fails("create interface memif id 1", "create interface memif: cannot open", false)
	h.failOpen, h.failStart = false, true
	h.fails("create interface memif id 1", "create interface memif: cannot start", false)
	h.failStart = false
	h.want("create interface memif id 1", "memif0/1\n")
}

func TestUsage(t *testing.T) {
	h := newHost(t)
	for line, text := range map[string]string{
		"create interface memif id -1":                           "expected an id, got `-1'",
		"create interface memif id 4294967295":                   "expected an id, got `4294967295'",
		"create interface memif id x":                            "expected an id, got `x'",
		"create interface memif socket-id":                       "expected a socket id",
		"create interface memif ring-size 1000":                  "expected a ring size that is a power of 2, got `1000'",
		"create interface memif ring-size 32768":                 "expected a ring size of 2 to 16384, got `32768'",
		"create interface memif rx-queues 0":                     "expected a number of queues of 1 to 255, got `0'",
		"create interface memif tx-queues 256":                   "expected a number of queues of 1 to 255, got `256'",
		"create interface memif buffer-size 63":                  "expected a buffer size of 64 to 65535, got `63'",
		"create interface memif mode ip":                         "only mode ethernet is supported, got `ip'",
		"create interface memif hw-addr 1:2":                     "expected the MAC address of one station, got `1:2'",
		"create interface memif hw-addr 01:00:00:00:00:00":       "expected the MAC address of one station, got `01:00:00:00:00:00'",
		"create interface memif secret 123456789012345678901234": "a secret has 1 to 23 characters",
		"create interface memif bogus":                           "unknown input `bogus'",
		"create memif socket id 0 filename x":                    "expected a socket id above 0, got `0 filename x'",
		"create memif socket id 1":                               "expected filename <path>",
		"create memif socket filename x":                         "expected id <id>",
		"delete memif socket":                                    "expected id <id>",
		"delete memif socket id 1 x":                             "unknown input `x'",
		"create host-interface":                                  "missing host interface name",
		"create host-interface name a/b":                         "expected the name of a network interface, at most 15 characters, got `a/b'",
		"create host-interface name eth0123456789012":            "expected the name of a network interface, at most 15 characters, got `eth0123456789012'",
		"create host-interface name e0 rx-size 1":                "expected a ring size of 16 to 65536, got `1'",
		"create host-interface name e0 mode ip":                  "only mode ethernet is supported, got `ip'",
		"delete host-interface e0":                               "expected name <ifname>, got `e0'",
		"delete host-interface name e0":                          "unknown interface `e0'",
		"create tap id 65536":                                    "expected an id of 0 to 65535, got `65536'",
		"create tap host-ip4-addr 10.0.0.1":                      "expected an IPv4 address with a length, got `10.0.0.1'",
		"create tap host-ip4-addr ::1/64":                        "expected an IPv4 address with a length, got `::1/64'",
		"create tap host-ip6-addr 10.0.0.1/8":                    "expected an IPv6 address with a length, got `10.0.0.1/8'",
		"create tap host-ip4-gw ::1":                             "expected an IPv4 address, got `::1'",
		"create tap host-ip6-gw 1.1.1.1":                         "expected an IPv6 address, got `1.1.1.1'",
		"create tap host-mtu-size 10":                            "expected an MTU of 68 to 65535, got `10'",
		"create tap rx-ring-size 100":                            "expected a ring size that is a power of 2, got `100'",
		"create tap gro-coalesce":                                "gro-coalesce needs gso",
		"create tap tun":                                         "tun interfaces are not supported",
		"create tap host-if-name":                                "expected the name of a network interface, at most 15 characters",
		"delete tap":                                             "expected an interface name",
		"delete tap local0":                                      "local0: not an interface of this kind",
		"show memif local0":                                      "local0: not an interface of this kind",
	} {
		path := strings.Join(strings.Fields(line)[:2], " ")
		for _, p := range []string{"create interface memif", "create memif socket", "delete memif socket"} {
			if strings.HasPrefix(line, p) {
				path = p
			}
		}
		h.fails(line, path+": "+text, true)
	}
}

func TestShowMemif(t *testing.T) {
	h := newHost(t)
	h.want("show memif", "sockets\n  id  listener    filename\n  0   no          /run/test/memif.sock\n")
	h.want("create memif socket id 1 filename /run/vpp/memif.sock", "")
	h.details = []device.Detail{{Name: "socket", Value: "x"}, {Name: "role", Value: "master"}, {Name: "remote-name", Value: "VPP 26.10"},
		{Name: "remote-interface", Value: "memif1/0"}, {Name: "ring-size", Value: 1024}, {Name: "buffer-size", Value: 2048},
		{Name: "num-s2m-rings", Value: 1}, {Name: "num-m2s-rings", Value: 1}, {Name: "num-regions", Value: 2}}
	h.want("create interface memif socket-id 1 master", "memif1/0\n")
	h.details = nil
	h.want("create interface memif id 3", "memif0/3\n")
	if err := h.ifs.SetUp(h.ifs.ByName("memif0/3"), true); err != nil {
		t.Fatal(err)
	}
	first := "\ninterface memif1/0\n  remote-name \"VPP 26.10\"\n  remote-interface \"memif1/0\"\n" +
		"  socket-id 1 id 0 mode ethernet\n  flags connected\n" +
		"  num-s2m-rings 1 num-m2s-rings 1 buffer-size 2048 num-regions 2\n  ring-size 1024\n"
	sockets := "sockets\n  id  listener    filename\n  0   no          /run/test/memif.sock\n  1   yes (1)     /run/vpp/memif.sock\n"
	h.want("show memif", sockets+first+"\ninterface memif0/3\n  socket-id 0 id 3 mode ethernet\n  flags admin-up slave connected\n")
	h.want("show memif memif1/0", sockets+first)
	out, err := h.run("show memif | json")
	var v struct {
		Interfaces []struct{ Options struct{ Master bool } }
	}
	if err != nil || json.Unmarshal([]byte(out), &v) != nil || len(v.Interfaces) != 2 || !v.Interfaces[0].Options.Master {
		t.Errorf("%v %s", err, out)
	}
}

func TestHostInterface(t *testing.T) {
	h := newHost(t)
	h.want("create host-interface v2 name eth0 num-rx-queues 2 num-tx-queues 3 rx-size 512 tx-size 256 "+
		"hw-addr 02:00:00:00:00:09 mode ethernet qdisc-bypass-disable cksum-gso-disable", "host-eth0\n")
	if want := (HostOptions{Name: "eth0", MAC: hdr.MAC{2, 0, 0, 0, 0, 9}, RxQueues: 2, TxQueues: 3, RxSize: 512, TxSize: 256,
		NoQdiscBypass: true, NoOffload: true}); h.af != want {
		t.Errorf("options %+v", h.af)
	}
	if i := h.ifs.ByName("host-eth0"); i.Kind != "af-packet" {
		t.Errorf("kind %s", i.Kind)
	}
	h.fails("create host-interface name eth0", "create host-interface: interface host-eth0 already exists", false)
	h.want("create host-interface name eth1 dpdk", "host-eth1\n")
	if want := (HostOptions{Name: "eth1", RxQueues: 1, TxQueues: 1, DPDK: true}); h.af != want {
		t.Errorf("options %+v", h.af)
	}
	h.fails("create host-interface name eth2 dpdk cksum-gso-disable", "create host-interface: dpdk has neither qdisc-bypass-disable nor cksum-gso-disable", true)
	h.want("delete host-interface name eth0", "")
	if h.ifs.ByName("host-eth0") != nil {
		t.Error("host-eth0 is still there")
	}
}

func TestTap(t *testing.T) {
	h := newHost(t)
	h.want("create tap", "tap0\n")
	if want := (TapOptions{RxQueues: 1, TxQueues: 1, RxRing: 256, TxRing: 256, HostName: "tap0"}); h.tap != want {
		t.Errorf("defaults %+v", h.tap)
	}
	h.want("create tap id 5 if-name lan hw-addr 02:00:00:00:00:01 num-rx-queues 2 num-tx-queues 2 rx-ring-size 512 tx-ring-size 128 "+
		"host-if-name vpptap host-ns blue host-bridge br0 host-mac-addr 02:00:00:00:00:02 host-ip4-addr 10.10.1.1/24 "+
		"host-ip6-addr fd00::1/64 host-ip4-gw 10.10.1.2 host-ip6-gw fd00::2 host-mtu-size 9000 gso gro-coalesce persist attach "+
		"packed in-order", "lan\n")
	if want := (TapOptions{ID: 5, IfName: "lan", MAC: hdr.MAC{2, 0, 0, 0, 0, 1}, RxQueues: 2, TxQueues: 2, RxRing: 512, TxRing: 128,
		GSO: true, GROCoalesce: true, Csum: true, HostName: "vpptap", HostNS: "blue", HostBridge: "br0", HostMAC: hdr.MAC{2, 0, 0, 0, 0, 2},
		HostIP4: netip.MustParsePrefix("10.10.1.1/24"), HostIP6: netip.MustParsePrefix("fd00::1/64"),
		HostGW4: netip.MustParseAddr("10.10.1.2"), HostGW6: netip.MustParseAddr("fd00::2"), HostMTU: 9000, Persist: true, Attach: true}); h.tap != want {
		t.Errorf("options %+v", h.tap)
	}
	h.want("create tap", "tap1\n")
	h.fails("create tap id 5", "create tap: tap id 5 already exists", false)
	h.fails("create tap id 1", "create tap: tap id 1 already exists", false)
	h.fails("create tap if-name lan", "create tap: interface lan already exists", false)
	h.want("delete tap tap0", "")
	h.want("create tap", "tap0\n")
	h.want("show tap lan", "Interface: lan (ifindex 2)\n  name \"vpptap\"\n  host-ns \"blue\"\n  host-bridge \"br0\"\n"+
		"  host-mac-addr: 02:00:00:00:00:02\n  host-ip4-addr \"10.10.1.1/24\"\n  host-ip6-addr \"fd00::1/64\"\n  host-mtu-size \"9000\"\n"+
		"  Mac Address: 02:00:00:00:00:01\n  Device instance: 5\n  flags admin-down\n  Number of RX Virtqueue  2\n  Number of TX Virtqueue  2\n")
	h.want("delete tap lan", "")
	h.want("create interface memif", "memif0/0\n")
	h.fails("delete tap memif0/0", "delete tap: memif0/0: not an interface of this kind", true)
}

func TestMissingOpeners(t *testing.T) {
	h := newHost(t)
	h.m.open = Openers{}
	for _, line := range []string{"create interface memif", "create host-interface name x", "create tap"} {
		path := strings.TrimSuffix(line, " name x")
		h.fails(line, path+": not supported by this device", false)
	}
}

func TestCompletion(t *testing.T) {
	h := newHost(t)
	h.want("create interface memif", "memif0/0\n")
	h.want("create host-interface name eth0", "host-eth0\n")
	for line, want := range map[string]string{
		"delete interface memif ":           "memif0/0",
		"delete host-interface name ":       "eth0",
		"delete tap ":                       "",
		"create host-interface name l":      "lo",
		"create interface memif sock":       "socket-id",
		"create interface memif socket-id ": "0",
		"create interface memif id ":        "",
		"create memif socket id 1 ":         "filename",
		"show memif ":                       "memif0/0",
	} {
		var got []string
		for _, w := range h.reg.Complete(context.Background(), line) {
			got = append(got, w.Text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q completes to %q, want %q", line, s, want)
		}
	}
}
