package afpacket

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device/netdev"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/pkt"
)

// TestBothWays exchanges datagrams of all sizes with the kernel.
func TestBothWays(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		for _, tc := range []struct{ mtu, room int }{{1500, pkt.DefaultRoom}, {9000, jumbo}} {
			t.Run(fmt.Sprint(tc.mtu), func(t *testing.T) {
				w := newWire(t, tc.mtu)
				h := w.open(by, newPool(t, tc.room), Options{})
				if i := h.d.Info(); i.MaxMTU != tc.mtu || i.MAC != ourMAC || len(h.wakers()) != 1 || i.Driver != by.name {
					t.Fatalf("info %+v", i)
				}
				h.carrier()
				c := w.socket()
				sent := 0
				for size := 1; size <= tc.mtu-28; size += 97 {
					p := nettest.Pattern(size, byte(size))
					w.toUs(c, p)
					got := false
					h.each(5*time.Second, func(b *pkt.Buf) bool {
						d, ok := nettest.Parse(b.Data())
						if !ok {
							return true
						}
						got = true
						if !bytes.Equal(d.Payload, p) {
							t.Errorf("%d bytes: the payload differs", size)
						}
						// The kernel leaves the checksum to the device, and says so.
						if d.SumOK == false && b.Flags&pkt.L4Good == 0 {
							t.Errorf("%d bytes: a wrong checksum is not excused", size)
						}
						return false
					})
					if !got {
						t.Fatalf("%d bytes did not arrive", size)
					}
					if h.cache.GetN(h.bufs[:1]) != 1 {
						t.Fatal("no buffer")
					}
					w.build(h.bufs[0], 7, nettest.Port(c), p)
					if h.tx[0].TxBurst(h.bufs[:1]) != 1 {
						t.Fatal("not sent")
					}
					sent++
					_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
					buf := make([]byte, 10000)
					n, _, err := c.ReadFromUDP(buf)
					if err != nil || !bytes.Equal(buf[:n], p) {
						t.Fatalf("%d bytes to the kernel: %v", size, err)
					}
				}
				if c := h.d.Counters(); c.TxPackets != uint64(sent) || c.RxPackets != uint64(sent) || c.RxErrors+c.TxErrors+c.RxMissed != 0 {
					t.Errorf("counters %+v, want %d packets", c, sent)
				}
			})
		}
	})
}

func TestChecksumVerdict(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{})
		c := w.socket()
		one := func() (good, sum bool) {
			w.toUs(c, nettest.Pattern(100, 1))
			h.each(5*time.Second, func(b *pkt.Buf) bool {
				d, ok := nettest.Parse(b.Data())
				if ok {
					good, sum = b.Flags&pkt.L4Good != 0, d.SumOK
				}
				return !ok
			})
			return
		}
		if good, sum := one(); !good || sum {
			t.Errorf("checksum left out: good %v, sum %v", good, sum)
		}
		w.ethtool("tx off")
		if good, sum := one(); good || !sum {
			t.Errorf("checksum filled in: good %v, sum %v", good, sum)
		}
	})
}

// TestFragments: what the kernel sends in fragments arrives in fragments.
func TestFragments(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{})
		c := w.socket()
		w.toUs(c, nettest.Pattern(4000, 3))
		n := 0
		h.each(5*time.Second, func(b *pkt.Buf) bool {
			if d, ok := nettest.Parse(b.Data()); ok {
				if !d.Fragment || d.FrameBytes > 1514 {
					t.Errorf("a frame of %d bytes, fragment %v", d.FrameBytes, d.Fragment)
				}
				n++
			}
			return n < 3
		})
		if n != 3 {
			t.Errorf("%d fragments, want 3; %+v", n, h.d.Counters())
		}
	})
}

// TestFullRing sends more at once than a ring holds.
func TestFullRing(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{Frames: 32})
		c := w.socket()
		_ = c.SetReadBuffer(8 << 20)
		p := nettest.Pattern(1000, 9)
		const total = 2000
		sent, most := 0, 0
		wait := h.bufs[:0]
		for sent < total {
			n := h.cache.GetN(h.bufs[len(wait):min(256, total-sent)])
			for _, b := range h.bufs[len(wait) : len(wait)+n] {
				w.build(b, 7, nettest.Port(c), p)
			}
			wait = h.bufs[:len(wait)+n]
			k := h.tx[0].TxBurst(wait)
			most = max(most, k)
			sent += k
			copy(wait, wait[k:])
			wait = wait[:len(wait)-k]
		}
		h.cache.PutN(wait)
		if by.name == dpdks.name && most > 32 {
			t.Errorf("%d frames went into a ring of 32", most)
		}
		got := 0
		buf := make([]byte, 2000)
		for got < total {
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
			n, _, err := c.ReadFromUDP(buf)
			if err != nil {
				break
			}
			if n != 1000 {
				t.Fatalf("%d bytes", n)
			}
			got++
		}
		if got != total {
			t.Errorf("%d of %d datagrams arrived", got, total)
		}
	})
}

// TestDownAndUp: sending into an interface that is down neither blocks nor harms, and
// sleeping on it costs nothing.
func TestDownAndUp(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{Frames: 64})
		c := w.socket()
		nettest.Run(t, "ip -n "+w.kernel+" link set vb down")
		// The kernel tells of a lost carrier a little later (net/core/link_watch.c).
		for end := time.Now().Add(3 * time.Second); h.d.Link().Up; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("up without a carrier")
			}
		}
		nettest.Run(t, "ip -n "+w.ns+" link set va down")
		for range 100 {
			n := h.cache.GetN(h.bufs[:16])
			for _, b := range h.bufs[:n] {
				w.build(b, 7, nettest.Port(c), nettest.Pattern(100, 1))
			}
			k := h.tx[0].TxBurst(h.bufs[:n])
			h.cache.PutN(h.bufs[k:n])
		}
		// The error of the socket goes away by polling.
		poll := []unix.PollFd{{Fd: int32(h.wakers()[0]), Events: unix.POLLIN}}
		wakes := 0
		for range 3 * 1024 {
			if n := h.rx[0].RxBurst(h.bufs); n != 0 {
				h.cache.PutN(h.bufs[:n])
			}
			if n, _ := unix.Poll(poll, 0); n > 0 {
				wakes++
			}
		}
		if n, _ := unix.Poll(poll, 0); n > 0 {
			t.Errorf("the descriptor of a dead interface stays readable (%d times)", wakes)
		}
		nettest.Run(t, "ip -n "+w.ns+" link set va up")
		nettest.Run(t, "ip -n "+w.kernel+" link set vb up")
		// Bringing it down has flushed the neighbour.
		nettest.Run(t, fmt.Sprintf("ip -n %s neigh replace %s lladdr 02:fe:00:00:00:02 dev vb", w.kernel, ourIP))
		h.carrier()
		got := false
		for range 50 {
			w.toUs(c, nettest.Pattern(50, 5))
			h.each(50*time.Millisecond, func(b *pkt.Buf) bool {
				_, ok := nettest.Parse(b.Data())
				got = got || ok
				return !ok
			})
			if got {
				break
			}
		}
		if !got {
			t.Error("nothing arrives after up")
		}
	})
}

func TestWake(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{})
		c := w.socket()
		h.each(100*time.Millisecond, func(*pkt.Buf) bool { return true })
		fd := h.wakers()[0]
		if nettest.Readable(t, fd, 20*time.Millisecond) {
			t.Error("readable without a packet")
		}
		for range 20 {
			if !h.arm() {
				t.Error("packets wait")
			}
			sent := make(chan struct{})
			time.AfterFunc(2*time.Millisecond, func() { defer close(sent); w.toUs(c, nettest.Pattern(64, 1)) })
			woken := nettest.Readable(t, fd, 5*time.Second)
			<-sent
			if !woken {
				t.Fatal("not woken")
			}
			n := h.rx[0].RxBurst(h.bufs)
			h.cache.PutN(h.bufs[:n])
			if n == 0 {
				t.Error("woken for nothing")
			}
		}
	})
}

// TestKernelsOwnPackets: what the kernel sends on our end is not received.
func TestKernelsOwnPackets(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{})
		var va *netdev.Link
		if err := netdev.In(w.ns, func() (err error) { va, err = netdev.Find("va"); return err }); err != nil {
			t.Fatal(err)
		}
		nettest.Run(t, "ip -n "+w.ns+" addr add 10.99.0.9/24 dev va")
		_ = exec.Command("ip", "netns", "exec", w.ns, "ping", "-c", "2", "-i", "0.1", "-W", "1", kernelIP.String()).Run()
		h.each(300*time.Millisecond, func(b *pkt.Buf) bool {
			if d := b.Data(); bytes.Equal(d[6:12], va.MAC[:]) {
				t.Errorf("received what the kernel sent: % x", d[:14])
			}
			return true
		})
	})
}

func TestTwoQueues(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{Queues: 2})
		if len(h.rx) != 2 || len(h.wakers()) != 2 {
			t.Fatalf("info %+v", h.d.Info())
		}
		const flows, each = 40, 5
		for range flows {
			c := w.socket()
			for i := range each {
				w.toUs(c, nettest.Pattern(100, byte(i)))
			}
		}
		var perQueue [2]int
		home := map[uint16]int{}
		total := 0
		for end := time.Now().Add(5 * time.Second); total < flows*each && time.Now().Before(end); {
			for q, rx := range h.rx {
				n := rx.RxBurst(h.bufs)
				for _, b := range h.bufs[:n] {
					d, ok := nettest.Parse(b.Data())
					if !ok {
						continue
					}
					if was, ok := home[d.Src.Port()]; ok && was != q {
						t.Errorf("flow %v came on two queues", d.Src)
					}
					home[d.Src.Port()] = q
					perQueue[q]++
					total++
				}
				h.cache.PutN(h.bufs[:n])
			}
		}
		if total != flows*each || perQueue[0] == 0 || perQueue[1] == 0 {
			t.Errorf("%d packets, by queue %v", total, perQueue)
		}
		// Both transmit.
		c := w.socket()
		for q := range 2 {
			h.cache.GetN(h.bufs[:1])
			w.build(h.bufs[0], 7, nettest.Port(c), []byte("x"))
			if h.tx[q].TxBurst(h.bufs[:1]) != 1 {
				t.Fatal("not sent")
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, _, err := c.ReadFromUDP(make([]byte, 10)); err != nil {
				t.Errorf("queue %d: %v", q, err)
			}
		}
	})
}

func TestHotplugWhilePolling(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		pool := newPool(t, pkt.DefaultRoom)
		h := w.open(by, pool, Options{})
		stop, done := make(chan bool), make(chan int)
		c := w.socket()
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					done <- n
					return
				default:
					h.each(10*time.Millisecond, func(*pkt.Buf) bool { n++; return true })
				}
			}
		}()
		nettest.Run(t, "ip -n "+w.ns+" link add vc type veth peer name vd")
		fds := nettest.FDs(t)
		for range 50 {
			d, _, err := by.open(Options{Interface: "vc", NetNS: w.ns}, pool)
			if err != nil {
				t.Fatal(err)
			}
			w.toUs(c, []byte("x"))
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.Start(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("start after close: %v", err)
			}
		}
		stop <- true
		if n := <-done; n < 25 {
			t.Errorf("%d packets while devices came and went", n)
		}
		if n := nettest.FDs(t); n > fds {
			t.Errorf("%d descriptors, %d before", n, fds)
		}
	})
}

func TestErrors(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		pool := newPool(t, pkt.DefaultRoom)
		small := newPool(t, 1024)
		w := newWire(t, 1500)
		for _, tc := range []struct {
			o    Options
			pool int
			want string
		}{
			{Options{Interface: "nosuch"}, 0, "no such kernel interface: nosuch"},
			{Options{}, 0, "no such kernel interface"},
			{Options{Interface: "va", NetNS: "nosuchns"}, 0, "no network namespace nosuchns"},
			{Options{Interface: "va", NetNS: w.ns}, 1, "too small"},
			{Options{Interface: "va", NetNS: w.ns, Queues: 100}, 0, "100 queues"},
			{Options{Interface: "va", NetNS: w.ns, Frames: 1}, 0, "1 frames"},
		} {
			p := pool
			if tc.pool == 1 {
				p = small
			}
			d, _, err := by.open(tc.o, p)
			if err == nil {
				t.Errorf("%+v was accepted", tc.o)
				d.Close()
			} else if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%+v: %v", tc.o, err)
			}
		}
		if _, _, err := by.open(Options{Interface: "nosuch"}, pool); !errors.Is(err, netdev.ErrNoInterface) {
			t.Errorf("got %v", err)
		}
	})
}

// TestWithoutPrivilege asks the kernel as an ordinary user.
func TestWithoutPrivilege(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		pool := newPool(t, pkt.DefaultRoom)
		var err error
		if nsErr := netdev.In(w.ns, func() error {
			// The thread alone loses its capabilities, and ends after this.
			if _, _, e := syscall.RawSyscall(syscall.SYS_SETUID, 65534, 0, 0); e != 0 {
				return e
			}
			_, _, err = by.open(Options{Interface: "va"}, pool)
			return nil
		}); nsErr != nil {
			t.Fatal(nsErr)
		}
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "net_raw") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoAllocation(t *testing.T) {
	eachDriver(t, func(t *testing.T, by driver) {
		w := newWire(t, 1500)
		h := w.open(by, newPool(t, pkt.DefaultRoom), Options{})
		c := w.socket()
		p := nettest.Pattern(200, 1)
		if n := testing.AllocsPerRun(500, func() {
			n := h.cache.GetN(h.bufs[:16])
			for _, b := range h.bufs[:n] {
				w.build(b, 7, 9, p)
			}
			h.cache.PutN(h.bufs[h.tx[0].TxBurst(h.bufs[:n]):n])
			h.cache.PutN(h.bufs[:h.rx[0].RxBurst(h.bufs)])
		}); n != 0 {
			t.Errorf("%v allocations a burst", n)
		}
		_ = c
	})
}
