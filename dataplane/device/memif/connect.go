package memif

import (
	"os"
	"strings"
	"time"
)

const (
	// keepEvery is how often the connection is looked at.
	keepEvery = 100 * time.Millisecond
	// handshake is how long a slave waits for the master's answers before it starts
	// over.
	handshake = 2 * time.Second
)

// keep connects a slave again and again, and hangs each connection's descriptors on
// the bells.
func (d *Device) keep(quit <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	var asked time.Time // when the handshake under way began
	var hung uint64     // the connection whose descriptors the bells watch, 0 for none
	queues := maxQueues // that a slave asks for
	for {
		up := d.follow(&hung)
		if !up && !d.o.Master && (d.guard.Idle() || time.Since(asked) > handshake) {
			queues = d.askFor(queues)
			asked = d.tryConnect(queues)
			if d.connected() {
				d.follow(&hung)
			}
		}
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}

// follow has the bells watch the descriptors of the present connection, and tells whether
// there is one. A slave may have gone and come back since the last look.
func (d *Device) follow(hung *uint64) bool {
	up := d.guard.State().Connected
	now := uint64(0)
	if up {
		var ok bool
		if now, ok = d.guard.Connection(); !ok {
			return up // the next look will tell
		}
	}
	if *hung != now {
		d.silenceBells()
		*hung = 0
		if up && d.hangBells() {
			*hung = now
		}
	}
	return up
}

// connected gives a handshake the moment that it takes when the master is there.
func (d *Device) connected() bool {
	for range 20 {
		if d.guard.State().Connected {
			return true
		}
		if d.guard.Idle() {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// askFor is how many queues a slave asks for after it has asked for last: fewer, when that
// was the reason why the master, which may be DPDK's driver, ended the connection.
func (d *Device) askFor(last int) int {
	if !strings.Contains(d.guard.State().RemoteReason, "ring index") {
		return maxQueues
	}
	return max(1, min(last, max(d.o.RxQ, d.o.TxQ))/2)
}

// tryConnect starts a handshake and returns when it did, zero when there is no master.
func (d *Device) tryConnect(queues int) time.Time {
	// Looking first keeps the driver's log free of a complaint every time.
	if _, err := os.Stat(d.o.SocketPath); err != nil {
		return time.Time{}
	}
	if d.guard.Connect(queues) != nil {
		return time.Time{}
	}
	return time.Now()
}
