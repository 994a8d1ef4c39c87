package ip

import (
	"net/netip"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

// host is a stack with workers that the test steps.
type host struct {
	t       testing.TB
	pool    *sim.Pool
	workers []*worker.Worker
	ifs     *iface.Manager
	set     *stats.Set
	s       *Stack
	now     int64
}

func newHost(t testing.TB, workers int) *host {
	t.Helper()
	h := &host{t: t, set: &stats.Set{}, now: 1e9}
	var err error
	if h.pool, err = sim.NewPool("host", 4096, pkt.DefaultRoom); err != nil {
		t.Fatal(err)
	}
	for k := range workers {
		w, err := worker.New(worker.Config{Index: k, CPU: -1, Pool: h.pool, Seed: uint64(k)})
		if err != nil {
			t.Fatal(err)
		}
		h.workers = append(h.workers, w)
	}
	if h.ifs, err = iface.New(h.workers, h.set); err != nil {
		t.Fatal(err)
	}
	if h.s, err = New(h.workers, h.ifs, h.set); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

// close takes everything down and checks that every buffer has come back.
func (h *host) close() {
	for _, i := range h.ifs.All() {
		if i.Index != 0 {
			h.ok(h.ifs.Delete(i))
		}
	}
	for k := range 200 { // reassemblies time out
		h.now += 1e9
		h.step()
		if k > 100 && h.pool.Leaked() == 0 {
			break
		}
	}
	for _, w := range h.workers {
		w.Stop()
		w.Bufs.Flush()
	}
	if n := h.pool.Leaked(); n != 0 {
		h.t.Errorf("%d buffers leaked", n)
	}
	h.pool.Close()
}

func (h *host) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// step makes one Step on each worker, 10 us later.
func (h *host) step() (work int) {
	h.now += 1e4
	for _, w := range h.workers {
		work += w.Step(h.now)
	}
	return work
}

// up makes an interface over dev that is up and has the given addresses.
func (h *host) up(name string, end *sim.End, addrs ...string) *iface.Interface {
	h.t.Helper()
	i, err := h.ifs.Add(name, "sim", end)
	h.ok(err)
	for _, a := range addrs {
		h.ok(h.ifs.AddAddr(i, netip.MustParsePrefix(a)))
	}
	h.ok(h.ifs.SetUp(i, true))
	return i
}

// errors reads an error counter over all workers.
func (h *host) errors(node, reason string) (n uint64) {
	h.t.Helper()
	found := false
	for _, g := range h.set.Groups() {
		for r, x := range g.Reasons {
			if g.Node == node && x.Text == reason {
				found = true
				for k := range h.workers {
					n += g.Row(k)[r]
				}
			}
		}
	}
	if !found {
		h.t.Fatalf("no counter %s: %s", node, reason)
	}
	return n
}

// counters are all counters that are not zero, for messages.
func (h *host) counters() map[string]uint64 {
	out := map[string]uint64{}
	for _, g := range h.set.Groups() {
		for r, x := range g.Reasons {
			for k := range h.workers {
				if n := g.Row(k)[r]; n > 0 {
					out[g.Node+": "+x.Text] += n
				}
			}
		}
	}
	return out
}

func wire(t testing.TB, a, b *host, c sim.Config) *sim.Wire {
	t.Helper()
	c.Pools = [2]pkt.Pool{a.pool, b.pool}
	w, err := sim.NewNet(1).NewWire(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// settle steps all hosts until nothing happens any more.
func settle(t testing.TB, hosts ...*host) {
	t.Helper()
	for range 200 {
		work := 0
		for _, h := range hosts {
			work += h.step()
		}
		if work == 0 {
			return
		}
	}
	t.Fatal("hosts do not come to rest")
}

// later lets time pass on all hosts, in steps of 100 ms.
func later(t testing.TB, ns int64, hosts ...*host) {
	t.Helper()
	for ; ns > 0; ns -= 1e8 {
		for _, h := range hosts {
			h.now += min(1e8, ns)
		}
		settle(t, hosts...)
	}
}

func ad(s string) hdr.Addr { return hdr.AddrOf(netip.MustParseAddr(s)) }

// ping sends one echo request from h and returns the replies that come until nothing
// happens any more.
func (h *host) ping(to string, size int, others ...*host) []pingReply {
	h.t.Helper()
	p, err := h.s.newPing(ad(to))
	h.ok(err)
	defer h.s.endPing(p)
	_, _, err = h.s.sendPing(p, &pingRequest{seq: 1, size: size, burst: 1})
	h.ok(err)
	settle(h.t, append(others, h)...)
	return h.replies(p)
}

func (h *host) replies(p *pinger) (out []pingReply) {
	for {
		r, ok := p.take()
		if !ok {
			return out
		}
		out = append(out, r)
	}
}

// TestPingFallsBehind: replies that find no slot are lost, those that come later are not.
func TestPingFallsBehind(t *testing.T) {
	h := newHost(t, 1)
	p, err := h.s.newPing(ad("10.0.0.2"))
	h.ok(err)
	defer h.s.endPing(p)
	for seq := range pingSlots + 500 {
		p.put(h.workers[0], pingReply{seq: uint16(seq)})
	}
	if n := len(h.replies(p)); n != pingSlots {
		t.Fatalf("%d replies", n)
	}
	p.put(h.workers[0], pingReply{seq: 7})
	if got := h.replies(p); len(got) != 1 || got[0].seq != 7 {
		t.Errorf("got %v after others were lost", got)
	}
}

func TestPing(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	w := wire(t, a, b, sim.Config{})
	ia := a.up("sim0", w.End(0), "10.0.0.1/24", "2001:db8::1/64")
	ib := b.up("sim0", w.End(1), "10.0.0.2/24", "2001:db8::2/64")
	settle(t, a, b)
	llb := hdr.LinkLocal(ib.MAC())
	for _, c := range []struct {
		to     string
		length int
	}{{"10.0.0.2", 88}, {"2001:db8::2", 108}, {llb.String(), 108}, {"10.0.0.1", 88}, {"2001:db8::1", 108}} {
		got := a.ping(c.to, 60, b)
		if len(got) != 1 || got[0].failed || got[0].seq != 1 || got[0].ttl != 64 || got[0].from != ad(c.to) || got[0].length != c.length || got[0].rtt <= 0 {
			t.Errorf("ping %s: %+v\na %v\nb %v", c.to, got, a.counters(), b.counters())
		}
	}
	if n := a.errors("ip4-arp", "ARP requests sent"); n != 1 {
		t.Errorf("%d ARP requests", n)
	}
	if n := b.errors("ip4-arp", "ARP requests sent"); n != 0 {
		t.Errorf("the answering side asked %d times: it should have learned from the request", n)
	}
	_ = ia
}
