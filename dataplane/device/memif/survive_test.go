package memif

import (
	"testing"
	"time"

	"vpphost/dataplane/device"
)

// TestPeerKilled kills the other process with signal 9 while both sides send as fast
// as they can, again and again.
func TestPeerKilled(t *testing.T) {
	for _, tc := range []struct {
		name         string
		ours, theirs Options
	}{
		{"slave dies", Options{Master: true}, Options{}},
		{"master dies", Options{}, Options{Master: true}},
		{"master dies, 2 queues", Options{RxQ: 2, TxQ: 2}, Options{Master: true, RxQ: 2, TxQ: 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pool := newPool(t, jumbo)
			path := socketPath(t)
			tc.ours.SocketPath, tc.theirs.SocketPath = path, path
			d := open1(t, tc.ours, pool)
			stop, done := make(chan bool), make(chan *host)
			var h *host
			h, err := newHost([]device.Device{d}, pool)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					select {
					case <-stop:
						done <- h
						return
					default:
					}
					if h.flood(0); h.sink() == 0 {
						time.Sleep(20 * time.Microsecond)
					}
				}
			}()
			var last uint64
			for round := range 5 {
				begin := time.Now()
				c := peer{Mode: "flood", Devices: []Options{tc.theirs}, Room: jumbo, CPU: -1}.start(t)
				started := time.Since(begin)
				within(t, 10*time.Second, "frames again", func() bool {
					n := d.Counters().RxPackets
					ok := n > last+500
					if ok {
						last = n
					}
					return ok
				})
				t.Logf("round %d: the peer started in %v, 500 frames after %v", round, started.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
				time.Sleep(time.Duration(round) * 3 * time.Millisecond)
				c.kill()
				within(t, 5*time.Second, "link down", func() bool { return !d.Link().Up })
				last = d.Counters().RxPackets
			}
			stop <- true
			<-done
			if h.bad != 0 {
				t.Errorf("%d bad frames", h.bad)
			}
			h.close()
		})
	}
}

// TestScribbler: a peer that writes nonsense to the shared memory harms nobody else.
func TestScribbler(t *testing.T) {
	for _, master := range []bool{true, false} {
		t.Run(role(master), func(t *testing.T) {
			pool := newPool(t, jumbo)
			path := socketPath(t)
			d := open1(t, Options{Master: master, SocketPath: path}, pool)
			h, err := newHost([]device.Device{d}, pool)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				c := peer{Mode: "scribble", Size: 500, Devices: []Options{{Master: !master, SocketPath: path}}, Room: jumbo, CPU: -1}.start(t)
				within(t, 10*time.Second, "link up", func() bool { return d.Link().Up })
				for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
					h.flood(500)
					h.sink()
				}
				c.kill()
				within(t, 5*time.Second, "link down", func() bool { return !d.Link().Up })
			}
			if d.Counters().RxErrors == 0 {
				t.Error("no nonsense was met")
			}
			// A decent peer finds everything in order.
			h.bad, h.received = 0, 0
			c := peer{Mode: "flood", Size: 500, Devices: []Options{{Master: !master, SocketPath: path}}, Room: jumbo, CPU: -1}.start(t)
			within(t, 20*time.Second, "frames", func() bool { h.flood(500); h.sink(); return h.received > 500 })
			if h.bad != 0 {
				t.Errorf("%d bad frames", h.bad)
			}
			c.end()
			h.close()
		})
	}
}
