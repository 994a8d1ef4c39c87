package vdev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vpphost/dataplane/device"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	// What everything says before EAL runs.
	if _, err := dpdk.NewPool("early", 16, pkt.DefaultRoom); !errors.Is(err, dpdk.ErrNotInitialized) {
		fmt.Fprintln(os.Stderr, "a pool before Init:", err)
		os.Exit(1)
	}
	if err := dpdk.Init(dpdk.Config{MemMB: 96, Vdevs: []string{"net_null_conf,size=100"}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func newPool(t *testing.T) *dpdk.Pool {
	t.Helper()
	p, err := dpdk.NewPool(strings.ToLower(t.Name()), 2048, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if total, avail := p.Usage(); total != avail {
			t.Errorf("%d of %d buffers came back", avail, total)
			return
		}
		p.Close()
	})
	return p
}

func open(t *testing.T, o Options, pool *dpdk.Pool) *Device {
	t.Helper()
	d, err := Open(o, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFromConfiguration takes a port that EAL made at start.
func TestFromConfiguration(t *testing.T) {
	d := open(t, Options{Name: "net_null_conf", MTU: 1500}, newPool(t))
	bufs, _ := mem.Slice[*pkt.Buf](32)
	n := d.Rx(0).RxBurst(bufs)
	if n != 32 || bufs[0].DataLen != 100 {
		t.Fatalf("%d packets of %d bytes", n, bufs[0].DataLen)
	}
	if k := d.Tx(0).TxBurst(bufs); k != 32 {
		t.Fatalf("sent %d", k)
	}
	i := d.Info()
	if i.Name != "net_null_conf" || i.Driver != "net_null" || i.MaxMTU != 1500 || i.RxQ != 1 || len(i.WakeFDs) != 0 {
		t.Errorf("info %+v", i)
	}
	if c := d.Counters(); c.RxPackets != 32 || c.TxPackets != 32 || c.RxBytes != 3200 || c.TxBytes != 3200 {
		t.Errorf("counters %+v", c)
	}
	if !d.Link().Up {
		t.Error("link is down")
	}
	mac := [6]byte{2, 0, 0, 0, 0, 9}
	if err := d.SetMAC(mac); err != nil || d.Port.MAC() != mac {
		t.Errorf("set mac: %v", err)
	}
}

// TestQueues uses a device of several queues, each a ring to itself.
func TestQueues(t *testing.T) {
	pool := newPool(t)
	ring := open(t, Options{Name: "net_ring_q"}, pool)
	if err := ring.SetMAC([6]byte{2, 1, 2, 3, 4, 5}); !errors.Is(err, device.ErrUnsupported) {
		t.Errorf("set mac of a driver that cannot: %v", err)
	}
	d2 := open(t, Options{Name: "net_null_q", RxQ: 4, TxQ: 3, MAC: [6]byte{2, 1, 2, 3, 4, 5}}, pool)
	if i := d2.Info(); i.RxQ != 4 || i.TxQ != 3 || i.MAC != [6]byte{2, 1, 2, 3, 4, 5} {
		t.Errorf("info %+v", i)
	}
	bufs, _ := mem.Slice[*pkt.Buf](8)
	for q := range 4 {
		n := d2.Rx(q).RxBurst(bufs)
		if n != 8 {
			t.Errorf("queue %d gives %d", q, n)
		}
		d2.Tx(q % 3).TxBurst(bufs[:n])
	}
	if err := d2.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := d2.Rx(0).RxBurst(bufs); n != 0 {
		t.Errorf("a stopped queue gives %d packets", n)
	}
	if err := d2.Start(); err != nil {
		t.Fatal(err)
	}
	n := d2.Rx(0).RxBurst(bufs)
	if n != 8 {
		t.Errorf("started again, it gives %d", n)
	}
	d2.Tx(0).TxBurst(bufs[:n])
}

// TestPcap writes a capture file and reads it back.
func TestPcap(t *testing.T) {
	pool := newPool(t)
	file := filepath.Join(t.TempDir(), "x.pcap")
	w, err := Open(Options{Name: "net_pcap_w", Args: "tx_pcap=" + file + ",rx_pcap=/dev/null"}, pool)
	if err != nil {
		w, err = Open(Options{Name: "net_pcap_w2", Args: "tx_pcap=" + file}, pool)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	bufs, _ := mem.Slice[*pkt.Buf](10)
	if pool.Alloc(bufs) != 10 {
		t.Fatal("no buffers")
	}
	for i, b := range bufs {
		copy(b.Append(60+i), "frame")
	}
	if n := w.Tx(0).TxBurst(bufs); n != 10 {
		t.Fatalf("wrote %d", n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := open(t, Options{Name: "net_pcap_r", Args: "rx_pcap=" + file}, pool)
	n := r.Rx(0).RxBurst(bufs)
	for i, b := range bufs[:n] {
		if int(b.DataLen) != 60+i || string(b.Data()[:5]) != "frame" {
			t.Errorf("frame %d: %d bytes %q", i, b.DataLen, b.Data()[:5])
		}
	}
	if n != 10 {
		t.Errorf("read %d", n)
	}
	pool.Free(bufs[:n])
}

func TestErrors(t *testing.T) {
	pool := newPool(t)
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{}, "needs a name"},
		{Options{Name: "nosuchdriver0"}, "nosuchdriver0"},
		{Options{Name: "0000:ff:1f.0"}, "0000:ff:1f.0"},
		{Options{Name: "net_null_mtu", MTU: 9000}, "an mtu of 9000 needs packet buffers of 9014 bytes"},
		{Options{Name: "net_null_many", RxQ: 2000}, "2000 receive"},
	} {
		d, err := Open(tc.o, pool)
		if err == nil {
			t.Errorf("%+v was accepted", tc.o)
			d.Close()
		} else if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", tc.o, err)
		}
	}
	for _, p := range dpdk.Ports() {
		if p == "net_null_mtu" || p == "net_null_many" {
			t.Errorf("port %s is left", p)
		}
	}
	var e *dpdk.Error
	if _, err := Open(Options{Name: "nosuchdriver0"}, pool); !errors.As(err, &e) || e.Errno == 0 {
		t.Errorf("got %v", err)
	}
}

var _ device.Device = (*Device)(nil)
