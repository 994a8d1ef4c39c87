package trace

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// rig is an instance with one interface, memif0/0, whose other end the test holds.
type rig struct {
	t      *testing.T
	pool   *sim.Pool
	w      *worker.Worker
	m      *iface.Manager
	tracer *Tracer
	reg    *cli.Registry
	peer   *sim.End
	i      *iface.Interface
	now    int64
	reply  bool // send back what comes in
	nodes  bool // report packets as ip and tcp do
}

var tcpNode = worker.TraceNode{Name: "tcp4-input", Layer: worker.TraceTCP, Text: func(dst []byte, args *[4]uint64) []byte {
	return fmt.Appendf(dst, "  connection %d\n", args[0])
}}

func (r *rig) Input(w *worker.Worker, i *iface.Interface, bufs []*pkt.Buf) {
	for _, b := range bufs {
		if r.nodes && b.Trace != 0 {
			w.Trace(b, &EthernetInput, 0)
			w.Trace(b, &IP4Input, 14)
			w.Trace(b, &tcpNode, 34, 7)
		}
		if r.reply {
			r.m.Tx(w, i.Index, []*pkt.Buf{b})
			continue
		}
		w.TraceDrop(b, "ip4-local", "unknown ip protocol")
		w.Bufs.Put(b)
	}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: 62e9}
	var err error
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r.pool, err = sim.NewPool("rig", 2048, pkt.DefaultRoom)
	fatal(err)
	wire, err := sim.NewNet(1).NewWire(sim.Config{Pools: [2]pkt.Pool{r.pool, r.pool}})
	fatal(err)
	r.peer = wire.End(1)
	r.w, err = worker.New(worker.Config{CPU: -1, Name: "vpp_main", Pool: r.pool})
	fatal(err)
	workers := []*worker.Worker{r.w}
	r.m, err = iface.New(workers, nil)
	fatal(err)
	r.tracer = New(workers, r.m)
	r.m.SetTap(r.tracer)
	r.m.SetInput(r)
	r.i, err = r.m.Add("memif0/0", "memif", wire.End(0))
	fatal(err)
	fatal(r.m.SetUp(r.i, true))
	r.reg = cli.NewRegistry()
	fatal(r.reg.Add(Commands(r.tracer, r.m.Words)...))
	t.Cleanup(func() {
		r.drain()
		if err := r.m.Delete(r.i); err != nil {
			t.Error(err)
		}
		r.w.Stop()
		r.w.Bufs.Flush()
		if n := r.pool.Leaked(); n != 0 {
			t.Errorf("%d buffers leaked", n)
		}
		r.pool.Close()
	})
	return r
}

func (r *rig) drain() (n int) {
	bufs := make([]*pkt.Buf, pkt.MaxBurst)
	for {
		k := r.peer.RxBurst(bufs)
		if k == 0 {
			return n
		}
		r.pool.Free(bufs[:k])
		n += k
	}
}

// inject has the peer send a frame, and steps.
func (r *rig) inject(frames ...[]byte) {
	r.t.Helper()
	for _, f := range frames {
		b := make([]*pkt.Buf, 1)
		if r.pool.Alloc(b) != 1 {
			r.t.Fatal("pool is empty")
		}
		copy(b[0].Append(len(f)), f)
		if r.peer.TxBurst(b) != 1 {
			r.t.Fatal("wire is full")
		}
	}
	r.now += 18471e3
	r.w.Step(r.now)
}

func (r *rig) run(line string) string {
	r.t.Helper()
	var b strings.Builder
	if err := r.reg.Exec(context.Background(), line, &b, cli.Options{}); err != nil {
		return b.String() + "error: " + err.Error()
	}
	return b.String()
}

func (r *rig) want(line, out string) {
	r.t.Helper()
	if got := r.run(line); got != out {
		r.t.Errorf("%s prints\n%s\nwant\n%s", line, got, out)
	}
}

// build serialises layers with correct lengths and checksums.
func build(t testing.TB, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	for k, x := range l {
		if n, ok := x.(gopacket.NetworkLayer); ok {
			for _, y := range l[k+1:] {
				if s, ok := y.(interface {
					SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
				}); ok {
					_ = s.SetNetworkLayerForChecksum(n)
				}
			}
		}
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), b.Bytes()...)
}

func ether(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: []byte{2, 0xfe, 0x85, 0x2e, 0x42, 0x19}, DstMAC: []byte{2, 0xfe, 0x36, 0x81, 0x26, 0x39}, EthernetType: t}
}

func synFrame(t testing.TB) []byte {
	return build(t, ether(layers.EthernetTypeIPv4),
		&layers.IPv4{Version: 4, TTL: 64, Protocol: 6, Flags: layers.IPv4DontFragment, SrcIP: []byte{192, 168, 11, 2}, DstIP: []byte{192, 168, 11, 1}},
		&layers.TCP{SrcPort: 21476, DstPort: 1235, Seq: 0x931b84ea, SYN: true, Window: 4096, Options: []layers.TCPOption{
			{OptionType: 2, OptionLength: 4, OptionData: []byte{5, 180}}, {OptionType: 4, OptionLength: 2},
			{OptionType: 8, OptionLength: 10, OptionData: []byte{0, 0, 0, 1, 0, 0, 0, 2}}, {OptionType: 1},
			{OptionType: 3, OptionLength: 3, OptionData: []byte{10}}}})
}

const synText = `  TCP: 192.168.11.2 -> 192.168.11.1
    tos 0x00, ttl 64, length 60, checksum 0xa368 dscp CS0 ecn NON_ECN
    fragment id 0x0000, flags DONT_FRAGMENT
`

const synTCP = `  TCP: 21476 -> 1235
    seq. 0x931b84ea ack 0x00000000
    flags 0x02 SYN, tcp header: 40 bytes
    window 4096, checksum 0x2fe9
    options: mss 1460, sack permitted, timestamp 1 echo 2, window scale 10
`

func TestTrace(t *testing.T) {
	r := newRig(t)
	none := "------------------- Start of thread 0 vpp_main -------------------\nNo packets in trace buffer\n"
	r.want("show trace", none)
	r.inject(synFrame(t)) // not armed yet
	r.want("show trace", none)
	r.want("trace add memif-input 2", "")
	r.nodes = true
	r.inject(synFrame(t))
	r.nodes, r.reply = false, true
	r.inject(synFrame(t), synFrame(t)) // only the first is traced
	in := "  memif0/0: hw_if_index 1 length 74\n    slot: ring 0\n"
	eth := "  IP4: 02:fe:85:2e:42:19 -> 02:fe:36:81:26:39\n"
	r.want("show trace", "------------------- Start of thread 0 vpp_main -------------------\n"+
		"Packet 1\n\n"+
		"00:01:02:036942: memif-input\n"+in+
		"00:01:02:036942: ethernet-input\n"+eth+
		"00:01:02:036942: ip4-input\n"+synText+synTCP+
		"00:01:02:036942: tcp4-input\n  connection 7\n"+synTCP+
		"00:01:02:036942: error-drop\n  rx:memif0/0\n  ip4-local: unknown ip protocol\n"+
		"\nPacket 2\n\n"+
		"00:01:02:055413: memif-input\n"+in+
		"00:01:02:055413: ethernet-input\n"+eth+
		"00:01:02:055413: ip4-input\n"+synText+synTCP+
		"00:01:02:055413: interface-output\n  memif0/0\n"+eth+"\n")
	if got := r.run("show trace max 1"); !strings.Contains(got, "Limiting display to 1 packets. To display more specify max.") ||
		strings.Contains(got, "Packet 2") {
		t.Errorf("max 1 prints %s", got)
	}
	if got := r.run("show trace | json"); !strings.Contains(got, `"node": "memif-input"`) {
		t.Errorf("json: %s", got)
	}
	r.want("clear trace", "")
	r.want("show trace", none)
	r.inject(synFrame(t))
	r.want("show trace", none)
	r.want("trace add interface-output 1", "")
	r.inject(synFrame(t), synFrame(t))
	if got := r.run("show trace"); strings.Count(got, "interface-output\n  memif0/0\n") != 1 {
		t.Errorf("interface-output: %s", got)
	}
	r.want("trace add memif-input 5", "")
	r.want("trace add memif-input 0", "")
	before := r.run("show trace")
	r.inject(synFrame(t))
	r.want("show trace", before)
}

func TestTraceErrors(t *testing.T) {
	r := newRig(t)
	for line, want := range map[string]string{
		"trace add foo-input 5":       "trace add: node 'foo-input' doesn't support per-node tracing: use memif-input, af-packet-input, tap-input, loopback-input or interface-output",
		"trace add memif-input":       "trace add: expected a count of at most 10000",
		"trace add memif-input 10001": "trace add: expected a count of at most 10000, got `10001'",
		"trace add memif-input 5 x":   "trace add: unknown input `x'",
		"trace add":                   "trace add: expected a node",
		"show trace max 0":            "show trace: expected a count after max, got `0'",
		"pcap trace":                  "pcap trace: expected rx, tx or drop",
		"pcap trace rx file a/b":      "pcap trace: illegal characters in filename `a/b'",
		"pcap trace rx intfc x":       "pcap trace: unknown interface `x'",
		"pcap trace rx max 0":         "pcap trace: expected a count after max, got `0'",
		"pcap trace rx max 60000000 max-bytes-per-pkt 60000": "pcap trace: max times max-bytes-per-pkt is limited to 1024 MB",
		"pcap trace rx bogus":                                "pcap trace: unknown input `bogus'",
		"pcap trace off":                                     "pcap trace: dispatch trace not enabled...",
		"pcap trace status":                                  "",
	} {
		got := strings.TrimPrefix(r.run(line), "error: ")
		if want == "" {
			want = "pcap dispatch capture disabled\n"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// A packet that is still under way when its record is gone must not show up in the
// record of another.
func TestStaleTraceNumber(t *testing.T) {
	r := newRig(t)
	r.run("trace add memif-input 1")
	var held *pkt.Buf
	r.m.SetInput(hold{&held})
	r.inject(synFrame(t))
	if held == nil || held.Trace == 0 {
		t.Fatal("not traced")
	}
	r.run("clear trace")
	r.run("trace add memif-input 1")
	r.m.SetInput(r)
	r.inject(synFrame(t))
	r.w.Trace(held, &tcpNode, 34)
	r.w.TraceDrop(held, "x", "y")
	if got := r.run("show trace"); strings.Contains(got, "tcp4-input") {
		t.Errorf("a stale packet was recorded: %s", got)
	}
	r.w.Bufs.Put(held)
}

type hold struct{ at **pkt.Buf }

func (h hold) Input(w *worker.Worker, i *iface.Interface, bufs []*pkt.Buf) { *h.at = bufs[0] }

func TestTraceIsBounded(t *testing.T) {
	r := newRig(t)
	r.run("trace add memif-input 3")
	r.m.SetInput(loops{})
	for range 5 {
		r.inject(synFrame(t))
	}
	traces, err := r.tracer.Traces(100)
	if err != nil || traces.Threads[0].Total != 3 {
		t.Fatalf("%v %+v", err, traces)
	}
	n := 0
	for _, p := range traces.Threads[0].Packets {
		n += len(p)
	}
	if n > 3*stepsEach+3 {
		t.Errorf("%d steps were kept", n)
	}
}

// loops reports a packet far more often than there is room for.
type loops struct{}

func (loops) Input(w *worker.Worker, i *iface.Interface, bufs []*pkt.Buf) {
	for range 1000 {
		w.Trace(bufs[0], &IP4Input, 14)
	}
	w.Bufs.PutN(bufs)
}

func TestUntracedPacketsCostNothing(t *testing.T) {
	r := newRig(t)
	b := r.w.Bufs.Get()
	b.Append(60)
	bufs := []*pkt.Buf{b}
	if n := testing.AllocsPerRun(100, func() {
		r.tracer.Received(r.w, 1, "memif", 0, bufs)
		r.tracer.Sent(r.w, 1, bufs)
		r.w.TraceDrop(b, "x", "y")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	r.run("trace add memif-input 10000")
	if n := testing.AllocsPerRun(100, func() {
		r.tracer.Received(r.w, 1, "memif", 0, bufs)
		r.w.Trace(b, &IP4Input, 14, 1, 2)
	}); n != 0 {
		t.Errorf("%v allocations while tracing", n)
	}
	r.w.Bufs.Put(b)
}

func TestCapture(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "x.pcap")
	read := func() (frames [][]byte, infos []gopacket.CaptureInfo) {
		t.Helper()
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p, err := pcapgo.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if p.LinkType() != layers.LinkTypeEthernet {
			t.Errorf("link type %v", p.LinkType())
		}
		for {
			d, ci, err := p.ReadPacketData()
			if err != nil {
				return
			}
			frames, infos = append(frames, d), append(infos, ci)
		}
	}
	r.reply = true
	if err := r.tracer.StartCapture(&Capture{Rx: true, Tx: true, Max: 5, Snap: 60, Iface: r.i.Index, File: file}); err != nil {
		t.Fatal(err)
	}
	if err := r.tracer.StartCapture(&Capture{Rx: true, Max: 5, Snap: 60}); err != ErrCapturing {
		t.Errorf("second capture: %v", err)
	}
	frame := synFrame(t)
	for range 4 {
		r.inject(frame)
	}
	c, err := r.tracer.StopCapture()
	if err != nil || c.Captured() != 5 {
		t.Fatalf("%v, %d captured", err, c.Captured())
	}
	frames, infos := read()
	if len(frames) != 5 {
		t.Fatalf("%d frames in the file", len(frames))
	}
	for k, f := range frames {
		if string(f) != string(frame[:60]) || infos[k].Length != len(frame) || infos[k].CaptureLength != 60 {
			t.Errorf("frame %d: %d of %d bytes", k, infos[k].CaptureLength, infos[k].Length)
		}
		want := worker.Epoch().Add(62e9 + 18471e3*time.Duration(k/2+1))
		if d := infos[k].Timestamp.Sub(want); d != 0 {
			t.Errorf("frame %d: time is off by %v", k, d)
		}
	}

	// Only drops, only on another interface.
	r.reply = false
	for _, x := range []struct {
		c    *Capture
		want int
	}{
		{&Capture{Drop: true, Iface: AnyInterface}, 1},
		{&Capture{Rx: true, Iface: AnyInterface}, 1},
		{&Capture{Tx: true, Iface: AnyInterface}, 0},
		{&Capture{Rx: true, Drop: true, Iface: 7}, 0},
	} {
		x.c.Max, x.c.Snap, x.c.File = 10, 2000, file
		if err := r.tracer.StartCapture(x.c); err != nil {
			t.Fatal(err)
		}
		r.inject(frame)
		_, err := r.tracer.StopCapture()
		if x.want == 0 {
			if err != ErrNothingCaptured {
				t.Errorf("%s: %v", x.c.what(), err)
			}
			continue
		}
		if frames, _ := read(); err != nil || len(frames) != x.want || string(frames[0]) != string(frame) {
			t.Errorf("%s on %d: %v, %d frames", x.c.what(), x.c.Iface, err, len(frames))
		}
	}
}

func TestPcapCommand(t *testing.T) {
	r := newRig(t)
	name := fmt.Sprintf("vpphost-test-%d.pcap", os.Getpid())
	path := "/tmp/" + name
	t.Cleanup(func() { os.Remove(path) })
	r.want("pcap trace rx tx max 10 max-bytes-per-pkt 100 intfc memif0/0 file "+name, "")
	r.want("pcap trace tx", "error: pcap trace: dispatch trace already enabled...")
	r.inject(synFrame(t))
	r.want("pcap trace status", "pcap rx tx dispatch capture enabled: 1 of 10 pkts...\ncapture on memif0/0 to file "+path+"\n")
	r.want("pcap trace status | json | include captured", "  \"captured\": 1,\n")
	r.want("pcap trace off", "Write 1 packets to "+path+", and stop capture...\n")
	if s, err := os.Stat(path); err != nil || s.Size() != 24+16+74 {
		t.Errorf("%v", err)
	}
	r.want("pcap trace rx", "")
	r.want("pcap trace off", "error: pcap trace: No packets captured...")
	r.want("pcap trace rx tx drop file "+name, "")
	r.want("pcap trace off", "error: pcap trace: No packets captured...")
}

func TestDecode(t *testing.T) {
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, TrafficClass: 0xb9, FlowLabel: 0x12345, NextHeader: 17,
		SrcIP: make([]byte, 16), DstIP: make([]byte, 16)}
	ip6.SrcIP[15], ip6.DstIP[15] = 1, 2
	ip4 := func(p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 1, TOS: 1, Protocol: p, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
	}
	frag := ip4(17)
	frag.FragOffset, frag.Flags, frag.Id = 185, layers.IPv4MoreFragments, 7
	for _, c := range []struct {
		layer worker.TraceLayer
		data  []byte
		want  string
	}{
		{worker.TraceEthernet, build(t, ether(0x88cc)), "  0x88cc: 02:fe:85:2e:42:19 -> 02:fe:36:81:26:39\n"},
		{worker.TraceEthernet, []byte{1, 2}, "  ethernet header truncated (2 bytes)\n"},
		{worker.TraceARP, build(t, &layers.ARP{AddrType: 1, Protocol: 0x800, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
			SourceHwAddress: []byte{2, 0, 0, 0, 0, 1}, SourceProtAddress: []byte{10, 0, 0, 1},
			DstHwAddress: make([]byte, 6), DstProtAddress: []byte{10, 0, 0, 2}}),
			"  request, type ethernet/IP4, address size 6/4\n  02:00:00:00:00:01/10.0.0.1 -> 00:00:00:00:00:00/10.0.0.2\n"},
		{worker.TraceIP, build(t, ip6, &layers.UDP{SrcPort: 53, DstPort: 1024}),
			"  UDP: ::1 -> ::2\n    tos 0xb9, flow label 0x12345, hop limit 64, payload length 8\n  UDP: 53 -> 1024\n    length 8, checksum 0xfba6\n"},
		{worker.TraceIP, build(t, ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 5, Seq: 6}),
			"  ICMP: 10.0.0.1 -> 10.0.0.2\n    tos 0x01, ttl 1, length 28, checksum 0xa5de dscp CS0 ecn ECT_1\n    fragment id 0x0000\n" +
				"  ICMP echo_request checksum 0xf7f4 id 5 seq 6\n"},
		{worker.TraceICMP, build(t, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}),
			"  ICMP destination_unreachable code 3 checksum 0xfcfc\n"},
		{worker.TraceIP, build(t, frag, gopacket.Payload("12345678")),
			"  UDP: 10.0.0.1 -> 10.0.0.2\n    tos 0x01, ttl 1, length 28, checksum 0x850e dscp CS0 ecn ECT_1\n    fragment id 0x0007 offset 1480, flags MORE_FRAGMENTS\n"},
		{worker.TraceIP, build(t, ip4(132), gopacket.Payload("12345678")),
			"  SCTP: 10.0.0.1 -> 10.0.0.2\n    tos 0x01, ttl 1, length 28, checksum 0xa55b dscp CS0 ecn ECT_1\n    fragment id 0x0000\n"},
		{worker.TraceTCP, []byte{0, 1}, "  tcp header truncated (2 bytes)\n"},
		{worker.TraceUDP, nil, "  udp header truncated (0 bytes)\n"},
		{worker.TraceNothing, []byte{1}, ""},
	} {
		if got := string(decode(nil, c.layer, c.data)); got != c.want {
			t.Errorf("layer %d:\n%q\nwant\n%q", c.layer, got, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint8(worker.TraceIP), synFrame(f)[14:])
	six, _ := hex.DecodeString("6000000000102c40" + strings.Repeat("00", 32) + "1100000000000001" + "0035040000080000")
	f.Add(uint8(worker.TraceIP), six)
	f.Fuzz(func(t *testing.T, layer uint8, data []byte) {
		out := decode(nil, worker.TraceLayer(layer), data)
		if len(out) > 0 && out[len(out)-1] != '\n' {
			t.Errorf("no newline at the end of %q", out)
		}
	})
}
