package sim

import (
	"fmt"
	"sync/atomic"

	"vpphost/dataplane/pkt"
)

// Link is how one direction of a wire behaves. The zero value is perfect: no delay,
// no limit, no loss.
type Link struct {
	Delay  int64  // propagation, ns
	Jitter int64  // more delay, uniform in [0, Jitter) ns; keeps the order
	Rate   uint64 // line rate in bits per second, 0 for no limit
	Queue  int    // frames that may wait for the line, 0 for no limit; more are dropped
	Mark   int    // queue length from which ECN-capable IP packets are marked CE, 0 for never

	Loss      float64 // probability that a frame is lost
	LossBurst float64 // probability that the frame after a lost one is lost as well
	Duplicate float64 // probability that a frame arrives twice
	Corrupt   float64 // probability that one bit of a frame is flipped
	Reorder   float64 // probability that a frame is held back by ReorderBy
	ReorderBy int64   // ns
}

// Config of a wire.
type Config struct {
	Pools [2]pkt.Pool // where each end's received buffers come from
	Links [2]Link     // Links[i] carries what end i sends
	MTU   int         // largest IP packet that the ends admit to, 0 for no limit
	// Ring is how many frames of an end may be outstanding before TxBurst refuses
	// more: frames that wait for the line where there is a Rate, else frames that the
	// other end has not received yet (as in a memif ring). 0 for no limit.
	Ring int
	// Offload has the ends offer transport checksums both ways and large segments:
	// what is sent with pkt.CsumPartial arrives with pkt.L4Good, as between two
	// interfaces of one host.
	Offload bool
	// Pad fills frames up to Ethernet's minimum of 60 bytes.
	Pad bool
}

// Wire joins two ends.
type Wire struct {
	net  *Net
	down atomic.Bool
	ends [2]*End
}

// NewWire adds a wire to the net.
func (n *Net) NewWire(c Config) (*Wire, error) {
	w := &Wire{net: n}
	id := len(n.wires)
	for i := range w.ends {
		if c.Pools[i] == nil {
			return nil, fmt.Errorf("sim: wire %d: end %d has no pool", id, i)
		}
		seed := random(n.seed<<16 + uint64(id)<<1 + uint64(i))
		w.ends[i] = &End{wire: w, side: i, pool: c.Pools[i], cfg: c,
			name: fmt.Sprintf("sim%d.%d", id, i),
			mac:  [6]byte{0x02, 0xfe, 0, byte(id >> 8), byte(id), byte(i + 1)}}
		w.ends[i].out = &lane{wire: w, from: i, link: c.Links[i], ring: c.Ring, pad: c.Pad,
			offload: c.Offload, rand: random(seed.next())}
	}
	w.ends[0].in, w.ends[1].in = w.ends[1].out, w.ends[0].out
	n.wires = append(n.wires, w)
	return w, nil
}

// End is end 0 or 1.
func (w *Wire) End(i int) *End { return w.ends[i] }

// Next is when the next frame arrives, in ns; see Net.Next.
func (w *Wire) Next() int64 { return min(w.ends[0].out.next(), w.ends[1].out.next()) }

// SetLink changes how the direction from end i behaves, for frames sent from now on.
func (w *Wire) SetLink(i int, l Link) {
	d := w.ends[i].out
	d.mu.Lock()
	d.link = l
	d.mu.Unlock()
}

// SetUp plugs the wire in or pulls it. What is sent on a pulled wire is lost; what is
// under way arrives.
func (w *Wire) SetUp(up bool) { w.down.Store(!up) }

// Refuse has TxBurst of end i refuse every frame, as a device does whose ring is full.
func (w *Wire) Refuse(i int, on bool) {
	d := w.ends[i].out
	d.mu.Lock()
	d.refuse = on
	d.mu.Unlock()
}

// DropNth loses the frames with the given numbers, counted from 1 over all frames that
// end i has sent. Numbers of the past have no effect.
func (w *Wire) DropNth(i int, numbers ...uint64) {
	d := w.ends[i].out
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nth == nil {
		d.nth = map[uint64]bool{}
	}
	for _, n := range numbers {
		d.nth[n] = true
	}
}

// Hook shows every frame that end i sends to f, before anything else happens to it. f may
// change the bytes; when it returns true the frame is lost. nil for none. f runs on the
// sender's thread and must not call the wire.
func (w *Wire) Hook(i int, f func(number uint64, frame []byte) bool) {
	d := w.ends[i].out
	d.mu.Lock()
	d.hook = f
	d.mu.Unlock()
}

// Tap shows every frame that end i sends, and what became of it, to f: for checkers and
// captures. A duplicate is shown a second time. nil for none. f runs on the sender's
// thread, must not keep Data and must not call the wire.
func (w *Wire) Tap(i int, f func(Frame)) {
	d := w.ends[i].out
	d.mu.Lock()
	d.tap = f
	d.mu.Unlock()
}

// Stats tells what happened to the frames that end i sent.
func (w *Wire) Stats(i int) Stats {
	d := w.ends[i].out
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// InFlight is how many frames of end i have been sent and not yet received.
func (w *Wire) InFlight(i int) int {
	d := w.ends[i].out
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flights.len()
}

// Frame is what a Tap sees.
type Frame struct {
	From    int    // end that sent it
	Number  uint64 // counted from 1
	Sent    int64  // ns
	Arrives int64  // ns; 0 when it does not
	Data    []byte // from the Ethernet header on
	Fate    Fate
}

// Fate is what becomes of a frame.
type Fate uint8

const (
	Passed     Fate = iota
	Reordered       // arrives held back
	Duplicated      // arrives, as the second copy
	Corrupted       // arrives with a bit flipped
	Hooked          // lost: DropNth or Hook said so
	QueueFull       // lost: no room before the line
	Lost            // lost by chance
	Pulled          // lost: the wire is down
)

var fateNames = [...]string{"passed", "reordered", "duplicated", "corrupted", "hooked", "queue full", "lost", "pulled"}

func (f Fate) String() string { return fateNames[f] }

// Arrives tells whether a frame of this fate gets to the other end.
func (f Fate) Arrives() bool { return f <= Corrupted }

// Stats count the frames of one direction. Sent frames end in one Fate each; a
// duplicate counts once more. Bytes are those accepted from the sender.
type Stats struct {
	Sent, Bytes uint64
	Fates       [len(fateNames)]uint64
	Marked      uint64 // CE set
	Received    uint64
	TooLong     uint64 // did not fit a buffer of the receiver's pool
	NoBuffer    uint64 // receive calls that found the pool empty
	Refused     uint64 // transmit calls that took less than offered
}
