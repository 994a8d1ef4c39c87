package memif

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/vdev"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// peer describes what another process, started from this test binary, does.
type peer struct {
	Mode    string // echo, flood, sink, drip, scribble, hold
	Devices []Options
	Stock   string // not empty: DPDK's own data path, with these arguments besides
	Room    int    // of packet buffers
	Size    int    // of frames that flood and drip send, 0 for all sizes
	Every   time.Duration
	CPU     int // -1 for any
}

const peerEnv = "MEMIF_TEST_PEER"

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	if s := os.Getenv(peerEnv); s != "" {
		var p peer
		err := json.Unmarshal([]byte(s), &p)
		if err == nil {
			err = p.run()
		}
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := dpdk.Init(dpdk.Config{MemMB: dpdk.MemFor(poolSize, jumbo)*2 + 64}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	poolSize = 8192
	jumbo    = 9216 + pkt.Headroom
)

// child is a peer that is running.
type child struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
}

func (p peer) start(t testing.TB) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := json.Marshal(p)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), peerEnv+"="+string(s))
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, in: in, lines: bufio.NewScanner(out)}
	t.Cleanup(func() { c.kill() })
	if l := c.line(); l != "ready" {
		t.Fatalf("the peer says %q", l)
	}
	return c
}

func (c *child) line() string {
	if !c.lines.Scan() {
		return "nothing"
	}
	return c.lines.Text()
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// end lets the peer stop by itself and returns its last line.
func (c *child) end() string {
	c.in.Close()
	l := c.line()
	_ = c.cmd.Wait()
	return l
}

// run is the life of the other process: until its standard input ends.
func (p peer) run() error {
	n := poolSize
	if err := dpdk.Init(dpdk.Config{MemMB: dpdk.MemFor(n, p.Room) + 32}); err != nil {
		return err
	}
	pool, err := dpdk.NewPool("peer", n, p.Room)
	if err != nil {
		return err
	}
	var devs []device.Device
	for _, o := range p.Devices {
		d, err := p.open(o, pool)
		if err != nil {
			return err
		}
		if err := d.Start(); err != nil {
			return err
		}
		devs = append(devs, d)
	}
	fmt.Println("ready")
	var stop atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	runtime.LockOSThread()
	if p.CPU >= 0 {
		pin(p.CPU)
	}
	dpdk.ThreadStart()
	h, err := newHost(devs, pool)
	if err != nil {
		return err
	}
	switch p.Mode {
	case "echo":
		for !stop.Load() {
			if h.echo() == 0 {
				time.Sleep(20 * time.Microsecond)
			}
		}
	case "flood":
		for !stop.Load() {
			if h.flood(p.Size); h.sink() == 0 {
				time.Sleep(20 * time.Microsecond)
			}
		}
	case "sink":
		for !stop.Load() {
			h.sink()
		}
	case "drip":
		for !stop.Load() {
			time.Sleep(p.Every)
			h.flood1(p.Size)
		}
	case "bench", "bench touch":
		for !devs[0].Link().Up && !stop.Load() {
			h.sink()
		}
		fmt.Println(h.bench(p.Size, p.Mode == "bench touch", &stop))
	case "scribble":
		for !stop.Load() {
			h.flood(p.Size)
			h.sink()
			scribble()
			time.Sleep(100 * time.Microsecond)
		}
	case "hold":
		for !stop.Load() {
			time.Sleep(time.Millisecond)
		}
	}
	for _, d := range devs {
		if err := d.Close(); err != nil {
			return err
		}
	}
	h.cache.Flush()
	total, avail := pool.Usage()
	fmt.Printf("bad %d lost %d\n", h.bad, total-avail)
	return nil
}

// open makes a device of ours, or one of DPDK's driver as it is.
func (p peer) open(o Options, pool *dpdk.Pool) (device.Device, error) {
	if p.Stock == "" {
		return Open(o, pool)
	}
	if err := o.complete(pool); err != nil {
		return nil, err
	}
	return vdev.Open(vdev.Options{Name: "net_memif_stock", Args: o.args() + "," + p.Stock}, pool)
}

// scribble writes garbage over the rings that this process shares with its peer. It goes
// through the file: the driver may unmap the memory at any time.
func scribble() {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, e := range fds {
		path := "/proc/self/fd/" + e.Name()
		if name, _ := os.Readlink(path); !strings.Contains(name, "memif_region_0") {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue // closed meanwhile
		}
		var word [4]byte
		for range 2000 {
			binary.NativeEndian.PutUint32(word[:], rand.Uint32()>>rand.IntN(32))
			_, _ = f.WriteAt(word[:], 4*rand.Int64N(2*(128+1024*16)/4))
		}
		_ = f.Close()
	}
}

func pin(cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set)
}

func unpin() {
	var set unix.CPUSet
	for i := range runtime.NumCPU() {
		set.Set(i)
	}
	_ = unix.SchedSetaffinity(0, &set)
}

// host is a worker of the test: it drives devices from one thread.
type host struct {
	rx       []device.RxQueue
	tx       []device.TxQueue
	cache    *pkt.Cache
	bufs     []*pkt.Buf
	wait     [][]*pkt.Buf // not sent yet, for each device
	seq      uint64
	received uint64
	bad      uint64
}

func newHost(devs []device.Device, pool *dpdk.Pool) (*host, error) {
	c, err := pkt.NewCache(pool)
	if err != nil {
		return nil, err
	}
	b, err := mem.Slice[*pkt.Buf](pkt.MaxBurst)
	if err != nil {
		return nil, err
	}
	h := &host{cache: c, bufs: b}
	for _, d := range devs {
		i := d.Info()
		for q := range i.RxQ {
			h.rx = append(h.rx, d.Rx(q))
			h.tx = append(h.tx, d.Tx(min(q, i.TxQ-1)))
			w, err := mem.Slice[*pkt.Buf](pkt.MaxBurst)
			if err != nil {
				return nil, err
			}
			h.wait = append(h.wait, w[:0])
		}
	}
	return h, nil
}

var table = crc64.MakeTable(crc64.ECMA)

// fill writes a frame of n bytes that can be checked: addresses, number, length,
// bytes made from the number, checksum.
func fill(b *pkt.Buf, n int, seq uint64) {
	d := b.Append(n)
	copy(d, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5")
	binary.BigEndian.PutUint64(d[14:], seq)
	binary.BigEndian.PutUint16(d[22:], uint16(n))
	x := seq*2654435761 + 1
	for i := 24; i < n-8; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		d[i] = byte(x)
	}
	binary.BigEndian.PutUint64(d[n-8:], crc64.Checksum(d[:n-8], table))
}

// good tells whether a frame is as fill made it.
func good(b *pkt.Buf) bool {
	d := b.Data()
	n := len(d)
	return n >= 60 && int(b.PktLen) == n && b.NbSegs == 1 && int(binary.BigEndian.Uint16(d[22:])) == n &&
		binary.BigEndian.Uint64(d[n-8:]) == crc64.Checksum(d[:n-8], table)
}

func number(b *pkt.Buf) uint64 { return binary.BigEndian.Uint64(b.Data()[14:]) }

// send pushes what waits and then bufs to device i; what is not taken waits, and the
// rest is freed.
func (h *host) send(i int, bufs []*pkt.Buf) {
	w := h.wait[i]
	if len(w) > 0 {
		n := h.tx[i].TxBurst(w)
		copy(w, w[n:])
		w = w[:len(w)-n]
	}
	if len(w) == 0 && len(bufs) > 0 {
		bufs = bufs[h.tx[i].TxBurst(bufs):]
	}
	for _, b := range bufs {
		if len(w) < cap(w) {
			w = append(w, b)
		} else {
			h.cache.Put(b)
		}
	}
	h.wait[i] = w
}

// echo returns every good frame to where it came from.
func (h *host) echo() (n int) {
	for i, q := range h.rx {
		k := 0
		if len(h.wait[i]) == 0 {
			k = q.RxBurst(h.bufs[:64])
		}
		for _, b := range h.bufs[:k] {
			if !good(b) {
				h.bad++
			}
		}
		h.send(i, h.bufs[:k])
		n += k
	}
	return n
}

// sink frees what comes.
func (h *host) sink() (n int) {
	for _, q := range h.rx {
		k := q.RxBurst(h.bufs)
		for _, b := range h.bufs[:k] {
			if !good(b) {
				h.bad++
			}
		}
		h.cache.PutN(h.bufs[:k])
		n += k
	}
	h.received += uint64(n)
	return n
}

// flood sends a burst to every device that takes it.
func (h *host) flood(size int) {
	for i := range h.tx {
		if len(h.wait[i]) > 0 {
			h.send(i, nil)
			continue
		}
		n := h.cache.GetN(h.bufs[:32])
		for _, b := range h.bufs[:n] {
			h.seq++
			k := size
			if k == 0 {
				k = 60 + int(h.seq*7919%uint64(9000-60+1))
			}
			fill(b, k, h.seq)
		}
		h.send(i, h.bufs[:n])
	}
}

func (h *host) flood1(size int) {
	if h.cache.GetN(h.bufs[:1]) == 1 {
		h.seq++
		fill(h.bufs[0], size, h.seq)
		h.send(0, h.bufs[:1])
	}
}

// close gives all buffers back.
func (h *host) close() {
	for i, w := range h.wait {
		h.cache.PutN(w)
		h.wait[i] = w[:0]
	}
	h.cache.Flush()
}

// socketPath is a path of this test's own.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "memif")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "m.sock")
}

var pools atomic.Int32

func newPool(t testing.TB, room int) *dpdk.Pool {
	t.Helper()
	p, err := dpdk.NewPool(fmt.Sprintf("test%d", pools.Add(1)), poolSize, room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the devices
		total, avail := p.Usage()
		if total != avail {
			t.Errorf("%d of %d buffers came back", avail, total)
			return
		}
		p.Close()
	})
	return p
}

// open makes and starts a device that is closed with the test.
func open1(t testing.TB, o Options, pool *dpdk.Pool) *Device {
	t.Helper()
	d, err := Open(o, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// within polls until f is true.
func within(t testing.TB, d time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !f(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s\n%s", d, what, strings.Join(dpdk.Log(), "\n"))
		}
		time.Sleep(time.Millisecond)
	}
}
