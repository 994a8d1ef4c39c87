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
// at slots that hold something.
type Wheel struct {
	pool  *mem.Pool[timerEntry]
	heads [wheelLevels][slotsPer]uint32
	busy  [wheelLevels]uint64 // bit per slot that is not empty
	tick  int64               // ticks advanced so far
	n     int
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
	slot := uint32(at>>(level*slotBits)) & (slotsPer - 1)
	head := &h.heads[level][slot]
	e.slot = uint32(level)<<slotBits | slot
	e.prev, e.next = 0, *head
	if *head != 0 {
		h.pool.At(*head).prev = i
	}
	*head = i
	h.busy[level] |= 1 << slot
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

// Advance fires every timer whose deadline is not after now (ns), earlier ticks
// first. A fired timer is disarmed before fire is called; the owner must set its
// Timer to 0. fire may arm and disarm timers. It returns how many fired.
func (h *Wheel) Advance(now int64, fire func(user uint64)) (fired int) {
	target := now >> tickShift
	for h.tick < target {
		// Skip to the next tick at which something can happen: a busy slot of
		// level 0, or the end of its round, when level 1 is dealt out.
		pos := uint(h.tick) & (slotsPer - 1)
		ahead := h.busy[0] &^ (1<<pos<<1 - 1)
		var next int64
		if ahead != 0 {
			next = h.tick&^(slotsPer-1) + int64(bits.TrailingZeros64(ahead))
		} else {
			next = h.tick&^(slotsPer-1) + slotsPer
		}
		if h.n == 0 || next > target {
			h.tick = target
			if h.n == 0 {
				return fired
			}
			break
		}
		h.tick = next
		if next&(slotsPer-1) == 0 {
			h.deal()
		}
		fired += h.fireSlot(uint32(next)&(slotsPer-1), fire)
	}
	return fired
}

// deal moves the timers of the slots that the wheel has just reached one or more
// levels down.
func (h *Wheel) deal() {
	for level := 1; level < wheelLevels; level++ {
		slot := uint32(h.tick>>(level*slotBits)) & (slotsPer - 1)
		i := h.heads[level][slot]
		h.heads[level][slot] = 0
		h.busy[level] &^= 1 << slot
		for i != 0 {
			e := h.pool.At(i)
			next := e.next
			if at := (e.deadline + 1<<tickShift - 1) >> tickShift; at <= h.tick {
				// Due in this very tick: fireSlot comes next.
				h.push0(i, e, uint32(h.tick)&(slotsPer-1))
			} else {
				h.link(i, e)
			}
			i = next
		}
		if slot != 0 {
			return
		}
	}
}

func (h *Wheel) push0(i uint32, e *timerEntry, slot uint32) {
	head := &h.heads[0][slot]
	e.slot, e.prev, e.next = slot, 0, *head
	if *head != 0 {
		h.pool.At(*head).prev = i
	}
	*head = i
	h.busy[0] |= 1 << slot
}

func (h *Wheel) fireSlot(slot uint32, fire func(uint64)) (fired int) {
	for {
		i := h.heads[0][slot]
		if i == 0 {
			return fired
		}
		e := h.pool.At(i)
		user := e.user
		h.unlink(i, e)
		h.pool.Free(i)
		h.n--
		fired++
		fire(user)
	}
}

// Next is a time (ns) before which no timer fires; math.MaxInt64 when none is
// armed. It may be earlier than the first deadline, never later.
func (h *Wheel) Next() int64 {
	if h.n == 0 {
		return math.MaxInt64
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
