package flow

import (
	"fmt"
	"sync/atomic"

	"vpphost/dataplane/mem"
)

// Where tells which workers may have a flow, so that a packet that arrives on one which
// has not can be handed to one which has. It is a bit for each worker in each of many
// slots, into which the hashes fall: a worker that has a flow is always named, one that
// has none rarely. Any worker asks, without a lock.
type Where struct {
	slots []atomic.Uint64 // workers by bit
}

const whereLog = 18 // slots: a few flows each when there are a million

// NewWhere makes a Where for tables that share their flows by it (Table.Share).
func NewWhere() (*Where, error) {
	s, err := mem.Slice[atomic.Uint64](1 << whereLog)
	if err != nil {
		return nil, fmt.Errorf("flow: where: %w", err)
	}
	return &Where{slots: s}, nil
}

func whereSlot(hash uint32) uint32 { return hash >> (32 - whereLog) }

// Workers are those that may have a flow with this hash, a bit each.
func (w *Where) Workers(hash uint32) uint64 { return w.slots[whereSlot(hash)].Load() }

// presence is what one worker adds to a Where: how many flows it has in each slot.
type presence struct {
	where  *Where
	bit    uint64
	counts []uint32
}

func (p *presence) add(hash uint32) {
	i := whereSlot(hash)
	if p.counts[i]++; p.counts[i] == 1 {
		p.where.slots[i].Or(p.bit)
	}
}

func (p *presence) remove(hash uint32) {
	i := whereSlot(hash)
	if p.counts[i]--; p.counts[i] == 0 {
		p.where.slots[i].And(^p.bit)
	}
}

// Share has the table, which is empty and the given worker's, tell w what it holds.
func (t *Table) Share(w *Where, worker int) error {
	counts, err := mem.Slice[uint32](1 << whereLog)
	if err != nil {
		return fmt.Errorf("flow: where: %w", err)
	}
	t.shared = &presence{where: w, bit: 1 << worker, counts: counts}
	return nil
}
