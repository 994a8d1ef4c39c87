package simtest

import (
	"fmt"
	"testing"

	"vpphost/dataplane/device/sim"
)

// impairments of a wire, worst last.
var impairments = []struct {
	name string
	link sim.Link
}{
	{"none", sim.Link{}},
	{"loss 0.1 %", sim.Link{Loss: 0.001}},
	{"loss 1 %", sim.Link{Loss: 0.01}},
	{"loss 5 %", sim.Link{Loss: 0.05}},
	{"burst loss", sim.Link{Loss: 0.005, LossBurst: 0.7}},
	{"reorder", sim.Link{Reorder: 0.05, ReorderBy: 300e3}},
	{"reorder far", sim.Link{Reorder: 0.02, ReorderBy: 8e6}},
	{"jitter", sim.Link{Jitter: 2e6}},
	{"duplicate", sim.Link{Duplicate: 0.1}},
	{"corrupt", sim.Link{Corrupt: 0.02}},
	{"all", sim.Link{Loss: 0.02, LossBurst: 0.3, Reorder: 0.05, ReorderBy: 3e6, Jitter: 500e3, Duplicate: 0.05, Corrupt: 0.02}},
}

// Bytes arrive complete and in order, whatever the wire does, in both directions at once.
func TestTransfer(t *testing.T) {
	for _, imp := range impairments {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s", imp.name, family(v6)), func(t *testing.T) {
				l := imp.link
				l.Delay, l.Rate, l.Queue = 2*ms, 200e6, 256
				size := uint64(1 << 20)
				if testing.Short() {
					size = 200e3
				}
				p := newPair(t, setup{seed: 7, links: both(l), v6: v6, decode: true})
				p.server.Serve = func() Plan { return Plan{Salt: 77, Send: size / 2, Finish: HalfCloseFirst} }
				p.open(1, func(int) Plan { return Plan{PeerSalt: 77, Send: size, Finish: HalfCloseFirst} })
				p.finish(1, 600*sec)
				p.received(p.client, size/2)
				p.received(p.server, size)
			})
		}
	}
}

// The same seed does the same: to the nanosecond.
func TestDeterministic(t *testing.T) {
	run := func(seed uint64) (int64, uint64) {
		l := impairments[len(impairments)-1].link
		l.Delay = 3 * ms
		p := newPair(t, setup{seed: seed, links: both(l)})
		p.server.Serve = func() Plan { return Plan{} }
		p.open(3, func(i int) Plan { return Plan{Send: 100e3, Finish: HalfCloseFirst} })
		p.finish(3, 600*sec)
		return p.w.Now(), p.check.Frames
	}
	at, frames := run(3)
	if at2, frames2 := run(3); at != at2 || frames != frames2 {
		t.Errorf("ended at %d after %d frames, then at %d after %d", at, frames, at2, frames2)
	}
	if at3, _ := run(4); at3 == at {
		t.Errorf("another seed, and the same time %d", at)
	}
}

// A wire that can carry large segments and complete checksums.
func TestTransferOffload(t *testing.T) {
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms}), wire: WireOptions{Offload: true, Ring: 64}})
	p.check.Offload = true
	p.server.Serve = func() Plan { return Plan{} }
	p.open(2, func(int) Plan { return Plan{Send: 1 << 20, Finish: HalfCloseFirst} })
	p.finish(2, 60*sec)
	p.received(p.server, 1<<20)
}

// A device that refuses packets slows the sender and loses nothing.
func TestTransferBackPressure(t *testing.T) {
	p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: 100e3, Rate: 1e9}), wire: WireOptions{Ring: 32}})
	p.server.Serve = func() Plan { return Plan{} }
	p.open(3, func(int) Plan { return Plan{Send: 2 << 20, Finish: HalfCloseFirst} })
	p.finish(3, 60*sec)
	p.received(p.server, 2<<20)
	if n := p.wire.Stats(0).Refused; n == 0 {
		t.Error("the ring was never full: the test tests nothing")
	}
	if lost := p.wire.Stats(0).Fates; lost[sim.Lost]+lost[sim.QueueFull] != 0 {
		t.Errorf("frames lost: %v", lost)
	}
}

// Small and odd MTUs, VLAN-free minimum frames padded to Ethernet's 60 bytes.
func TestTransferMTU(t *testing.T) {
	for _, mtu := range []int{576, 1280, 1281, 1499, 1500, 2000} {
		for _, v6 := range []bool{false, true} {
			if v6 && mtu < 1280 {
				continue
			}
			p := newPair(t, setup{seed: 1, links: both(sim.Link{Delay: ms, Loss: 0.01}), wire: WireOptions{MTU: mtu, Pad: true}, v6: v6})
			p.server.Serve = func() Plan { return Plan{Echo: true} }
			p.open(1, func(int) Plan { return Plan{Send: 100001, Finish: HalfCloseFirst} })
			p.finish(1, 600*sec)
			p.received(p.client, 100001)
		}
	}
}

func family(v6 bool) string {
	if v6 {
		return "ip6"
	}
	return "ip4"
}
