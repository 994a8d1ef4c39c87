package tcp

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/transport"
)

func (h *host) exec(t *testing.T, line string) (string, error) {
	t.Helper()
	r := cli.NewRegistry()
	if err := r.Add(Commands(h.tcp)...); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err := r.Exec(context.Background(), line, &b, cli.Options{})
	return b.String(), err
}

func TestShowConfig(t *testing.T) {
	p := newPeer(t)
	got, err := p.h.exec(t, "show tcp config")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/config.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestSetCommand(t *testing.T) {
	p := newPeer(t)
	got, err := p.h.exec(t, "set tcp cc-algo newreno mtu 9000 initial-cwnd-multiplier 4 csum-offload off tx-pacing disable dsack on")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{"TCP default mtu: 9000\n", "TCP checksum offload: disabled\n", "TCP D-SACK for new connections: enabled\n"} {
		if !strings.Contains(got, l) {
			t.Errorf("no %q in %q", l, got)
		}
	}
	c := p.h.tcp.shards[0].cfg
	if c.Algorithm != cc.NewReno || c.MTU != 9000 || c.InitialCwnd != 4 || c.CsumOffload || !c.NoPacing || c.NoDSACK {
		t.Errorf("%+v", c)
	}
	s := p.accept(modern())
	if s.c().ccID != cc.NewReno || s.c().cong.Cwnd != 4000 {
		t.Errorf("algorithm %v, cwnd %d", s.c().ccID, s.c().cong.Cwnd)
	}
	for line, want := range map[string]string{
		"set tcp mtu 100":        "set tcp: mtu 100: must be at least 1280",
		"set tcp mtu 9000 bogus": "set tcp: unknown input `bogus'",
		"set tcp cc-algo bbr9":   `set tcp: unknown congestion control algorithm "bbr9"`,
		"set tcp csum-offload 5": "set tcp: expected enable or disable after csum-offload, got `5'",
	} {
		before := p.h.tcp.Config()
		if _, err := p.h.exec(t, line); err == nil || err.Error() != want {
			t.Errorf("%s: %v", line, err)
		}
		if p.h.tcp.Config() != before {
			t.Errorf("%s has changed something", line)
		}
	}
}

func TestShowAndClearStats(t *testing.T) {
	p := newPeer(t)
	s := p.accept(modern())
	s.write(500)
	p.pass(700e6)
	got, err := p.h.exec(t, "show tcp stats")
	if err != nil {
		t.Fatal(err)
	}
	const want = "Thread 0:\n 1 pending timers\n 2 timer expirations\n 2 segments retransmitted\n 2 timer retransmit events\n 1 connections of 1024, "
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	if _, err := p.h.exec(t, "clear tcp stats"); err != nil {
		t.Fatal(err)
	}
	if got, _ = p.h.exec(t, "show tcp stats"); !strings.HasPrefix(got, "Thread 0:\n 1 pending timers\n 1 connections of 1024, ") {
		t.Errorf("got %q", got)
	}
}

// TestInfo compares the lines with VPP's layout, word for word where numbers do not
// depend on chance.
func TestInfo(t *testing.T) {
	p := newPeer(t)
	s := p.open10(modern())
	p.send(ack(1, 1001, 4001))
	var i transport.Info
	if !p.h.tcp.Info(p.h.w, s.conn, &i) {
		t.Fatal("no connection")
	}
	if i.State != "ESTABLISHED" || i.Local.String() != "10.0.0.1:80" || i.Remote.String() != "10.0.0.9:5000" {
		t.Errorf("%v", i)
	}
	text := strings.Join(i.Text, "\n")
	for _, l := range []string{
		" index: 1 cfg: TSO off flags:  timers: RETRANSMIT",
		" snd_una 1 snd_nxt 10001 rcv_nxt 1 rcv_las 1",
		" flight size 10000 out space 0 rcv_wnd_av 1048576 tsval_recent 0",
		" cong:   fastrecovery algo cubic cwnd 7000 ssthresh 7000",
		" sboard: sacked 3000 lost 1000 high_sacked 4001 is_reneging 0 reorder 3",
		"        fr 1 tr 0 rxt segs 1 bytes 1000 duration ",
		" transport: flags: tx_paced",
	} {
		if !strings.Contains(text, l) {
			t.Errorf("no line %q in\n%s", l, text)
		}
	}
	if i.Fields["cwnd"] != uint32(7000) || i.Fields["sacked"] != 3000 {
		t.Errorf("%v", i.Fields)
	}
	if _, err := json.Marshal(i.Fields); err != nil {
		t.Error(err)
	}
}
