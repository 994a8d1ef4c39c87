package afpacket

import (
	"strings"
	"testing"
	"time"

	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/pkt"
)

func TestSuperPacketsAreCountedByDPDK(t *testing.T) {
	w := newWire(t, 1500)
	h := w.open(dpdks, newPool(t, pkt.DefaultRoom), Options{})
	superPackets(t, w)
	h.each(time.Second/2, func(b *pkt.Buf) bool {
		if d, ok := nettest.Parse(b.Data()); !ok || d.FrameBytes > 1514 {
			t.Errorf("a cut packet came through: %d bytes", b.DataLen)
		}
		return true
	})
	if c := h.d.Counters(); c.RxErrors != 20 {
		t.Errorf("%d drops are counted, want 20", c.RxErrors)
	}
	found := false
	for _, d := range h.d.Details() {
		found = found || d.Name == "rx cut by the kernel" && d.Value == uint64(20)
	}
	if !found {
		t.Errorf("details do not name the drops: %v", h.d.Details())
	}
	// The remedy that the warning names.
	w.ethtool("tx off")
	superPackets(t, w)
	n := 0
	h.each(5*time.Second, func(b *pkt.Buf) bool {
		if d, ok := nettest.Parse(b.Data()); ok && len(d.Payload) == 1000 {
			if !d.SumOK && b.Flags&pkt.L4Good == 0 {
				t.Error("a wrong checksum is not excused")
			}
			n++
		}
		return n < 400
	})
	if c := h.d.Counters(); n != 400 || c.RxErrors != 20 {
		t.Errorf("%d segments of 400, %d drops", n, c.RxErrors)
	}
}

func TestWarnings(t *testing.T) {
	w := newWire(t, 1500)
	h := w.open(dpdks, newPool(t, pkt.DefaultRoom), Options{})
	if len(h.warn) != 1 || !strings.Contains(h.warn[0], "another network namespace") {
		t.Errorf("peer away: %q", h.warn)
	}
	ns := w.ns
	nettest.Run(t, "ip -n "+ns+" link add vc type veth peer name vd")
	warn := func() (out []string) {
		if err := netdev.In(ns, func() error {
			l, err := netdev.Find("vc")
			out = warnings(l)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	nettest.Run(t, "ip netns exec "+ns+" ethtool -K vc gro on")
	want := []string{"ethtool -K vc gro off", "ethtool -K vd tx off"}
	got := warn()
	if len(got) != 2 || !strings.HasSuffix(got[0], want[0]) || !strings.HasSuffix(got[1], want[1]) {
		t.Errorf("got %q", got)
	}
	for _, l := range want { // as printed
		nettest.Run(t, "ip netns exec "+ns+" "+l)
	}
	if got := warn(); len(got) != 0 {
		t.Errorf("the remedies do not remedy: %q", got)
	}
}
