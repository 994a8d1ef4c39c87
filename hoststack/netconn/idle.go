package netconn

import "time"

// sweepEvery is how often connections are looked at that have not written lately.
var sweepEvery = 5 * time.Second

// sweep takes the rings of connections that are idle, for as long as the Net lives: of
// those that have had nothing in it and written nothing between two rounds.
func (n *Net) sweep(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-n.ended:
			return
		case <-t.C:
		}
		if n.rings.Load() > 0 {
			n.table.each(func(e *entry) {
				if e.conn != nil {
					e.conn.cool()
				}
			})
		}
	}
}

// cool looks at one. The ring is left to the garbage collector, see roomFor.
func (c *Conn) cool() {
	if c.out.Load() == nil || !c.wmu.TryLock() {
		return // it has none, or is writing
	}
	defer c.wmu.Unlock()
	r := c.out.Load()
	if r == nil {
		return
	}
	tail := r.tail.Load()
	if c.sweptRing == r && c.sweptAt == tail && r.queued() == 0 {
		c.out.Store(nil)
		c.sweptRing, c.big = nil, false
		c.n.rings.Add(-1)
		return
	}
	c.sweptRing, c.sweptAt = r, tail
}
