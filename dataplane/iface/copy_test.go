package iface

import (
	"slices"
	"testing"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/pkt"
)

// copying is the end of a wire whose queues copy frames, as memif's do.
type copying struct {
	*sim.End
	pool   pkt.Pool
	offers []int // how many empty buffers each receive call was given
	used   []*pkt.Buf
}

func (d *copying) Rx(int) device.RxQueue { return d }
func (d *copying) Tx(int) device.TxQueue { return d }

func (d *copying) RxCopy(bufs []*pkt.Buf) int {
	d.offers = append(d.offers, len(bufs))
	var in [1]*pkt.Buf
	n := 0
	for n < len(bufs) && d.End.RxBurst(in[:]) == 1 {
		copy(bufs[n].Append(len(in[0].Data())), in[0].Data())
		d.pool.Free(in[:])
		n++
	}
	d.used = append(d.used, bufs[:n]...)
	return n
}

func (d *copying) TxCopy(bufs []*pkt.Buf) int {
	var out [1]*pkt.Buf
	for n, b := range bufs {
		if d.pool.Alloc(out[:]) != 1 {
			return n
		}
		copy(out[0].Append(len(b.Data())), b.Data())
		if d.End.TxBurst(out[:]) != 1 {
			d.pool.Free(out[:])
			return n
		}
	}
	return len(bufs)
}

func (h *host) copying(name string, end *sim.End) (*Interface, *copying) {
	h.t.Helper()
	d := &copying{End: end, pool: h.pool}
	i, err := h.m.Add(name, "sim", d)
	h.ok(err)
	h.ok(h.m.SetUp(i, true))
	return i, d
}

// TestCopyingQueues: the worker keeps its buffers, uses those first that were freed last,
// and counts as for any other device.
func TestCopyingQueues(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia, _ := a.copying("sim0", wire.End(0))
	ib, db := b.copying("sim0", wire.End(1))
	var sent []int
	for k := range 5 {
		a.send(0, ia, 100*k, 100, 60)
		a.step()
		last := db.used
		db.used = nil
		for b.step() > 0 {
		}
		for _, x := range db.used {
			if k > 0 && !slices.Contains(last, x) {
				t.Fatal("a buffer was used that has long been free")
			}
		}
		sent = append(sent, upTo(100*k + 100)[100*k:]...)
	}
	if !slices.Equal(b.in.got, sent) {
		t.Fatalf("%d frames arrived", len(b.in.got))
	}
	ca, cb := a.counters(ia), b.counters(ib)
	if ca.TxPackets != 500 || ca.TxBytes != 30000 || cb.RxPackets != 500 || cb.RxBytes != 30000 {
		t.Errorf("counted %+v and %+v", ca, cb)
	}
}

// TestCopyingWithoutBuffers: what finds no buffer waits in the device, and comes when
// there are some.
func TestCopyingWithoutBuffers(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 1)
	wire := newWire(t, a.pool, b.pool, sim.Config{})
	ia, _ := a.copying("sim0", wire.End(0))
	ib, db := b.copying("sim0", wire.End(1))
	b.step()
	a.send(0, ia, 0, 300, 60)
	a.step()
	w := b.workers[0]
	all := make([]*pkt.Buf, 0, 8192)
	for x := w.Bufs.Get(); x != nil; x = w.Bufs.Get() {
		all = append(all, x)
	}
	w.Bufs.PutN(all[:7])
	all = all[7:]
	b.step() // what it had, and the seven
	if db.offers[len(db.offers)-1] != pkt.MaxBurst {
		t.Fatalf("offered %d", db.offers[len(db.offers)-1])
	}
	w.Bufs.PutN(all)
	for b.step() > 0 {
	}
	if !slices.Equal(b.in.got, upTo(300)) {
		t.Fatalf("%d frames arrived", len(b.in.got))
	}
	h := b.m.Delete(ib) // the clean-up looks for lost buffers
	b.ok(h)
}
