package http

import (
	"time"

	"vpphost/dataplane/worker"
)

// Time limits of connections are coarse: a wheel of ticks, turned by one timer of the
// worker. To move a deadline away costs one store: the connection stays where it is in the
// wheel and is put further on when its tick comes. Only an earlier deadline moves it at
// once, and that is the case of a head that does not come in one piece.
const (
	tickShift  = 27  // a tick is 134 ms
	wheelTicks = 512 // so that the wheel spans 69 s
	expireStep = 1024
)

type deadlines struct {
	slots  [wheelTicks]uint32 // first connection of each tick
	tick   uint32             // ticks before this one are done
	linked int                // connections in the wheel
	timer  worker.Timer
	waker  worker.TimerOwner
}

// due says when c, whose index is i, has waited too long: in d.
func (sh *shard) due(i uint32, c *conn, d time.Duration) {
	at := uint32((sh.sw.Now()+int64(d))>>tickShift) + 1
	c.deadline = at
	switch {
	case !c.linked:
		sh.link(i, c, at)
	case int32(at-c.at) < 0:
		sh.unlink(i, c)
		sh.link(i, c, at)
	}
}

// link has c looked at in tick at, or as late before it as the wheel can tell.
func (sh *shard) link(i uint32, c *conn, at uint32) {
	if sh.linked == 0 {
		sh.tick = uint32(sh.sw.Now() >> tickShift)
	}
	if int32(at-sh.tick) <= 0 {
		at = sh.tick + 1
	}
	if at-sh.tick >= wheelTicks {
		at = sh.tick + wheelTicks - 1
	}
	head := &sh.slots[at%wheelTicks]
	c.at, c.linked, c.prev, c.next = at, true, 0, *head
	if c.next != 0 {
		sh.conns.At(c.next).prev = i
	}
	*head = i
	sh.linked++
	if sh.timer == 0 {
		sh.wake(int64(sh.tick+1) << tickShift)
	}
}

// unlink takes c out of the wheel.
func (sh *shard) unlink(i uint32, c *conn) {
	if !c.linked {
		return
	}
	if c.prev != 0 {
		sh.conns.At(c.prev).next = c.next
	} else {
		sh.slots[c.at%wheelTicks] = c.next
	}
	if c.next != 0 {
		sh.conns.At(c.next).prev = c.prev
	}
	c.linked, c.next, c.prev = false, 0, 0
	sh.linked--
}

// wake has expire called at a time.
func (sh *shard) wake(at int64) {
	sh.sw.Wheel.Arm(&sh.timer, at, sh.waker.User(0))
}

// expire turns the wheel. It looks at a bounded number of connections in a Step.
func (sh *shard) expire() {
	now := sh.sw.Now()
	for budget := expireStep; sh.linked > 0 && int64(sh.tick) <= now>>tickShift; sh.tick++ {
		for head := &sh.slots[sh.tick%wheelTicks]; *head != 0; budget-- {
			if budget == 0 {
				sh.wake(now)
				return
			}
			i := *head
			c := sh.conns.At(i)
			sh.unlink(i, c)
			if int32(c.deadline-sh.tick) > 0 {
				sh.link(i, c, c.deadline)
				continue
			}
			sh.late(i, c)
		}
	}
	if sh.linked > 0 && sh.timer == 0 {
		sh.wake(int64(sh.tick) << tickShift)
	}
}

// late ends the patience with c, whose session may be gone without a word: when its
// application has failed nobody is told.
func (sh *shard) late(i uint32, c *conn) {
	o := (*sh.e.owners.Load())[c.owner]
	ss := sh.sw.Get(c.session)
	if o == nil || ss == nil && c.state != stOpening {
		sh.free(i, c)
		return
	}
	o.timeout(sh, i, c, ss)
	if !c.linked {
		sh.due(i, c, closeWait)
	}
}

const (
	closeWait  = 2 * time.Minute // between two looks at what has been closed
	lingerTime = 5 * time.Second // that a peer gets to read our last words
)
