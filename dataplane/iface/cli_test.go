package iface

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/pkt"
)

// console runs lines against the commands of this package.
type console struct {
	t *testing.T
	r *cli.Registry
}

func newConsole(t *testing.T, m *Manager) *console {
	r := cli.NewRegistry()
	if err := r.Add(Commands(m)...); err != nil {
		t.Fatal(err)
	}
	return &console{t, r}
}

func (c *console) run(line string) (string, error) {
	var b strings.Builder
	err := c.r.Exec(context.Background(), line, &b, cli.Options{})
	return b.String(), err
}

// want runs a line that must succeed and print exactly that.
func (c *console) want(line, out string) {
	c.t.Helper()
	got, err := c.run(line)
	if err != nil {
		c.t.Errorf("%s: %v", line, err)
	}
	if got != out {
		c.t.Errorf("%s prints\n%q\nwant\n%q", line, got, out)
	}
}

// fails runs a line that must fail with exactly that text.
func (c *console) fails(line, text string, usage bool) {
	c.t.Helper()
	out, err := c.run(line)
	if err == nil || err.Error() != text || out != "" {
		c.t.Errorf("%s: %q %v, want %q", line, out, err, text)
	}
	if errors.Is(err, cli.ErrUsage) != usage {
		c.t.Errorf("%s: usage error is %v, want %v", line, !usage, usage)
	}
}

func cliHost(t *testing.T) (*host, *console, *sim.Wire) {
	h := newHost(t, 1)
	h.workers[0].Name = "vpp_main"
	wire := newWire(t, h.pool, h.pool, sim.Config{Links: [2]sim.Link{{Rate: 10e9}}})
	i, err := h.m.Add("memif0/0", "memif", wire.End(0))
	h.ok(err)
	h.ok(h.m.SetMTU(i, 1500))
	return h, newConsole(t, h.m), wire
}

func TestShowInterface(t *testing.T) {
	h, c, _ := cliHost(t)
	head := "              Name               Idx    State  MTU (L3/IP4/IP6/MPLS)     Counter          Count     \n"
	c.want("show interface", head+
		"local0                            0     down          0/0/0/0       \n"+
		"memif0/0                          1     down         1500/0/0/0     \n")
	c.want("set interface state memif0/0 up", "")
	i := h.m.ByName("memif0/0")
	h.send(0, i, 0, 3, 100)
	h.step()
	h.m.Dropped(h.workers[0], i.Index, 2)
	c.want("sh int memif0/0", head+
		"memif0/0                          1      up          1500/0/0/0     tx packets                     3\n"+
		strings.Repeat(" ", 68)+"tx bytes                     300\n"+
		strings.Repeat(" ", 68)+"drops                          2\n")
	c.want("clear interfaces", "")
	c.want("set int mtu ip4 1400 memif0/0", "")
	c.want("set int mtu packet 1450 memif0/0", "")
	c.want("show interface 1", head+
		"memif0/0                          1      up        1450/1400/0/0    \n")
	if i.IPMTU(false) != 1400 || i.IPMTU(true) != 1450 {
		t.Errorf("ip mtu %d and %d", i.IPMTU(false), i.IPMTU(true))
	}

	c.want("set interface ip address memif0/0 192.168.11.1/24", "")
	c.want("set int ip addr memif0/0 2001:db8::1/64", "")
	c.want("show interface addr", "local0 (dn):\nmemif0/0 (up):\n  L3 192.168.11.1/24\n  L3 2001:db8::1/64\n")
	c.want("show int address memif0/0", "memif0/0 (up):\n  L3 192.168.11.1/24\n  L3 2001:db8::1/64\n")
	c.want("show interface features memif0/0",
		"Feature paths configured on memif0/0...\n\ndevice-offload:\n  none configured\n")
	c.want("set int ip address del memif0/0 2001:db8::1/64", "")
	c.want("set int ip address del memif0/0 all", "")
	if a := i.Addrs(); len(a) != 0 {
		t.Errorf("addresses left: %v", a)
	}

	var rows []map[string]any
	out, err := c.run("show interface | json")
	if err != nil || json.Unmarshal([]byte(out), &rows) != nil || len(rows) != 2 || rows[1]["name"] != "memif0/0" {
		t.Errorf("json: %v %s", err, out)
	}
}

func TestShowHardware(t *testing.T) {
	_, c, _ := cliHost(t)
	c.want("create loopback interface mac 02:00:00:00:00:42", "loop0\n")
	c.want("create loopback interface instance 77 | json", "{\n  \"name\": \"loop77\"\n}\n")
	c.want("delete loopback interface intfc loop77", "")
	head := "              Name                Idx   Link  Hardware\n"
	local := "local0                             0    down  local0\n  Link speed: unknown\n  local\n"
	loop := "loop0                              2     up   loop0\n  Link speed: unknown\n  Ethernet address 02:00:00:00:00:42\n"
	memif := "memif0/0                           1     up   memif0/0\n" +
		"  Link speed: 10 Gbps\n" +
		"  RX Queues:\n" +
		"    queue thread         mode      \n" +
		"    0     main (0)       adaptive  \n" +
		"  TX Queues:\n" +
		"    queue shared thread(s)      \n" +
		"    0     no     0\n" +
		"  Ethernet address 02:fe:00:00:00:01\n" +
		"  sim sim0.0\n" +
		"    sent: 0\n    passed: 0\n    lost: 0\n    queue full: 0\n"
	c.want("show hardware-interfaces", head+local+loop+memif)
	c.want("show hardware", head+local+loop+memif)
	c.want("show hardware memif0/0", head+memif)
	c.want("show hardware brief loop0", head+"loop0                              2     up   loop0\n")
}

func TestPlacementCommands(t *testing.T) {
	h, c, _ := cliHost(t)
	c.want("show interface rx-placement", "Thread 0 (vpp_main):\n node memif-input:\n    memif0/0 queue 0 (adaptive)\n")
	c.want("set interface state memif0/0 up", "")
	c.want("set interface rx-mode memif0/0 polling", "")
	c.want("show interface rx-mode", "memif0/0 polling: never sleeps\n")
	c.want("set interface rx-mode memif0/0 queue 0 adaptive", "")
	c.want("show interface rx-mode",
		"memif0/0 adaptive: naps when idle; the first packet may wait for the end of a nap, up to 8 ms\n")
	c.fails("set interface rx-mode memif0/0 interrupt",
		"set interface rx-mode: interrupt mode: not supported by this device", false)
	c.fails("set interface rx-mode memif0/0 queue 1 polling",
		"set interface rx-mode: expected a queue of memif0/0, got `1 polling'", true)
	c.want("set interface rx-placement memif0/0 queue 0 main", "")
	c.fails("set interface rx-placement memif0/0 worker 0",
		"set interface rx-placement: expected the number of a worker, got `0'", true)
	_ = h
}

func TestLoopbackCommands(t *testing.T) {
	_, c, _ := cliHost(t)
	c.want("create loopback interface", "loop0\n")
	c.want("loopback create-interface instance 5", "loop5\n")
	c.fails("create loopback interface instance 5", "create loopback interface: interface loop5 already exists", false)
	c.fails("create loopback interface instance 99999",
		"create loopback interface: expected an instance of at most 16383, got `99999'", true)
	c.fails("create loopback interface mac 01:00:00:00:00:00",
		"create loopback interface: mac 01:00:00:00:00:00: not the address of one station", true)
	c.want("delete loopback interface intfc loop5", "")
	c.want("loopback delete-interface intfc loop0", "")
	c.fails("delete loopback interface intfc loop0", "delete loopback interface: unknown interface `loop0'", true)
	c.fails("delete loopback interface intfc memif0/0", "delete loopback interface: memif0/0 is not a loopback", true)
}

func TestCommandErrors(t *testing.T) {
	h, c, _ := cliHost(t)
	for _, x := range []struct {
		line, text string
		usage      bool
	}{
		{"set interface state memif9/9 up", "set interface state: unknown interface `memif9/9'", true},
		{"set interface state memif0/0 upx", "set interface state: unknown flags `upx'", true},
		{"set interface state memif0/0", "set interface state: expected up or down", true},
		{"set interface state memif0/0 up up", "set interface state: unknown input `up'", true},
		{"set interface state", "set interface state: expected an interface name", true},
		{"set interface state local0 up", "set interface state: not possible on local0", false},
		{"set interface ip address memif0/0 10.0.0.1", "set interface ip address: expected IP4/IP6 address/length `10.0.0.1'", true},
		{"set interface ip address memif0/0 10.0.0.1/33", "set interface ip address: expected IP4/IP6 address/length `10.0.0.1/33'", true},
		{"set interface ip address memif0/0 0.0.0.0/0", "set interface ip address: 0.0.0.0/0: not an interface address", false},
		{"set interface ip address del memif0/0 10.0.0.1/24", "set interface ip address: 10.0.0.1/24 on memif0/0: address not found", false},
		{"set interface ip address memif0/0 10.0.0.1/24 x", "set interface ip address: unknown input `x'", true},
		{"set interface mtu 10 memif0/0", "set interface mtu: mtu out of range: 10 is not between 68 and 2034", false},
		{"set interface mtu ip6 1000 memif0/0", "set interface mtu: mtu out of range: 1000 is not between 1280 and 2034", false},
		{"set interface mtu memif0/0", "set interface mtu: expected an MTU, got `memif0/0'", true},
		{"set interface mac address memif0/0 1:2", "set interface mac address: expected a MAC address, got `1:2'", true},
		{"set interface mac address memif0/0 ff:ff:ff:ff:ff:ff", "set interface mac address: not the address of one station", false},
		{"show interface bogus", "show interface: unknown interface `bogus'", true},
		{"show interface 7", "show interface: unknown interface index 7", true},
		{"show interface features", "show interface: Interface not specified...", true},
		{"monitor interface memif0/0 interval 0", "monitor interface: expected seconds after interval, got `0'", true},
	} {
		c.fails(x.line, x.text, x.usage)
	}
	if i := h.m.ByName("memif0/0"); i.Up() || i.MTU() != 1500 || len(i.Addrs()) != 0 {
		t.Error("a command that failed changed something")
	}
	h.ok(h.m.AddAddr(h.m.ByName("memif0/0"), netip.MustParsePrefix("10.0.0.1/24")))
	c.want("create loopback interface", "loop0\n")
	c.fails("set interface ip address loop0 10.0.0.2/16",
		"set interface ip address: failed to add 10.0.0.2/16 on loop0 which conflicts with 10.0.0.1/24 for interface memif0/0", false)
}

func TestCompletion(t *testing.T) {
	h, c, _ := cliHost(t)
	h.ok(h.m.AddAddr(h.m.ByName("memif0/0"), netip.MustParsePrefix("10.0.0.1/24")))
	for line, want := range map[string]string{
		"set interface state ":                         "local0 memif0/0",
		"set interface state memif0/0 ":                "down up",
		"set interface ip address m":                   "memif0/0",
		"set interface ip address del memif0/0 ":       "10.0.0.1/24",
		"set interface mtu ":                           "ip4 ip6 packet",
		"set interface mtu ip4 ":                       "",
		"set interface mtu 1500 ":                      "local0 memif0/0",
		"set interface mac address ":                   "local0 memif0/0",
		"set interface rx-mode memif0/0 ":              "adaptive interrupt polling",
		"delete loopback interface intfc ":             "",
		"set interface ip address memif0/0 10.0.0.1/2": "",
	} {
		var got []string
		for _, w := range c.r.Complete(context.Background(), line) {
			got = append(got, w.Text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q completes to %q, want %q", line, s, want)
		}
	}
}

func TestMonitor(t *testing.T) {
	_, c, _ := cliHost(t)
	c.want("monitor interface memif0/0 interval .01 count 2", "rx: 0pps 0bps tx: 0pps 0bps\nrx: 0pps 0bps tx: 0pps 0bps\n")
}

func TestPlacementOnWorkers(t *testing.T) {
	h := newHost(t, 2)
	for k, name := range []string{"vpp_wk_0", "vpp_wk_1"} {
		h.workers[k].Name = name
	}
	c := newConsole(t, h.m)
	wire := newWire(t, h.pool, h.pool, sim.Config{})
	h.up("sim0", wire.End(0))
	c.want("set interface rx-placement sim0 worker 1", "")
	c.want("show interface rx-placement", "Thread 1 (vpp_wk_1):\n node sim-input:\n    sim0 queue 0 (adaptive)\n")
	c.fails("set interface rx-placement sim0 worker 2", "set interface rx-placement: expected the number of a worker, got `2'", true)
	c.fails("set interface rx-placement sim0 main", "set interface rx-placement: there are workers: main polls no queue", true)
	c.fails("set interface rx-placement sim0", "set interface rx-placement: expected worker <n> or main", true)
	h.send(0, h.m.ByName("sim0"), 0, 1, 60)
	h.step()
	bufs := make([]*pkt.Buf, 4)
	h.pool.Free(bufs[:wire.End(1).RxBurst(bufs)])
	c.want("show hardware sim0", "              Name                Idx   Link  Hardware\n"+
		"sim0                               1     up   sim0\n  Link speed: unknown\n  RX Queues:\n"+
		"    queue thread         mode      \n    0     vpp_wk_1 (1)   adaptive  \n  TX Queues:\n"+
		"    queue shared thread(s)      \n    0     yes    0,1\n  Ethernet address 02:fe:00:00:00:01\n  sim sim0.0\n"+
		"    sent: 1\n    passed: 1\n    lost: 0\n    queue full: 0\n")
}
