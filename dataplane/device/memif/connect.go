package memif

import (
	"os"
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
	hung := false
	for {
		up := d.guard.State().Connected
		switch {
		case up && !hung:
			hung = d.hangBells()
		case !up && hung:
			d.silenceBells()
			hung = false
		}
		if !up && !d.o.Master && (d.guard.Idle() || time.Since(asked) > handshake) {
			asked = d.tryConnect()
			if hung = d.connected(); hung {
				hung = d.hangBells()
			}
		}
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
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

// tryConnect starts a handshake and returns when it did, zero when there is no master.
func (d *Device) tryConnect() time.Time {
	// Looking first keeps the driver's log free of a complaint every time.
	if _, err := os.Stat(d.o.SocketPath); err != nil {
		return time.Time{}
	}
	if d.guard.Connect() != nil {
		return time.Time{}
	}
	return time.Now()
}
