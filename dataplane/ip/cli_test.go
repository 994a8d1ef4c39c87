package ip

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// console runs commands of one host.
type console struct {
	t testing.TB
	r *cli.Registry
}

func newConsole(t testing.TB, h *host) *console {
	t.Helper()
	c := &console{t, cli.NewRegistry()}
	if err := c.r.Add(Commands(h.s)...); err != nil {
		t.Fatal(err)
	}
	return c
}

// run returns what a line prints, its error as the last line.
func (c *console) run(line string) string {
	var b strings.Builder
	err := c.r.Exec(context.Background(), line, &b, cli.Options{})
	_ = cli.WriteError(&b, err, cli.Options{})
	return b.String()
}

func TestShowFIB(t *testing.T) {
	h := newSolo(t)
	c := newConsole(t, h.host)
	for _, line := range []string{
		"ip route add 0.0.0.0/0 via 10.0.0.2",
		"ip route 172.16.5.5/16 via 10.0.0.99 sim0 via 10.0.0.2", // add is default
		"ip route add 172.20.0.0/16 via drop",
		"ip route add 172.21.0.1 via local",
		"ip route add table 0 172.22.0.0/16 via sim0",
		"ip route add 2001:db8:5::/48 via fe80::9 sim0",
		"ip route add 172.23.0.0/16 via 192.0.2.1",
	} {
		if out := c.run(line); out != "" {
			t.Errorf("%s: %s", line, out)
		}
	}
	want := `ipv4-VRF:0, fib_index:0, flow hash:[src dst sport dport proto flowlabel ] epoch:N flags:none locks:[adjacency:1, default-route:1, ]
0.0.0.0/0
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:1 buckets:1]
    [0] [@5]: ipv4 via 10.0.0.2 sim0: mtu:1500 next:4 flags:[] 02fe0909090902fe000000010800
0.0.0.0/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:2 buckets:1]
    [0] [@0]: dpo-drop ip4
10.0.0.0/24
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:3 buckets:1]
    [0] [@4]: ipv4-glean: [src:10.0.0.0/24] sim0: mtu:1500 next:1 flags:[] ffffffffffff02fe000000010806
10.0.0.0/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:4 buckets:1]
    [0] [@0]: dpo-drop ip4
10.0.0.1/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:5 buckets:1]
    [0] [@12]: dpo-receive: 10.0.0.1 on sim0
10.0.0.255/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:6 buckets:1]
    [0] [@12]: dpo-receive: 10.0.0.255 on sim0 broadcast
127.0.0.0/8
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:7 buckets:1]
    [0] [@0]: dpo-drop ip4
172.16.0.0/16
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:8 buckets:2]
    [0] [@3]: arp-ipv4: via 10.0.0.99 sim0
    [1] [@5]: ipv4 via 10.0.0.2 sim0: mtu:1500 next:4 flags:[] 02fe0909090902fe000000010800
172.20.0.0/16
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:9 buckets:1]
    [0] [@0]: dpo-drop ip4
172.21.0.1/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:10 buckets:1]
    [0] [@12]: dpo-receive: 172.21.0.1
172.22.0.0/16
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:11 buckets:1]
    [0] [@4]: ipv4-glean: sim0: mtu:1500 next:1 flags:[] ffffffffffff02fe000000010806
172.23.0.0/16
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:12 buckets:1]
    [0] [@5]: ipv4 via 10.0.0.2 sim0: mtu:1500 next:4 flags:[] 02fe0909090902fe000000010800
224.0.0.0/4
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:13 buckets:1]
    [0] [@0]: dpo-drop ip4
240.0.0.0/4
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:14 buckets:1]
    [0] [@0]: dpo-drop ip4
255.255.255.255/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:15 buckets:1]
    [0] [@0]: dpo-drop ip4
`
	epoch := regexp.MustCompile(`epoch:\d+`)
	show := func(line string) string { return epoch.ReplaceAllString(c.run(line), "epoch:N") }
	if got := show("show ip fib"); got != want {
		t.Errorf("show ip fib:\n%s\nwant\n%s", got, want)
	}
	title4, _, _ := strings.Cut(want, "\n")
	title6 := strings.Replace(title4, "ipv4", "ipv6", 1)
	for line, want := range map[string]string{
		"show ip fib 10.0.0.1": title4 + `
10.0.0.1/32
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:1 buckets:1]
    [0] [@12]: dpo-receive: 10.0.0.1 on sim0
`,
		"show ip fib 10.0.0.0/24 table 0": title4 + `
10.0.0.0/24
  unicast-ip4-chain
  [@0]: dpo-load-balance: [proto:ip4 index:1 buckets:1]
    [0] [@4]: ipv4-glean: [src:10.0.0.0/24] sim0: mtu:1500 next:1 flags:[] ffffffffffff02fe000000010806
`,
		"show ip6 fib 2001:db8:5::7": title6 + `
2001:db8:5::/48
  unicast-ip6-chain
  [@0]: dpo-load-balance: [proto:ip6 index:1 buckets:1]
    [0] [@3]: ipv6: via fe80::9 sim0
`,
		"show ip fib summary": title4 + `
   Prefix length         Count      
                   0               1
                   4               2
                   8               1
                  16               4
                  24               1
                  32               6
`,
	} {
		if got := show(line); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", line, got, want)
		}
	}
	for _, line := range []string{"ip route del 172.16.0.0/16 via 10.0.0.2", "ip route del 172.16.0.0/16", "ip route del 0.0.0.0/0 via 10.0.0.2"} {
		if out := c.run(line); out != "" {
			t.Errorf("%s: %s", line, out)
		}
	}
	if got := show("show ip fib 172.16.1.1"); !strings.Contains(got, "0.0.0.0/0\n") || !strings.Contains(got, "dpo-drop") {
		t.Errorf("after the routes were deleted:\n%s", got)
	}
}

func TestCommandErrors(t *testing.T) {
	h := newSolo(t)
	c := newConsole(t, h.host)
	before := h.s.FIB().Load()
	for line, want := range map[string]string{
		"ip route add 10.9.0.0/16":                                "ip route: expected via\n",
		"ip route add":                                            "ip route: expected a prefix\n",
		"ip route add via 10.0.0.2":                               "ip route: expected a prefix, got `via 10.0.0.2'\n",
		"ip route add 10.9.0.0/16 via":                            "ip route: expected a next hop or an interface\n",
		"ip route add 10.9.0.0/16 via sim7":                       "ip route: unknown interface `sim7'\n",
		"ip route add 10.9.0.0/16 via 10.0.0.2 sim7":              "ip route: unknown interface `sim7'\n",
		"ip route add 10.9.0.0/16 via 10.0.0.2 sim0 what":         "ip route: unknown input `what'\n",
		"ip route add 10.9.0.0/16 via 10.0.0.2 weight 3":          "ip route: weight is not supported\n",
		"ip route add 10.9.0.0/33 via 10.0.0.2":                   "ip route: expected a prefix, got `10.9.0.0/33 via 10.0.0.2'\n",
		"ip route add 10.9.0.0/16 via 2001:db8::2":                "ip route: gateway and prefix are of different families: 10.9.0.0/16 via 2001:db8::2\n",
		"ip route add 2001:db8:9::/48 via fe80::2":                "ip route: a link-local gateway needs its interface: fe80::2\n",
		"ip route add 10.9.0.0/16 table 3 via 10.0.0.2":           "ip route: there is no table but 0\n",
		"ip route add 10.9.0.0/16 via drop via 10.0.0.2":          "ip route: drop and local cannot be mixed with other paths\n",
		"ip route del 10.9.0.0/16":                                "ip route: no such route: 10.9.0.0/16\n",
		"show ip fib 10.9.0.0/16":                                 "show ip fib: no such route: 10.9.0.0/16\n",
		"show ip fib 2001:db8::/64":                               "show ip fib: 2001:db8::/64 is of the other family\n",
		"show ip fib nonsense":                                    "show ip fib: unknown input `nonsense'\n",
		"set ip neighbor sim7 10.0.0.3 02:fe:00:00:00:03":         "set ip neighbor: unknown interface `sim7'\n",
		"set ip neighbor sim0 10.0.0 02:fe:00:00:00:03":           "set ip neighbor: expected an ip address, got `10.0.0 02:fe:00:00:00:03'\n",
		"set ip neighbor sim0 10.0.0.3 02:fe":                     "set ip neighbor: expected a mac address, got `02:fe'\n",
		"set ip neighbor sim0 10.0.0.3":                           "set ip neighbor: expected interface, IP address and MAC\n",
		"set ip neighbor sim0 10.0.0.3 01:00:00:00:00:03":         "set ip neighbor: 01:00:00:00:00:03 is not the address of one neighbor\n",
		"set ip neighbor del sim0 10.0.0.3":                       "set ip neighbor: no such neighbor: 10.0.0.3\n",
		"set ip neighbor sim0 10.0.0.3 02:fe:00:00:00:03 forever": "set ip neighbor: unknown input `forever'\n",
		"show ip neighbors sim7":                                  "show ip neighbors: unknown interface `sim7'\n",
		"show ip6 interface sim7":                                 "show ip6 interface: unknown interface `sim7'\n",
		"enable ip6 interface local0":                             "enable ip6 interface: not possible on local0\n",
		"ping nowhere":                                            "ping: expected an IPv4 or IPv6 address, got `nowhere'\n",
		"ping":                                                    "ping: expected an IPv4 or IPv6 address\n",
		"ping ipv6 10.0.0.2":                                      "ping: expected an IPv6 address, got `10.0.0.2'\n",
		"ping 10.0.0.2 source sim7":                               "ping: unknown interface `sim7'\n",
		"ping 10.0.0.2 source 10.0.0.5":                           "ping: 10.0.0.5 is not an address of ours\n",
		"ping 10.0.0.2 source 2001:db8::1":                        "ping: 2001:db8::1 and 10.0.0.2 are of different families\n",
		"ping 10.0.0.2 size 99999":                                "ping: size 99999 is not between 0 and 32768\n",
		"ping 10.0.0.2 burst 0":                                   "ping: burst 0 is not between 1 and 256\n",
		"ping 10.0.0.2 repeat often":                              "ping: expected a number after repeat, got `often'\n",
		"ping 10.0.0.2 interval -1":                               "ping: expected an interval of 0 to 3600 seconds, got `-1'\n",
		"ping 10.0.0.2 hard":                                      "ping: unknown input `hard'\n",
		"ping 10.0.0.2 table-id 4":                                "ping: expected table 0: there is no other, got `4'\n",
		"ping 8.8.8.8":                                            "ping: no route to 8.8.8.8\n",
		"ping 2002::1":                                            "ping: no route to 2002::1\n",
		"ping 0.0.0.0":                                            "ping: 0.0.0.0 cannot be pinged\n",
	} {
		if got := c.run(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if h.s.FIB().Load() != before {
		t.Error("a command that failed changed the table")
	}
}

func TestRouteCompletion(t *testing.T) {
	c := newConsole(t, newSolo(t).host)
	for line, want := range map[string]string{
		"ip route ":                              "add del",
		"ip route add ":                          "",
		"ip route add 10.9.0.0/16 ":              "table via",
		"ip route add 10.9.0.0/16 via ":          "drop local local0 sim0",
		"ip route add 10.9.0.0/16 via 10.0.0.2 ": "local0 sim0 via",
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

func TestShowNeighbors(t *testing.T) {
	h := newSolo(t)
	c := newConsole(t, h.host)
	header := "     Age                       IP                    Flags      Ethernet              Interface       \n"
	h.now += 2792900000
	h.step()
	for _, line := range []string{"set ip neighbor sim0 10.0.0.7 02fe.0000.0007", "ip neighbor sim0 fe80::7 02:fe:00:00:00:07 static"} {
		if out := c.run(line); out != "" {
			t.Errorf("%s: %s", line, out)
		}
	}
	h.now += 1e9
	h.step()
	row4 := "      3.7929                10.0.0.2                   S    02:fe:09:09:09:09 sim0\n" +
		"      1.0000                10.0.0.7                   D    02:fe:00:00:00:07 sim0\n"
	row6 := "      3.7929               2001:db8::2                 S    02:fe:09:09:09:09 sim0\n" +
		"      1.0000                 fe80::7                   S    02:fe:00:00:00:07 sim0\n"
	for line, want := range map[string]string{
		"show ip neighbors":      header + row4 + row6,
		"show ip neighbor sim0":  header + row4 + row6,
		"show ip4 neighbors":     header + row4,
		"show ip6 neighbors":     header + row6,
		"show ip6 neighbor sim0": header + row6,
	} {
		got := c.run(line)
		if blur(got) != blur(want) {
			t.Errorf("%s:\n%s\nwant\n%s", line, got, want)
		}
	}
	for _, line := range []string{"clear ip neighbors sim0", "set ip neighbor del sim0 10.0.0.2 02:fe:09:09:09:09", "set ip neighbor del sim0 fe80::7", "set ip neighbor del sim0 2001:db8::2"} {
		if out := c.run(line); out != "" {
			t.Errorf("%s: %s", line, out)
		}
	}
	if got := c.run("show ip neighbors"); got != "" {
		t.Errorf("an empty table prints %q", got)
	}
}

// blur drops the last two digits of ages: steps take 10 us each.
func blur(s string) string { return regexp.MustCompile(`(\.\d\d)\d\d `).ReplaceAllString(s, "$1 ") }

func TestIP6InterfaceCommands(t *testing.T) {
	h := newHost(t, 1)
	peer := newHost(t, 1)
	w := wire(t, h, peer, sim.Config{})
	h.up("sim0", w.End(0), "10.0.0.1/24")
	c := newConsole(t, h)
	if got := c.run("show ip6 interface sim0"); got != "IPv6 not enabled on sim0\n" {
		t.Errorf("%q", got)
	}
	if out := c.run("enable ip6 interface sim0"); out != "" {
		t.Error(out)
	}
	want := `sim0 is admin up
  Link-local address(es):
    fe80::fe:ff:fe00:1
  Joined group address(es):
    ff02::1
    ff02::1:ff00:1
`
	if got := c.run("show ip6 interface sim0"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	a := ad("fe80::fe:ff:fe00:1")
	if !h.s.IsLocal(h.workers[0], &a) {
		t.Error("the link-local address is not ours")
	}
	c.run("disable ip6 interface sim0")
	if h.s.IsLocal(h.workers[0], &a) {
		t.Error("still ours after disable")
	}
	settle(t, h)
}

// running makes two hosts on a wire whose workers run on threads of their own.
func running(t *testing.T) (a, b *host) {
	a, b = newHost(t, 1), newHost(t, 1)
	net := sim.NewNet(1)
	net.RealTime(worker.Monotonic)
	cfg := sim.Config{}
	cfg.Pools[0], cfg.Pools[1] = a.pool, b.pool
	w, err := net.NewWire(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*host{a, b} {
		for _, x := range h.workers {
			if err := x.Run(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(x.Stop) // before the host is taken down
		}
	}
	a.up("sim0", w.End(0), "10.0.0.1/24", "2001:db8::1/64")
	b.up("sim0", w.End(1), "10.0.0.2/24", "2001:db8::2/64")
	return a, b
}

func TestPingCommand(t *testing.T) {
	a, _ := running(t)
	c := newConsole(t, a)
	for line, want := range map[string]string{
		"ping 10.0.0.2 repeat 3 interval .01": `^88 bytes from 10\.0\.0\.2: icmp_seq=1 ttl=64 time=\d*\.\d{4} ms
88 bytes from 10\.0\.0\.2: icmp_seq=2 ttl=64 time=\d*\.\d{4} ms
88 bytes from 10\.0\.0\.2: icmp_seq=3 ttl=64 time=\d*\.\d{4} ms

Statistics: 3 sent, 3 received, 0% packet loss
$`,
		"ping ipv6 2001:db8::2 repeat 2 interval .01 size 5000": `^(5048 bytes from 2001:db8::2: icmp_seq=\d ttl=64 time=\d*\.\d{4} ms
){2}
Statistics: 2 sent, 2 received, 0% packet loss
$`,
		"ping 10.0.0.1 burst 4 repeat 1 verbose": `^Source address: 10\.0\.0\.1
(88 bytes from 10\.0\.0\.1: icmp_seq=1 ttl=64 time=\d*\.\d{4} ms
){4}
Statistics: 4 sent, 4 received, 0% packet loss
$`,
		"ping 10.0.0.2 source sim0 repeat 1":           `bytes from[^$]*Statistics: 1 sent, 1 received`,
		"ping 2001:db8::2 source 2001:db8::1 repeat 1": `bytes from[^$]*Statistics: 1 sent, 1 received`,
		"ping 10.0.0.77 repeat 2 interval .01":         `^\nStatistics: 2 sent, 0 received, 100% packet loss\n$`,
		"ping 10.0.0.2 repeat 0":                       `^\nStatistics: 0 sent, 0 received, 0% packet loss\n$`,
	} {
		if got := c.run(line); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s:\n%s", line, got)
		}
	}
	var b strings.Builder
	if err := c.r.Exec(context.Background(), "ping 10.0.0.2 repeat 1", &b, cli.Options{JSON: true}); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(b.String(), "\n", 2)
	var reply PingReply
	var stat PingStatistics
	if err := errors.Join(json.Unmarshal([]byte(lines[0]), &reply), json.Unmarshal([]byte(lines[1]), &stat)); err != nil ||
		reply.Bytes != 88 || reply.Seq != 1 || stat.Received != 1 {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestPingStops: Ctrl-C ends a ping at once, and it prints what it has.
func TestPingStops(t *testing.T) {
	a, _ := running(t)
	c := newConsole(t, a)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan struct{})
	out := &watched{first: first}
	done := make(chan error, 1)
	go func() { done <- c.r.Exec(ctx, "ping 10.0.0.2 repeat 1000000 interval 3600", out, cli.Options{}) }()
	select {
	case <-first:
	case <-time.After(20 * time.Second):
		t.Fatal("no reply")
	}
	cancel()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("ping does not stop")
	}
	if !strings.HasSuffix(out.String(), "Statistics: 1 sent, 1 received, 0% packet loss\n") {
		t.Errorf("printed %q", out.String())
	}
	for i := range a.s.pings {
		if a.s.pings[i].Load() != nil {
			t.Error("a ping is still registered")
		}
	}
}

// watched tells when something was written.
type watched struct {
	strings.Builder
	first chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	if w.first != nil {
		close(w.first)
		w.first = nil
	}
	return w.Builder.Write(b)
}

func TestPingsAreLimited(t *testing.T) {
	h := newHost(t, 1)
	seen := map[uint16]bool{}
	var all []*pinger
	for range maxPings {
		p, err := h.s.newPing(hdr.Addr{15: 1})
		h.ok(err)
		if seen[p.id] {
			t.Fatal("two pings with one identifier")
		}
		seen[p.id] = true
		all = append(all, p)
	}
	if _, err := h.s.newPing(hdr.Addr{15: 1}); err == nil {
		t.Error("one ping too many")
	}
	h.s.endPing(all[3])
	if _, err := h.s.newPing(hdr.Addr{15: 1}); err != nil {
		t.Error(err)
	}
}
