package sim

import (
	"encoding/binary"
	"math"
	"sync"

	"vpphost/dataplane/pkt"
)

// maxInFlight bounds the memory of a lane whose receiver does not poll.
const maxInFlight = 1 << 18

// minFrame is Ethernet's shortest frame without its check sequence.
const minFrame = 60

// lane is one direction of a wire.
type lane struct {
	wire    *Wire
	from    int
	ring    int
	pad     bool
	offload bool

	mu      sync.Mutex
	link    Link
	rand    random
	refuse  bool
	lossRun bool // the last frame was lost by chance
	nth     map[uint64]bool
	hook    func(uint64, []byte) bool
	tap     func(Frame)
	stats   Stats

	slots   [][]byte // bytes of the frames under way, reused
	free    []int32
	flights fifo[flight] // by arrival
	waiting fifo[int64]  // when each frame that waits for the line has left it
	last    int64        // latest arrival of a frame that keeps the order
}

// flight is one frame under way.
type flight struct {
	at    int64
	slot  int32
	flags pkt.Flags
}

func (d *lane) next() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flights.len() == 0 {
		return math.MaxInt64
	}
	return d.flights.at(0).at
}

// outstanding is how full the sender's ring is.
func (d *lane) outstanding() int {
	if d.link.Rate > 0 {
		return d.waiting.len()
	}
	return d.flights.len()
}

// send takes copies of the first packets of a burst and returns how many.
func (d *lane) send(bufs []*pkt.Buf) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.wire.net.Now()
	for d.waiting.len() > 0 && *d.waiting.at(0) <= now {
		d.waiting.pop()
	}
	for i, b := range bufs {
		if d.refuse || d.ring > 0 && d.outstanding() >= d.ring {
			d.stats.Refused++
			return i
		}
		d.sendOne(b, now)
	}
	return len(bufs)
}

func (d *lane) sendOne(b *pkt.Buf, now int64) {
	slot := d.copy(b)
	data := d.slots[slot]
	d.stats.Sent++
	d.stats.Bytes += uint64(len(data))
	n := d.stats.Sent
	var flags pkt.Flags
	if d.offload && b.Flags&pkt.CsumPartial != 0 {
		flags = pkt.L4Good
	}
	drop := d.hook != nil && d.hook(n, data)
	switch {
	case drop || d.nth[n]:
		d.lose(slot, n, now, Hooked)
		return
	case d.wire.down.Load():
		d.lose(slot, n, now, Pulled)
		return
	case d.link.Queue > 0 && d.waiting.len() >= d.link.Queue, d.flights.len() >= maxInFlight:
		d.lose(slot, n, now, QueueFull)
		return
	}
	if d.link.Mark > 0 && d.waiting.len() >= d.link.Mark && markCE(data) {
		d.stats.Marked++
	}
	left := d.line(len(data), now)
	if d.rand.chance(d.link.Loss) || d.lossRun && d.rand.chance(d.link.LossBurst) {
		d.lossRun = true
		d.lose(slot, n, now, Lost)
		return
	}
	d.lossRun = false

	at := left + d.link.Delay + d.rand.below(d.link.Jitter)
	fate := Passed
	twin := int32(-1)
	if d.rand.chance(d.link.Duplicate) {
		twin = d.slot()
		d.slots[twin] = append(d.slots[twin], d.slots[slot]...)
	}
	twinFlags := flags
	if d.rand.chance(d.link.Corrupt) {
		bit := d.rand.below(int64(len(data)) * 8)
		data[bit/8] ^= 1 << (bit % 8)
		flags &^= pkt.L4Good
		fate = Corrupted
	}
	if d.rand.chance(d.link.Reorder) {
		at += d.link.ReorderBy
		if fate == Passed {
			fate = Reordered
		}
	} else {
		at = max(at, d.last)
		d.last = at
	}
	d.fly(slot, n, now, at, flags, fate)
	if twin >= 0 {
		d.fly(twin, n, now, at, twinFlags, Duplicated)
	}
}

// line returns when a frame of n bytes that is sent now has left the sender.
func (d *lane) line(n int, now int64) int64 {
	if d.link.Rate == 0 {
		return now
	}
	start := now
	if k := d.waiting.len(); k > 0 {
		start = *d.waiting.at(k - 1)
	}
	end := start + int64(float64(n)*8e9/float64(d.link.Rate))
	d.waiting.push(end)
	return end
}

func (d *lane) fly(slot int32, n uint64, now, at int64, flags pkt.Flags, fate Fate) {
	d.stats.Fates[fate]++
	if d.tap != nil {
		d.tap(Frame{From: d.from, Number: n, Sent: now, Arrives: at, Data: d.slots[slot], Fate: fate})
	}
	// Nearly always the latest arrival; a frame that was held back is passed by the
	// few that overtake it.
	d.flights.push(flight{at: at, slot: slot, flags: flags})
	for i := d.flights.len() - 1; i > 0 && d.flights.at(i-1).at > at; i-- {
		a, b := d.flights.at(i-1), d.flights.at(i)
		*a, *b = *b, *a
	}
}

func (d *lane) lose(slot int32, n uint64, now int64, fate Fate) {
	d.stats.Fates[fate]++
	if d.tap != nil {
		d.tap(Frame{From: d.from, Number: n, Sent: now, Data: d.slots[slot], Fate: fate})
	}
	d.free = append(d.free, slot)
}

// receive fills bufs with what has arrived by now.
func (d *lane) receive(pool pkt.Pool, bufs []*pkt.Buf) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flights.len() == 0 {
		return 0
	}
	now := d.wire.net.Now()
	ready := 0
	for ready < len(bufs) && ready < d.flights.len() && d.flights.at(ready).at <= now {
		ready++
	}
	if ready == 0 {
		return 0
	}
	got := pool.Alloc(bufs[:ready])
	if got < ready {
		d.stats.NoBuffer++
	}
	n := 0
	for range got {
		f := d.flights.pop()
		data := d.slots[f.slot]
		b := bufs[n]
		if len(data) > b.Room() {
			d.stats.TooLong++
		} else {
			copy(b.Append(len(data)), data)
			b.Flags = f.flags
			n++
		}
		d.free = append(d.free, f.slot)
	}
	pool.Free(bufs[n:got])
	d.stats.Received += uint64(n)
	return n
}

// copy takes the bytes of a packet into a slot.
func (d *lane) copy(b *pkt.Buf) int32 {
	slot := d.slot()
	data := append(d.slots[slot], b.Data()...)
	for d.pad && len(data) < minFrame {
		data = append(data, 0)
	}
	d.slots[slot] = data
	return slot
}

// slot returns an empty slot.
func (d *lane) slot() int32 {
	if n := len(d.free); n > 0 {
		s := d.free[n-1]
		d.free = d.free[:n-1]
		d.slots[s] = d.slots[s][:0]
		return s
	}
	d.slots = append(d.slots, nil)
	return int32(len(d.slots) - 1)
}

// markCE sets Congestion Experienced in an IP packet whose sender understands ECN
// (RFC 3168 section 5); it tells whether it did.
func markCE(frame []byte) bool {
	if len(frame) < 14+20 {
		return false
	}
	ip := frame[14:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		if ip[1]&3 == 0 || ip[1]&3 == 3 {
			return false
		}
		old := binary.BigEndian.Uint16(ip)
		ip[1] |= 3
		// RFC 1624 equation 3.
		sum := uint32(^binary.BigEndian.Uint16(ip[10:])) + uint32(^old) + uint32(binary.BigEndian.Uint16(ip))
		sum = sum>>16 + sum&0xffff
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
		return true
	case 0x86dd:
		if ecn := ip[1] >> 4 & 3; ecn == 0 || ecn == 3 {
			return false
		}
		ip[1] |= 0x30
		return true
	}
	return false
}
