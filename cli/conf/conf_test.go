package conf

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

func mustLoad(t *testing.T, file string) (*Config, []string) {
	t.Helper()
	c, warnings, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var w []string
	for _, one := range warnings {
		w = append(w, one.String())
	}
	return c, w
}

func TestExample(t *testing.T) {
	got, warnings := mustLoad(t, "testdata/example.conf")
	want := Default()
	want.Unix.NoDaemon, want.Unix.Log, want.Unix.CLIListen = true, "/var/log/vpp/vpp.log", "/run/vpp/cli.sock"
	want.Unix.Group, want.Unix.Exec = "vpp", "/etc/vpp/setup.gate"
	want.CPU.MainCore, want.CPU.WorkerCores = 1, []int{2, 3, 18, 19}
	want.Buffers = Buffers{128000, 2048}
	want.DPDK.DevDefault.RxQueues = 2
	want.DPDK.Devs = []Device{{PCI: "0000:02:00.0", Name: "eth0", RxDesc: 512}}
	want.Session.Enable = true
	want.TCP.MTU, want.TCP.TSO, want.TCP.NoCsumOffload = 1460, true, true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	wantWarnings := []string{
		"testdata/example.conf:3:58: buffers: page-size: accepted, has no effect",
		"testdata/example.conf:4:87: dpdk: no-multi-seg: accepted, has no effect",
		"testdata/example.conf:4:100: dpdk: uio-driver: accepted, has no effect",
		"testdata/example.conf:5:18: session: rt-backend: accepted, has no effect",
		"testdata/example.conf:5:40: session: event-queue-length: accepted, has no effect",
		"testdata/example.conf:5:65: session: preallocated-sessions: accepted, has no effect",
		"testdata/example.conf:5:92: session: v4-session-table-buckets: accepted, has no effect",
		"testdata/example.conf:5:123: session: v4-session-table-memory: accepted, has no effect",
		"testdata/example.conf:6:30: tcp: tso: accepted, has no effect",
		"testdata/example.conf:6:50: tcp: cubic: accepted, has no effect",
		"testdata/example.conf:7:1: plugins: section accepted, has no effect",
	}
	if !slices.Equal(warnings, wantWarnings) {
		t.Errorf("warnings:\n%s", strings.Join(warnings, "\n"))
	}
	dev := got.DPDK.Resolve(got.DPDK.Devs[0])
	if dev.RxQueues != 2 || dev.RxDesc != 512 || dev.TxDesc != 1024 || dev.TxQueues != 0 {
		t.Errorf("resolved %+v", dev)
	}
}

func TestPackaged(t *testing.T) {
	got, warnings := mustLoad(t, "testdata/packaged.conf")
	want := Default()
	want.Unix = Unix{NoDaemon: true, Log: "/var/log/vpp/vpp.log", CLIListen: "/run/vpp/cli.sock", Group: "vpp",
		PollSleep: 100 * time.Microsecond, CLIPrompt: "vpp# ", CLIPagerLimit: 100000, Exec: "/etc/a b", PIDFile: "vpp.pid",
		NoColor: true, NoBanner: true}
	want.CPU.MainCore, want.CPU.Workers, want.CPU.SkipCores = 0, 2, 1
	want.DPDK.DevDefault = Device{RxQueues: 3, DevArgs: "safe-mode-support=1,pipeline-mode-support=1"}
	want.DPDK.Devs = []Device{{PCI: "0000:02:00.1"}, {PCI: "0000:0a:00.0", TxDesc: 256}}
	want.DPDK.Vdevs = []string{"net_null0,size=64", "eth_bond0,mode=1"}
	want.DPDK.SocketMem = []int{2048, 1024}
	want.DPDK.EALArgs = []string{"--iova-mode=pa", "--no-hpet", "--force-max-simd-bitwidth=256", "-r", "2"}
	want.DPDK.LogLevel = "debug"
	want.Session.Enable, want.Session.MinSrcPort, want.Session.MaxSrcPort = true, 2000, 3000
	want.Logging.Level, want.Logging.Size = "debug", 100
	want.TCP.MaxRxFIFO, want.TCP.TimeWait, want.TCP.CCAlgo = 4<<20, time.Second, "newreno"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	text := strings.Join(warnings, "\n")
	for _, part := range []string{
		"packaged.conf:5:3: unix: full-coredump: accepted, has no effect",
		"packaged.conf:11:1: api-trace: section accepted, has no effect",
		"packaged.conf:13:1: socksvr: section accepted, has no effect",
		"packaged.conf:20:5: dpdk: dev default: rss: accepted, has no effect",
		"packaged.conf:36:37: session: evt_qs_memfd_seg: accepted",
		"packaged.conf:24:22: dpdk: dev: workers: accepted",
		"packaged.conf:39:35: logging: class: accepted",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no warning %q in\n%s", part, text)
		}
	}
	if n := len(warnings); n != 18 {
		t.Errorf("%d warnings:\n%s", n, text)
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"unix {\n  nodaemon\n  bogus 3\n}":                   "f:3:3: unix: unknown input `bogus'",
		"nosuch { a }":                                       "f:1:1: unknown section `nosuch'",
		"unix interactive":                                   "f:1:6: unix: expected {, got `interactive'",
		"unix":                                               "f:1:5: unix: expected {, got the end",
		"unix {\n nodaemon":                                  "f:1:6: unix: missing } for this {",
		"unix { nodaemon } }":                                "f:1:19: unexpected }",
		"{ unix }":                                           "f:1:1: unexpected {",
		"unix { { nodaemon } }":                              "f:1:8: unix: unexpected {",
		"unix { exec }":                                      "f:1:13: unix: exec: expected a file, got `}'",
		"unix { exec { a } }":                                "f:1:13: unix: exec: expected a file, got `{'",
		"unix { cli-history-limit x }":                       "f:1:26: unix: cli-history-limit: expected a number from 0 to 1000000, got `x'",
		"unix { poll-sleep-usec -1 }":                        "f:1:24: unix: poll-sleep-usec: expected microseconds from 0 to 1000000, got `-1'",
		"cpu { workers 256 }":                                "f:1:15: cpu: workers: expected a number from 0 to 255, got `256'",
		"cpu { corelist-workers 3-2 }":                       "f:1:24: cpu: corelist-workers: expected a list of cores from 0 to 1023 such as 2-3,18, got `3-2'",
		"cpu { corelist-workers 1, }":                        "f:1:24: cpu: corelist-workers: expected a list of cores from 0 to 1023 such as 2-3,18, got `1,'",
		"cpu { corelist-workers 0-65535 }":                   "f:1:24: cpu: corelist-workers: expected a list of cores from 0 to 1023 such as 2-3,18, got `0-65535'",
		"cpu { coremask-workers xyz }":                       "f:1:24: cpu: coremask-workers: expected a hexadecimal mask of cores, got `xyz'",
		"cpu { coremask-workers 0 }":                         "f:1:24: cpu: coremask-workers: expected a hexadecimal mask of cores, got `0'",
		"cpu { workers 2 }\ncpu { corelist-workers 1 }":      "f:2:1: cpu: workers and corelist-workers exclude each other",
		"buffers { default data-size 64k }":                  "f:1:29: buffers: default data-size: expected a size from 256 to 63.48k, got `64k'",
		"buffers { default }":                                "f:1:11: buffers: unknown input `default'",
		"dpdk { dev eth0 }":                                  "f:1:12: dpdk: dev: expected a PCI address, 0000:02:00.0, got `eth0'",
		"dpdk { dev 0000:02:00.0 { name } }":                 "f:1:32: dpdk: dev: name: expected a name, got `}'",
		"dpdk { dev default { num-rx-desc 31 } }":            "f:1:34: dpdk: dev default: num-rx-desc: expected a number from 32 to 32768, got `31'",
		"dpdk { dev default }":                               "f:1:20: dpdk: dev default: expected {, got `}'",
		"dpdk { dev 02:00.0 }\n\n dpdk { dev 0000:02:00.0 }": "f:3:2: dpdk: dev 0000:02:00.0 is given twice",
		"dpdk { socket-mem 64,x }":                           "f:1:19: dpdk: socket-mem: expected MiB for each socket, 64 or 64,64, got `64,x'",
		"session { enable rt-backend }":                      "f:1:29: session: rt-backend: expected a value, got `}'",
		"session { min-src-port 9 max-src-port 8 }":          "f:1:1: session: min-src-port is above max-src-port",
		"session { v4-session-table-buckets }":               "f:1:36: session: v4-session-table-buckets: expected a value, got `}'",
		"tcp { cc-algo vegas }":                              "f:1:15: tcp: cc-algo: expected cubic or newreno, got `vegas'",
		"tcp { timewait-time 0 }":                            "f:1:21: tcp: timewait-time: expected seconds from 1 to 86400, got `0'",
		"tcp { max-rx-fifo 4k min-rx-fifo 8k }":              "f:1:1: tcp: min-rx-fifo is above max-rx-fifo",
		"udp { mtu 70 }":                                     "f:1:11: udp: mtu: expected a number from 1280 to 65535, got `70'",
		"udp { csum }":                                       "f:1:7: udp: unknown input `csum'",
		"tcp { cubic { ssthresh 3 }":                         "f:1:5: tcp: missing } for this {",
		"memory { a { b }":                                   "f:1:8: memory: missing } for this {",
		"memory":                                             "f:1:7: memory: expected {, got the end",
		"logging { default-log-level loud }":                 "f:1:29: logging: default-log-level: expected emerg, alert, crit, error, warn, notice, info, debug or disabled, got `loud'",
		"test-proxy { server-uri }":                          "f:1:25: test-proxy: server-uri: expected a URI such as tcp://0.0.0.0/80, got `}'",
		"test-proxy { client-uri tcp://1.1.1.1/1 }":          "f:1:1: test-proxy: client-uri tcp://1.1.1.1/1 has no server-uri",
		"test-proxy { server { server-uri tcp://:1 } }":      "f:1:1: test-proxy: server-uri tcp://:1 has no client-uri",
		"test-proxy { fifo-size 4k }":                        "f:1:1: test-proxy: entry 1 has no server-uri and no client-uri",
		"test-proxy { server { idle-timeout 0 } }":           "f:1:36: test-proxy: server: idle-timeout: expected seconds from 1 to 2592000, got `0'",
		"# unix {\nunix { \\\n bo\\\ngus }":                  "f:3:2: unix: unknown input `bo'",
		strings.Repeat(" ", maxText+1):                       "f:1:262146: longer than 262144 bytes",
	} {
		c, _, err := Parse("f", text)
		if c != nil || err == nil || err.Error() != want {
			t.Errorf("%.60q:\ngot  %v\nwant %s", text, err, want)
		}
		var place *Error
		if !errors.As(err, &place) {
			t.Errorf("%.60q: %T is no *Error", text, err)
		}
	}
}

// TestTestProxy: which URIs and options make an entry.
func TestTestProxy(t *testing.T) {
	c, warnings, err := Parse("f", `
test-proxy {
  server-uri tcp://:1 client-uri tcp://1.1.1.1/1 client-uri tcp://1.1.1.1/2 fifo-size 32k
  client-uri udp://1.1.1.1/3
  server-uri tcp://:4 server-uri tcp://:5 client-uri tcp://1.1.1.1/4 idle-timeout 7 connect-timeout 8 prealloc-fifos 3
}
test-proxy {
  server { listener udp://:6 action connect upstream udp://1.1.1.1/6 max-fifo-size 1m high-watermark 70 }
  server { client-uri tcp://1.1.1.1/7 server-uri tcp://:7 }
}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []ProxyEntry{
		{URIs: []ProxyURI{{false, "tcp://:1"}, {true, "tcp://1.1.1.1/1"}, {true, "tcp://1.1.1.1/2"}, {true, "udp://1.1.1.1/3"}}, FIFOSize: 32 << 10},
		{URIs: []ProxyURI{{false, "tcp://:4"}, {false, "tcp://:5"}, {true, "tcp://1.1.1.1/4"}}, IdleTimeout: 7 * time.Second, ConnectTimeout: 8 * time.Second},
		{URIs: []ProxyURI{{false, "udp://:6"}, {true, "udp://1.1.1.1/6"}}, MaxFIFOSize: 1 << 20, HighWatermark: 70},
		{URIs: []ProxyURI{{true, "tcp://1.1.1.1/7"}, {false, "tcp://:7"}}},
	}
	if !reflect.DeepEqual(c.Proxy.Entries, want) {
		t.Errorf("got  %+v\nwant %+v", c.Proxy.Entries, want)
	}
	if len(warnings) != 2 {
		t.Errorf("%v", warnings)
	}
}

func TestParseWords(t *testing.T) {
	c, _, err := ParseWords([]string{"unix", "{", "nodaemon", "}", "session { enable }"})
	if err != nil || !c.Unix.NoDaemon || !c.Session.Enable {
		t.Errorf("%v %+v", err, c)
	}
	_, _, err = ParseWords([]string{"unix", "{", "nodaemon", "}", "sesion { enable }"})
	if err == nil || err.Error() != "command line:1:19: unknown section `sesion'" {
		t.Error(err)
	}
	if c, w, err := ParseWords(nil); err != nil || w != nil || !reflect.DeepEqual(c, Default()) {
		t.Errorf("no words: %v %v", w, err)
	}
}

func TestLoadMissing(t *testing.T) {
	if _, _, err := Load("testdata/nosuch.conf"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, _, err := Load("testdata"); err == nil {
		t.Error("a directory was read")
	}
}

func TestPlace(t *testing.T) {
	allowed := []int{0, 1, 4, 5}
	for text, want := range map[string]string{
		"":                                      "-1 [-1]",
		"main-core 0":                           "0 [0]",
		"main-core 5":                           "5 [5]",
		"workers 2":                             "-1 [0 1]",
		"workers 2 skip-cores 1":                "-1 [1 4]",
		"main-core 1 workers 2":                 "1 [4 5]",
		"main-core 1 workers 3":                 "1 [4 5 4]",
		"workers 1 skip-cores 9":                "cpu: no core is left for 1 workers",
		"corelist-workers 4-5":                  "-1 [4 5]",
		"main-core 4 corelist-workers 4":        "4 [4]",
		"corelist-workers 2":                    "cpu: the process may not use core 2",
		"main-core 2":                           "cpu: the process may not use core 2",
		"coremask-workers 0x31":                 "-1 [0 4 5]",
		"relative main-core 2":                  "4 [4]",
		"relative corelist-workers 0,3":         "-1 [0 5]",
		"relative corelist-workers 4":           "cpu: relative core 4: the process may use 4 cores",
		"relative main-core 1 workers 1":        "1 [4]",
		"main-core 0 workers 2 skip-cores 2":    "0 [4 5]",
		"main-core 0 corelist-workers 1-1,4,1 ": "0 [1 4]",
	} {
		c, _, err := Parse("f", "cpu { "+text+" }")
		if err != nil {
			t.Fatal(err)
		}
		main, workers, err := c.CPU.Place(allowed)
		got := fmt.Sprint(main, " ", workers)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestGroupID(t *testing.T) {
	for group, want := range map[string]string{
		"":                "0 false <nil>",
		"123":             "123 true <nil>",
		"root":            "0 true <nil>",
		"nosuch-group-xy": "0 false unix: gid: group: unknown group nosuch-group-xy",
	} {
		u := Unix{Group: group}
		gid, ok, err := u.GroupID()
		if got := fmt.Sprint(gid, ok, err); got != want {
			t.Errorf("%q: got %s, want %s", group, got, want)
		}
	}
}

// TestHelp compares the list of all options with the golden file, and sees to it
// that every option that has an effect says which.
func TestHelp(t *testing.T) {
	var b strings.Builder
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || b.String() != string(want) {
		t.Errorf("%v; got\n%s", err, b.String())
	}
}

// TestNames: no two sections and no two keys of a section have the same name.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Default().Sections() {
		for _, k := range append(s.Keys, Key{}) {
			name := s.Name + " { " + k.Name
			if seen[name] {
				t.Errorf("%s is declared twice", name)
			}
			seen[name] = true
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/example.conf", "testdata/packaged.conf"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("unix { exec a\\\n# }")
	f.Add("cpu { corelist-workers 0-1023,5 } dpdk { dev default { rss { { } } } }")
	f.Fuzz(func(t *testing.T, text string) {
		c, warnings, err := Parse("f", text)
		lines := strings.Count(text, "\n") + 1
		inside := func(line, col int) {
			if line < 1 || line > lines || col < 1 || col > len(text)+1 {
				t.Fatalf("%q: place %d:%d", text, line, col)
			}
		}
		for _, w := range warnings {
			inside(w.Line, w.Col)
		}
		if err != nil {
			var place *Error
			if !errors.As(err, &place) || c != nil {
				t.Fatalf("%q: %v", text, err)
			}
			inside(place.Line, place.Col)
			return
		}
		// What was accepted is accepted twice, and means the same unless it adds up.
		again, _, err := Parse("f", text+"\n"+text)
		if err != nil && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "longer") && !strings.HasSuffix(text, `\`) {
			t.Fatalf("%q twice: %v", text, err)
		}
		if err == nil && again.TCP != c.TCP && !strings.HasSuffix(text, `\`) {
			t.Fatalf("%q: %+v, twice %+v", text, c.TCP, again.TCP)
		}
	})
}

func TestUDP(t *testing.T) {
	c, warnings, err := Parse("f", "udp { mtu 1400 no-csum-offload icmp-unreachable-disabled }")
	if err != nil || len(warnings) != 0 || c.UDP != (UDP{MTU: 1400, NoCsumOffload: true, ICMPUnreachableDisabled: true}) {
		t.Errorf("%+v, %v, %v", c, warnings, err)
	}
}
