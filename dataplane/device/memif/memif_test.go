package memif

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/pkt"
)

// TestFramesArriveIntact sends frames of all sizes to another process and back.
func TestFramesArriveIntact(t *testing.T) {
	for _, tc := range []struct {
		name         string
		ours, theirs Options
		stock        string
	}{
		{"master", Options{Master: true, ID: 7}, Options{ID: 7}, ""},
		{"slave", Options{}, Options{Master: true}, ""},
		{"stock slave", Options{Master: true}, Options{}, "zero-copy=no"},
		{"stock zero-copy slave", Options{Master: true}, Options{}, "zero-copy=yes"},
		{"stock master", Options{}, Options{Master: true}, "zero-copy=no"},
		{"ring of 16384, secret", Options{Secret: "hush", RingSize: 16384, BufferSize: 9014}, Options{Master: true, Secret: "hush"}, ""},
		{"4 queues", Options{Master: true, RxQ: 4, TxQ: 2}, Options{RxQ: 2, TxQ: 4}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pool := newPool(t, jumbo)
			path := socketPath(t)
			tc.ours.SocketPath, tc.theirs.SocketPath = path, path
			d := open1(t, tc.ours, pool)
			c := peer{Mode: "echo", Devices: []Options{tc.theirs}, Stock: tc.stock, Room: jumbo, CPU: -1}.start(t)
			within(t, 10*time.Second, "link up", func() bool { return d.Link().Up })
			h, err := newHost([]device.Device{d}, pool)
			if err != nil {
				t.Fatal(err)
			}
			const frames = 20000
			got := make([]bool, frames)
			sent, back := uint64(0), 0
			deadline := time.Now().Add(20 * time.Second)
			for back < frames && time.Now().Before(deadline) {
				for q := range h.tx {
					if sent < frames && int(sent)-back < 256 && len(h.wait[q]) == 0 {
						n := h.cache.GetN(h.bufs[:min(16, frames-int(sent))])
						for _, b := range h.bufs[:n] {
							fill(b, 60+int(sent*7919%uint64(9000-60+1)), sent)
							sent++
						}
						h.send(q, h.bufs[:n])
					} else {
						h.send(q, nil)
					}
				}
				for _, q := range h.rx {
					n := q.RxBurst(h.bufs)
					for _, b := range h.bufs[:n] {
						if !good(b) || number(b) >= frames || got[number(b)] {
							t.Fatalf("a bad frame of %d bytes", b.DataLen)
						}
						if b.Meta != (pkt.Meta{}) {
							t.Fatalf("meta is not clean: %+v", b.Meta)
						}
						got[number(b)] = true
						back++
					}
					h.cache.PutN(h.bufs[:n])
				}
			}
			if back != frames {
				t.Fatalf("%d of %d frames came back; %+v", back, frames, d.Counters())
			}
			if c := d.Counters(); c.RxPackets != frames || c.TxPackets != frames || c.RxBytes != c.TxBytes {
				t.Errorf("counters %+v", c)
			}
			s := d.State()
			if !s.Connected || s.RemoteName == "" || s.RemoteIf == "" || s.BufferSize == 0 {
				t.Errorf("state %+v", s)
			}
			// DPDK's own zero copy loses the buffers that were lent when it ends.
			if l := c.end(); l != "bad 0 lost 0" && !strings.Contains(tc.stock, "yes") {
				t.Errorf("the peer says: %s", l)
			}
			within(t, 5*time.Second, "link down", func() bool { return !d.Link().Up })
			h.close()
		})
	}
}

func TestLiveOwner(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, pkt.DefaultRoom)
	c := peer{Mode: "hold", Devices: []Options{{Master: true, SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	_, err := Open(Options{Master: true, SocketPath: path, ID: 1}, pool)
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("process %d is the master there", c.cmd.Process.Pid)) {
		t.Fatalf("a second master: %v", err)
	}
	c.kill()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the killed master left no socket: %v", err)
	}
	d, err := Open(Options{Master: true, SocketPath: path}, pool)
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket outlives its last device: %v", err)
	}
	// What is not a socket is left alone.
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Master: true, SocketPath: path}, pool); err == nil {
		t.Error("a file was replaced")
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("a file was destroyed")
	}
}

// TestOneSocketSeveralDevices also deletes one of them while the other carries frames.
func TestOneSocketSeveralDevices(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, jumbo)
	a := open1(t, Options{Master: true, SocketPath: path, ID: 1}, pool)
	b := open1(t, Options{Master: true, SocketPath: path, ID: 2}, pool)
	if _, err := Open(Options{Master: true, SocketPath: path, ID: 2}, pool); err == nil || !strings.Contains(err.Error(), "id 2 already") {
		t.Errorf("one id twice: %v", err)
	}
	if _, err := Open(Options{SocketPath: path, ID: 3}, pool); err == nil || !strings.Contains(err.Error(), "master of this process") {
		t.Errorf("two roles: %v", err)
	}
	c := peer{Mode: "echo", Room: jumbo, CPU: -1,
		Devices: []Options{{SocketPath: path, ID: 2}, {SocketPath: path, ID: 1}}}.start(t)
	within(t, 10*time.Second, "both up", func() bool { return a.Link().Up && b.Link().Up })
	ping := func(d *Device, what string) {
		t.Helper()
		h, err := newHost([]device.Device{d}, pool)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			h.flood1(500)
			within(t, 5*time.Second, what, func() bool { h.send(0, nil); return h.sink() > 0 })
		}
		if h.bad != 0 {
			t.Errorf("%s: %d bad frames", what, h.bad)
		}
		h.close()
	}
	ping(a, "device 1")
	ping(b, "device 2")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	ping(b, "device 2 alone")
	a = open1(t, Options{Master: true, SocketPath: path, ID: 1}, pool)
	within(t, 10*time.Second, "device 1 again", func() bool { return a.Link().Up })
	ping(a, "device 1 again")
	if l := c.end(); l != "bad 0 lost 0" {
		t.Error(l)
	}
}

func TestWrongSecret(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, pkt.DefaultRoom)
	c := peer{Mode: "hold", Devices: []Options{{Master: true, SocketPath: path, Secret: "right"}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	d := open1(t, Options{SocketPath: path, Secret: "wrong"}, pool)
	within(t, 5*time.Second, "a reason", func() bool { return d.State().RemoteReason == "Incorrect secret" })
	if d.Link().Up {
		t.Error("connected all the same")
	}
	c.end()
}

// TestSlaveMayComeTwice: the second client of one id is turned away and says why.
func TestSlaveMayComeTwice(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, pkt.DefaultRoom)
	m := open1(t, Options{Master: true, SocketPath: path}, pool)
	first := peer{Mode: "hold", Devices: []Options{{SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	within(t, 10*time.Second, "the first", func() bool { return m.Link().Up })
	second := peer{Mode: "hold", Devices: []Options{{SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	time.Sleep(300 * time.Millisecond)
	if !m.Link().Up {
		t.Error("the second slave has thrown the first out")
	}
	first.kill()
	within(t, 10*time.Second, "the second", func() bool { return m.Link().Up })
	second.end()
}

// TestFrameLongerThanBuffers: the slave's buffers are smaller than the master's frames.
func TestFrameLongerThanBuffers(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, jumbo)
	d := open1(t, Options{Master: true, SocketPath: path}, pool)
	c := peer{Mode: "echo", Devices: []Options{{SocketPath: path, BufferSize: 2048}}, Room: jumbo, CPU: -1}.start(t)
	within(t, 10*time.Second, "link up", func() bool { return d.Link().Up })
	h, err := newHost([]device.Device{d}, pool)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 3000
	short := 0
	for i := range rounds {
		n := h.cache.GetN(h.bufs[:3])
		for j, b := range h.bufs[:n] {
			size := []int{64, 2048, 1500}[j]
			if (i+j)%2 == 0 {
				size = 9000 - i%7
			} else {
				short++
			}
			h.seq++
			fill(b, size, h.seq)
		}
		h.send(0, h.bufs[:n])
		for len(h.wait[0]) > 0 {
			h.send(0, nil)
			h.sink()
		}
		h.sink()
	}
	within(t, 5*time.Second, "all short frames back", func() bool { h.sink(); return h.received == uint64(short) })
	if h.bad != 0 {
		t.Errorf("%d bad frames", h.bad)
	}
	if e := d.Counters().TxErrors; e != uint64(3*rounds-short) {
		t.Errorf("%d frames were refused, want %d", e, 3*rounds-short)
	}
	if s := d.State(); s.BufferSize != 2048 {
		t.Errorf("buffer size %d", s.BufferSize)
	}
	if l := c.end(); l != "bad 0 lost 0" {
		t.Error(l)
	}
	h.close()
}

// TestLongFrameIntoSmallBuffers: a peer whose descriptors are larger than our buffers.
func TestLongFrameIntoSmallBuffers(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, pkt.DefaultRoom)
	d := open1(t, Options{Master: true, SocketPath: path}, pool)
	c := peer{Mode: "flood", Devices: []Options{{SocketPath: path, BufferSize: 9216}}, Room: jumbo, CPU: -1}.start(t)
	h, err := newHost([]device.Device{d}, pool)
	if err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "frames", func() bool {
		for range 1000 {
			h.sink()
		}
		return h.received > 2000
	})
	if h.bad != 0 {
		t.Errorf("%d bad frames", h.bad)
	}
	if d.Port.Stats().RxChained == 0 {
		t.Error("no drop was counted")
	}
	c.end()
	h.close()
}

func TestHotplugWhilePolling(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	path := socketPath(t)
	d := open1(t, Options{Master: true, SocketPath: path}, pool)
	c := peer{Mode: "flood", Size: 1000, Devices: []Options{{SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	within(t, 10*time.Second, "link up", func() bool { return d.Link().Up })
	h, err := newHost([]device.Device{d}, pool)
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan bool), make(chan bool)
	go func() {
		for {
			select {
			case <-stop:
				done <- true
				return
			default:
				h.sink()
			}
		}
	}()
	other := socketPath(t)
	time.Sleep(2 * keepEvery) // for the bell of the first device to be hung
	fds := countFDs(t)
	for i := range 50 {
		e, err := Open(Options{Master: i%2 == 0, SocketPath: other}, pool)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stop <- true
	<-done
	if h.received == 0 || h.bad != 0 {
		t.Errorf("received %d, bad %d", h.received, h.bad)
	}
	// One descriptor for each listener that was deleted.
	if n := countFDs(t) - fds; n > 25 {
		t.Errorf("%d descriptors were lost", n)
	}
	c.end()
	h.close()
}

func countFDs(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

// TestBell: a worker that sleeps on the bell is woken by the peer's frames.
func TestBell(t *testing.T) {
	for _, master := range []bool{true, false} {
		t.Run(role(master), func(t *testing.T) {
			pool := newPool(t, pkt.DefaultRoom)
			path := socketPath(t)
			d := open1(t, Options{Master: master, SocketPath: path}, pool)
			const every = 5 * time.Millisecond
			c := peer{Mode: "drip", Size: 100, Every: every,
				Devices: []Options{{Master: !master, SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
			h, err := newHost([]device.Device{d}, pool)
			if err != nil {
				t.Fatal(err)
			}
			q := d.Rx(0).(*rxQueue)
			poll := []unix.PollFd{{Fd: int32(d.Bells()[0]), Events: unix.POLLIN}}
			naps, late := 0, 0
			// "show memif" takes the lock that the worker tries.
			stop, done := make(chan bool), make(chan bool)
			go func() {
				defer close(done)
				for {
					select {
					case <-stop:
						return
					default:
						d.State()
					}
				}
			}()
			var warm bool
			deadline := time.Now().Add(20 * time.Second)
			for h.received < 300 {
				if time.Now().After(deadline) {
					t.Fatalf("%d frames", h.received)
				}
				if h.sink() > 0 {
					warm = h.received > 50 // the bell is hung within 100 ms
					continue
				}
				if !q.Arm() {
					continue
				}
				n, err := unix.Poll(poll, 200)
				if err == unix.EINTR {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				naps++
				if n == 0 && warm {
					late++
				}
			}
			close(stop)
			<-done
			if late > 0 {
				t.Errorf("%d times no signal within 40 periods", late)
			}
			// Each frame costs one sleep, not a spin.
			if naps > 3*int(h.received)+100 {
				t.Errorf("%d sleeps for %d frames", naps, h.received)
			}
			if h.bad != 0 {
				t.Errorf("%d bad frames", h.bad)
			}
			c.end()
			h.close()
		})
	}
}

// TestBellOfNextConnection: the bell follows to a connection that comes so soon after the
// last that nobody has seen the link down.
func TestBellOfNextConnection(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	path := socketPath(t)
	d := open1(t, Options{Master: true, SocketPath: path}, pool)
	c := peer{Mode: "drip", Size: 100, Every: 5 * time.Millisecond,
		Devices: []Options{{SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	h, err := newHost([]device.Device{d}, pool)
	if err != nil {
		t.Fatal(err)
	}
	q := d.Rx(0).(*rxQueue)
	poll := []unix.PollFd{{Fd: int32(d.Bells()[0]), Events: unix.POLLIN}}
	for round := range 8 {
		n := h.received
		within(t, 10*time.Second, "frames", func() bool { h.sink(); return h.received > n+5 })
		time.Sleep(2 * keepEvery)
		h.sink()
		naps := 0
		for n = h.received; h.received < n+20; naps++ {
			for h.sink() > 0 || !q.Arm() {
			}
			rung, err := unix.Poll(poll, 1000)
			for err == unix.EINTR {
				rung, err = unix.Poll(poll, 1000)
			}
			if rung != 1 {
				t.Fatalf("no signal in connection %d (%v)", round, err)
			}
		}
		if naps > 60 {
			t.Fatalf("%d sleeps for 20 frames in connection %d", naps, round)
		}
		time.Sleep(time.Duration(round) * keepEvery / 8)
		hangup(t, path)
		within(t, 5*time.Second, "end of the connection", func() bool { return !d.guard.State().Connected })
	}
	c.end()
	h.close()
}

// hangup shuts the control socket of the connection on path down.
func hangup(t *testing.T, path string) {
	t.Helper()
	ents, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ents {
		fd, _ := strconv.Atoi(e.Name())
		a, err := unix.Getsockname(fd)
		if err != nil {
			continue
		}
		if u, ok := a.(*unix.SockaddrUnix); !ok || u.Name != path {
			continue
		}
		if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && v == 0 {
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
			return
		}
	}
	t.Fatal("there is no connection")
}

func TestStopAndStart(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	for _, o := range []Options{{Master: true}, {}} {
		path := socketPath(t)
		other := Options{Master: !o.Master, SocketPath: path}
		o.SocketPath = path
		d := open1(t, o, pool)
		c := peer{Mode: "flood", Size: 1500, Devices: []Options{other}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
		h, err := newHost([]device.Device{d}, pool)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			n := h.received
			within(t, 10*time.Second, "frames", func() bool { h.flood(1500); h.sink(); return h.received > n+100 })
			if err := d.Stop(); err != nil {
				t.Fatal(err)
			}
			if d.Link().Up || h.sink() != 0 {
				t.Error("a stopped device is up")
			}
			if err := d.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if h.bad != 0 {
			t.Errorf("%d bad frames", h.bad)
		}
		c.end()
		h.close()
	}
}

func TestBadOptions(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{RingSize: 1000}, "ring size must be power of 2"},
		{Options{RingSize: -4}, "ring size must be power of 2"},
		{Options{RingSize: 32768}, "maximum ring size is 16384"},
		{Options{BufferSize: 10}, "buffer size 10"},
		{Options{BufferSize: 70000}, "buffer size 70000"},
		{Options{RxQ: 300}, "between 1 - 255"},
		{Options{SocketPath: "relative.sock"}, "must be absolute"},
		{Options{SocketPath: "/" + strings.Repeat("x", 200)}, "longer than 107"},
		{Options{SocketPath: "/tmp/a,b"}, "/tmp/a,b"},
		{Options{Secret: strings.Repeat("s", 24)}, "secret"},
		{Options{Secret: "a,b"}, "secret"},
		{Options{Master: true, SocketPath: "/proc/nodir/x"}, "/proc/nodir"},
		{Options{SocketPath: "/nonexistent/x"}, "/nonexistent/x"},
	} {
		d, err := Open(tc.o, pool)
		if err == nil {
			t.Errorf("%+v was accepted", tc.o)
			d.Close()
		} else if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", tc.o, err)
		}
	}
	if len(sockets.m) != 0 {
		t.Errorf("sockets are left: %v", sockets.m)
	}
}

func TestInfo(t *testing.T) {
	path := socketPath(t)
	pool := newPool(t, pkt.DefaultRoom)
	mac := [6]byte{2, 0xfe, 1, 2, 3, 4}
	d := open1(t, Options{SocketPath: path, MAC: mac}, pool)
	i := d.Info()
	if i.MAC != mac || i.Driver != "net_memif" || i.MaxMTU != 2048-14 || i.RxQ != 1 || i.TxQ != 1 || i.TxCsum || i.TSO || i.RxCsum {
		t.Errorf("info %+v", i)
	}
	if err := d.SetMAC(mac); !errors.Is(err, device.ErrUnsupported) {
		t.Errorf("SetMAC: %v", err)
	}
	want := map[string]any{"role": "slave", "connected": false, "ring-size": 1024, "buffer-size": 2048, "socket": path, "id": uint32(0)}
	for _, x := range d.Details() {
		if v, ok := want[x.Name]; ok && v != x.Value {
			t.Errorf("%s is %v, want %v", x.Name, x.Value, v)
		}
		delete(want, x.Name)
	}
	if len(want) != 0 {
		t.Errorf("details lack %v", want)
	}
	if d.Link().Up {
		t.Error("up without a peer")
	}
	_ = dpdk.Log()
}

func TestNoAllocation(t *testing.T) {
	pool := newPool(t, pkt.DefaultRoom)
	path := socketPath(t)
	d := open1(t, Options{SocketPath: path}, pool)
	c := peer{Mode: "echo", Devices: []Options{{Master: true, SocketPath: path}}, Room: pkt.DefaultRoom, CPU: -1}.start(t)
	within(t, 10*time.Second, "link up", func() bool { return d.Link().Up })
	h, err := newHost([]device.Device{d}, pool)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(2000, func() {
		h.flood(500)
		h.sink()
	}); n != 0 {
		t.Errorf("%v allocations a burst", n)
	}
	// The peer may not have had a turn yet.
	within(t, 10*time.Second, "frames back", func() bool { h.flood(500); return h.sink() > 0 || h.received > 0 })
	c.end()
	h.close()
}
