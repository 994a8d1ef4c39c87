package flow

import (
	"math/bits"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// Exchange is one worker's part of handing packets to the worker that has their flow. Where
// tells whom to; as it may err, a packet notes whom it has been to.
type Exchange struct {
	w      *worker.Worker
	n      int // workers
	where  *Where
	to     []*worker.Ring // by worker, nil for itself
	from   []*worker.Ring
	burst  []*pkt.Buf
	handed bool // the present burst comes from another worker
}

// Everybody is a packet that has been to all workers.
const Everybody = ^uint64(0)

// The longest and the shortest ring: a peer sends some thousand packets while a worker that
// shares its core waits for it.
const (
	maxExchange = 4096
	minExchange = 1024
)

// NewExchanges joins the workers of a transport, each with its table, which is empty. With
// one worker there is nothing to join, and the result is nil.
func NewExchanges(workers []*worker.Worker, tables []*Table) ([]*Exchange, error) {
	n := len(workers)
	if n < 2 {
		return nil, nil
	}
	where, err := NewWhere()
	if err != nil {
		return nil, err
	}
	list := make([]*Exchange, n)
	for k, w := range workers {
		x := &Exchange{w: w, n: n, where: where, to: make([]*worker.Ring, n)}
		if x.burst, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
			return nil, err
		}
		if err = tables[k].Share(where, k); err != nil {
			return nil, err
		}
		list[k] = x
	}
	// As long as all rings of a receiver can be that together hold half of the buffers: as
	// a rule one worker receives.
	buffers, _ := workers[0].Bufs.Pool().Usage()
	size := max(minExchange, min(maxExchange, 1<<bits.Len(uint(buffers/2/(n-1)))>>1))
	for _, x := range list {
		for k, other := range list {
			if other == x {
				continue
			}
			r, err := worker.NewRing(other.w, size)
			if err != nil {
				return nil, err
			}
			x.to[k], other.from = r, append(other.from, r)
			x.w.HandsOver(r)
		}
	}
	return list, nil
}

// Take calls take with what others have handed over, at most a burst of each, and returns
// how many packets that were. take owns them.
func (x *Exchange) Take(take func([]*pkt.Buf)) (work int) {
	for _, r := range x.from {
		if n := r.RxBurst(x.burst); n > 0 {
			x.handed = true
			take(x.burst[:n])
			x.handed = false
			work += n
		}
	}
	return work
}

// Been is the workers that a run of packets has been to, this one among them.
func (x *Exchange) Been(run []*pkt.Buf) uint64 {
	been := uint64(1) << x.w.Index
	if x.handed {
		for _, b := range run {
			been |= b.Scratch[0]
		}
	}
	return been
}

// Other is a worker that may have a flow, of those that its packets have not been to.
func (x *Exchange) Other(hash uint32, been uint64) (to int, ok bool) {
	others := x.where.Workers(hash) &^ been
	return bits.TrailingZeros64(others), others != 0
}

// Owner is the worker that a new flow belongs to by its hash; false when that is this one,
// or its packets have been there.
func (x *Exchange) Owner(hash uint32, been uint64) (to int, ok bool) {
	to = Owner(hash, x.n)
	return to, been>>to&1 == 0
}

// Give hands a run of packets to a worker and returns how many it takes, the first ones;
// their entries in run are nil then. been is whom they have been to.
func (x *Exchange) Give(to int, run []*pkt.Buf, been uint64) int {
	for _, b := range run {
		b.Scratch[0] = been
		b.Trace = 0 // a record of this worker
	}
	n := x.to[to].TxBurst(run)
	clear(run[:n])
	return n
}
