package iface

import (
	"errors"
	"testing"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// busy is a device that takes some frames a Step, in one transmit queue, and notes which
// worker's they were.
type busy struct {
	*sim.End
	room  int
	taken map[uint32]int // by the mark of who sent it
	pool  pkt.Pool
}

func (d *busy) Info() device.Info {
	i := d.End.Info()
	i.RxQ, i.TxQ = 1, 1
	return i
}

func (d *busy) Tx(int) device.TxQueue { return d }

func (d *busy) TxBurst(bufs []*pkt.Buf) int {
	n := min(d.room, len(bufs))
	d.room -= n
	for _, b := range bufs[:n] {
		d.taken[b.Conn]++
	}
	d.pool.Free(bufs[:n])
	return n
}

// sendMarked sends n frames from worker k that tell so.
func (h *host) sendMarked(k int, i *Interface, n int) {
	w := h.workers[k]
	for range n {
		b := w.Bufs.Get()
		b.Append(60)
		b.Conn = uint32(k)
		h.m.Tx(w, i.Index, []*pkt.Buf{b})
	}
}

// busyHost has n workers and an interface whose device takes few frames.
func busyHost(t *testing.T, n int) (*host, *Interface, *busy) {
	h := newHost(t, n)
	wire := newWire(t, h.pool, h.pool, sim.Config{})
	d := &busy{End: wire.End(0), taken: map[uint32]int{}, pool: h.pool}
	i, err := h.m.Add("busy0", "sim", d)
	h.ok(err)
	h.ok(h.m.SetUp(i, true))
	return h, i, d
}

// On a device that takes less than all want to send, everybody gets a fair part, nobody
// who asks for room loses a frame, and what the queue's owner sends without asking
// (acknowledgments, ARP) has room beside the frames of others.
func TestSharedQueueIsFair(t *testing.T) {
	const workers, steps = 3, 3000
	h, i, d := busyHost(t, workers)
	for step := range steps {
		for k := range workers {
			h.sendMarked(k, i, h.m.TxRoom(h.workers[k], i.Index))
		}
		if step%8 == 0 {
			h.sendMarked(0, i, 1) // does not ask
		}
		d.room = 40
		h.step()
	}
	if c := h.counters(i); c.TxErrors != 0 {
		t.Errorf("%d frames were dropped", c.TxErrors)
	}
	for k := range uint32(workers) {
		if part := d.taken[k] * workers * 100 / (steps * 40); part < 60 || part > 160 {
			t.Errorf("worker %d sent %d of %d frames, %d %% of its part", k, d.taken[k], steps*40, part)
		}
	}
}

// A worker that does not run holds up nobody but those who share its queue, and these
// lose nothing.
func TestStalledOwner(t *testing.T) {
	h, i, d := busyHost(t, 2)
	wire := newWire(t, h.pool, h.pool, sim.Config{Ring: 4096})
	other, err := h.m.Add("own0", "sim", &queued{End: wire.End(0), rx: 1, tx: 2})
	h.ok(err)
	h.ok(h.m.SetUp(other, true))
	sent := 0
	for range 40 { // worker 0 stands still
		n := min(h.m.TxRoom(h.workers[1], i.Index), 64)
		sent += n
		h.sendMarked(1, i, n)
		if h.m.TxRoom(h.workers[1], other.Index) == 0 {
			t.Fatal("the other interface is held up as well")
		}
		h.sendMarked(1, other, 16)
		h.workers[1].Step(h.now)
		h.now += 1000
	}
	if h.m.TxRoom(h.workers[1], i.Index) != 0 {
		t.Error("there is room although nobody takes anything")
	}
	for range 100 {
		d.room = 64
		h.step()
	}
	if d.taken[1] != sent {
		t.Errorf("%d of %d frames were sent", d.taken[1], sent)
	}
	if c := h.counters(i); c.TxErrors != 0 {
		t.Errorf("%d frames were dropped", c.TxErrors)
	}
}

// When there is no memory for a ring, those made before go.
func TestRingsOfFailedInterface(t *testing.T) {
	h := newHost(t, 4)
	wire := newWire(t, h.pool, h.pool, sim.Config{})
	i := &Interface{Name: "x", Kind: "sim", Dev: wire.End(0)}
	i.info.TxQ = 1
	ports := []*port{{}, {}, {}, {}}
	var made []*worker.Ring
	want := errors.New("no memory")
	err := wireTx(i, h.m.stations, ports, func(w *worker.Worker, n int) (*worker.Ring, error) {
		if len(made) == 2 {
			return nil, want
		}
		r, err := worker.NewRing(w, n)
		made = append(made, r)
		return r, err
	})
	if !errors.Is(err, want) {
		t.Fatalf("error %v", err)
	}
	for k, r := range made {
		if r.Cap() != 0 {
			t.Errorf("ring %d is left", k)
		}
	}
}
