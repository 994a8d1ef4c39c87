package worker

import (
	"math"
	"math/bits"

	"vpphost/dataplane/mem"
)

// The wheel has wheelLevels levels of 64 slots. A slot of level 0 is one tick
// (about 66 us) wide, one of each further level 64 times wider, so that deadlines
// up to 64^5 ticks (19 hours) ahead fit; later ones are put as far as it goes and
// come round again.
const (
	tickShift   = 16 // a tick is 1<<16 ns
	slotBits    = 6
	slotsPer    = 1 << slotBits
	wheelLevels = 5
	maxTimers   = 1 << 22
	// advanceStep is how many timers one Advance handles: about half a millisecond of work.
	advanceStep = 512
)

// Timer names an armed timer of one wheel; 0 is none. Keep it beside the thing
// it times: the wheel clears nothing but its own memory.
type Timer uint32

// timerEntry is one armed timer, linked into its slot.
type timerEntry struct {
	next, prev uint32
	slot       uint32 // which slot list it is on, +1
	_          uint32
	deadline   int64
	user       uint64
}

// Wheel is a hierarchical timer wheel (Varghese and Lauck 1987, scheme 7). Arm
// and Disarm cost the same however many timers are armed, and Advance looks only
// at slots that hold something, and at a bounded number of timers each time.
type Wheel struct {
	pool  *mem.Pool[timerEntry]
	heads [wheelLevels][slotsPer]uint32
	busy  [wheelLevels]uint64 // bit per slot that is not empty
	tick  int64               // ticks advanced so far
	n     int

	present bool // what is due in the present tick is being handled
	level   int  // of it, dealt out next; wheelLevels when all are
}

func (h *Wheel) init() error {
	var err error
	h.pool, err = mem.NewPool[timerEntry](maxTimers)
	return err
}

// Len is the number of armed timers.
func (h *Wheel) Len() int { return h.n }

// Arm sets *t to fire at deadline (ns) with the given user value, moving it when
// it is armed already. It returns false, leaving *t as it was, when the pool of
// timers is full.
func (h *Wheel) Arm(t *Timer, deadline int64, user uint64) bool {
	i := uint32(*t)
	var e *timerEntry
	if i == 0 {
		if i, e = h.pool.Alloc(); e == nil {
			return false
		}
		h.n++
		*t = Timer(i)
	} else {
		e = h.pool.At(i)
		h.unlink(i, e)
	}
	e.deadline, e.user = deadline, user
	h.link(i, e)
	return true
}

// Disarm stops *t, if armed, and sets it to 0.
func (h *Wheel) Disarm(t *Timer) {
	if *t == 0 {
		return
	}
	i := uint32(*t)
	h.unlink(i, h.pool.At(i))
	h.pool.Free(i)
	h.n--
	*t = 0
}

// link puts e where its deadline belongs, seen from the present tick. A timer is
// never early: the deadline is rounded up to a tick.
func (h *Wheel) link(i uint32, e *timerEntry) {
	at := (e.deadline + 1<<tickShift - 1) >> tickShift
	if at <= h.tick {
		at = h.tick + 1
	}
	if limit := h.tick + 1<<(slotBits*wheelLevels) - 1; at > limit {
		at = limit
	}
	// The level is that of the highest digit in which at differs from tick. Where a
	// higher digit than the last level's differs, the last level goes round once more
	// before it gets there.
	level := min((bits.Len64(uint64(at^h.tick))-1)/slotBits, wheelLevels-1)
	h.push(i, e, level, uint32(at>>(level*slotBits))&(slotsPer-1))
}

func (h *Wheel) unlink(i uint32, e *timerEntry) {
	level, slot := e.slot>>slotBits, e.slot&(slotsPer-1)
	if e.prev != 0 {
		h.pool.At(e.prev).next = e.next
	} else {
		h.heads[level][slot] = e.next
		if e.next == 0 {
			h.busy[level] &^= 1 << slot
		}
	}
	if e.next != 0 {
		h.pool.At(e.next).prev = e.prev
	}
}

// Advance fires timers whose deadline is not after now (ns), earlier ticks first. A fired
// timer is disarmed before fire is called; the owner must set its Timer to 0. fire may arm
// and disarm timers. One call handles some of them only, lest a million connections that
// began in one second hold up the worker when their timers come due together: the next call
// goes on where this one has stopped. It returns how many timers it has handled.
func (h *Wheel) Advance(now int64, fire func(user uint64)) (work int) {
	target := now >> tickShift
	budget := advanceStep
	for {
		if h.present {
			if h.deal(&budget); budget > 0 {
				h.fireSlot(&budget, fire)
			}
			if budget <= 0 {
				break
			}
			h.present = false
		}
		if h.tick >= target {
			break
		}
		// Skip to the next tick at which something can happen: a busy slot of
		// level 0, or the end of its round, when level 1 is dealt out.
		pos := uint(h.tick) & (slotsPer - 1)
		next := h.tick&^(slotsPer-1) + slotsPer
		if ahead := h.busy[0] &^ (1<<pos<<1 - 1); ahead != 0 {
			next = h.tick&^(slotsPer-1) + int64(bits.TrailingZeros64(ahead))
		}
		if h.n == 0 || next > target {
			h.tick = target
			break
		}
		h.tick, h.present, h.level = next, true, 1
		if next&(slotsPer-1) != 0 {
			h.level = wheelLevels
		}
	}
	return advanceStep - budget
}

// deal moves the timers of the slots that the wheel has just reached one or more
// levels down. None of them gets into a slot that is being dealt out.
func (h *Wheel) deal(budget *int) {
	for ; h.level < wheelLevels; h.level++ {
		slot := uint32(h.tick>>(h.level*slotBits)) & (slotsPer - 1)
		for i := h.heads[h.level][slot]; i != 0; i = h.heads[h.level][slot] {
			if *budget <= 0 {
				return
			}
			*budget--
			e := h.pool.At(i)
			h.unlink(i, e)
			if at := (e.deadline + 1<<tickShift - 1) >> tickShift; at <= h.tick {
				// Due in this very tick: fireSlot comes next.
				h.push(i, e, 0, uint32(h.tick)&(slotsPer-1))
			} else {
				h.link(i, e)
			}
		}
		if slot != 0 {
			h.level = wheelLevels
			return
		}
	}
}

// push puts e at the front of a slot.
func (h *Wheel) push(i uint32, e *timerEntry, level int, slot uint32) {
	head := &h.heads[level][slot]
	e.slot = uint32(level)<<slotBits | slot
	e.prev, e.next = 0, *head
	if *head != 0 {
		h.pool.At(*head).prev = i
	}
	*head = i
	h.busy[level] |= 1 << slot
}

// fireSlot fires the timers of the present tick.
func (h *Wheel) fireSlot(budget *int, fire func(uint64)) {
	head := &h.heads[0][uint32(h.tick)&(slotsPer-1)]
	for i := *head; i != 0 && *budget > 0; i = *head {
		*budget--
		e := h.pool.At(i)
		user := e.user
		h.unlink(i, e)
		h.pool.Free(i)
		h.n--
		fire(user)
	}
}

// Next is a time (ns) before which no timer fires; math.MaxInt64 when none is
// armed. It may be earlier than the first deadline, never later.
func (h *Wheel) Next() int64 {
	switch {
	case h.n == 0:
		return math.MaxInt64
	case h.present:
		return h.tick << tickShift
	}
	for level := 0; level < wheelLevels; level++ {
		shift := level * slotBits
		pos := uint(h.tick>>shift) & (slotsPer - 1)
		if ahead := h.busy[level] &^ (1<<pos<<1 - 1); ahead != 0 {
			base := h.tick >> shift &^ (slotsPer - 1)
			return (base + int64(bits.TrailingZeros64(ahead))) << shift << tickShift
		}
	}
	// What is left is in slots of the last level that come after its next turn.
	const top = (wheelLevels - 1) * slotBits
	turn := (h.tick>>top | (slotsPer - 1)) + 1
	return (turn + int64(bits.TrailingZeros64(h.busy[wheelLevels-1]))) << top << tickShift
}
