package trace

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// Directions of a capture.
type directions uint8

const (
	captureRx directions = 1 << iota
	captureTx
	captureDrop
)

const (
	// AnyInterface captures on all interfaces.
	AnyInterface = ^uint32(0)
	// maxCapture bounds the memory of one worker's capture.
	maxCapture = 1 << 30
	pcapRecord = 16 // header of a captured frame
)

var (
	// ErrCapturing is returned when a capture runs already.
	ErrCapturing = errors.New("dispatch trace already enabled...")
	// ErrNotCapturing is returned when none does.
	ErrNotCapturing = errors.New("dispatch trace not enabled...")
	// ErrNothingCaptured is returned when a capture ends without a frame.
	ErrNothingCaptured = errors.New("No packets captured...")
	// ErrCaptureSize is returned for a capture that would need too much memory.
	ErrCaptureSize = fmt.Errorf("max times max-bytes-per-pkt is limited to %d MB", maxCapture>>20)
)

// Capture is what to capture, and the progress of it.
type Capture struct {
	Rx, Tx, Drop bool
	Max          int    // frames
	Snap         int    // bytes of each frame
	Iface        uint32 // or AnyInterface
	File         string // path

	left atomic.Int64
}

func (c *Capture) directions() (d directions) {
	if c.Rx {
		d |= captureRx
	}
	if c.Tx {
		d |= captureTx
	}
	if c.Drop {
		d |= captureDrop
	}
	return d
}

// Captured is how many frames there are.
func (c *Capture) Captured() int { return c.Max - int(max(0, c.left.Load())) }

// buffer is one worker's part of a capture: the records of a pcap file, in memory that is
// reserved in full and used as far as it is filled.
type buffer struct {
	c      *Capture
	want   directions
	region *mem.Region
	data   []byte
}

func newBuffer(c *Capture) (*buffer, error) {
	r, err := mem.Map(c.Max * (c.Snap + pcapRecord))
	if err != nil {
		return nil, err
	}
	return &buffer{c: c, want: c.directions(), region: r, data: r.Bytes()[:0]}, nil
}

func (b *buffer) burst(d directions, index uint32, bufs []*pkt.Buf, now int64) {
	if b.want&d == 0 || b.c.Iface != AnyInterface && b.c.Iface != index {
		return
	}
	for _, x := range bufs {
		b.put(x, now)
	}
}

func (b *buffer) one(d directions, index uint32, x *pkt.Buf, now int64) {
	if b.want&d != 0 && (b.c.Iface == AnyInterface || b.c.Iface == index) {
		b.put(x, now)
	}
}

// put appends a frame. Times are ns since start until the file is written.
func (b *buffer) put(x *pkt.Buf, now int64) {
	if b.c.left.Load() <= 0 || b.c.left.Add(-1) < 0 {
		return
	}
	at := len(b.data)
	b.data = b.data[:at+pcapRecord]
	n := 0
	for s := x; s != nil && n < b.c.Snap; s = s.Next {
		d := s.Data()
		d = d[:min(len(d), b.c.Snap-n)]
		b.data = append(b.data, d...)
		n += len(d)
	}
	h := b.data[at:]
	binary.LittleEndian.PutUint64(h[0:], uint64(now))
	binary.LittleEndian.PutUint32(h[8:], uint32(n))
	binary.LittleEndian.PutUint32(h[12:], x.PktLen)
}

// StartCapture begins to capture on all workers.
func (t *Tracer) StartCapture(c *Capture) error {
	if c.Max <= 0 || c.Snap <= 0 || c.Max > maxCapture/(c.Snap+pcapRecord) {
		return ErrCaptureSize
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.capture != nil {
		return ErrCapturing
	}
	c.left.Store(int64(c.Max))
	var all []*buffer
	for range t.logs {
		b, err := newBuffer(c)
		if err != nil {
			for _, b := range all {
				b.region.Close()
			}
			return err
		}
		all = append(all, b)
	}
	t.capture = c
	return t.onWorkers(func(l *log) {
		l.capture = all[l.w.Index]
		l.rest()
	})
}

// Status is the capture that runs, nil when none does.
func (t *Tracer) Status() *Capture {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.capture
}

// StopCapture ends the capture and writes its file.
func (t *Tracer) StopCapture() (*Capture, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.capture
	if c == nil {
		return nil, ErrNotCapturing
	}
	var all []*buffer
	err := t.onWorkers(func(l *log) {
		if l.capture != nil {
			all = append(all, l.capture)
		}
		l.capture = nil
		l.rest()
	})
	t.capture = nil
	defer func() {
		for _, b := range all {
			b.region.Close()
		}
	}()
	if err == nil && c.Captured() == 0 {
		err = ErrNothingCaptured
	}
	if err != nil {
		return c, err
	}
	return c, writeFile(c, all)
}

// writeFile merges the workers' frames by time.
func writeFile(c *Capture, all []*buffer) error {
	var frames [][]byte
	for _, b := range all {
		for d := b.data; len(d) > 0; {
			n := pcapRecord + int(binary.LittleEndian.Uint32(d[8:]))
			frames = append(frames, d[:n])
			d = d[n:]
		}
	}
	slices.SortStableFunc(frames, func(a, b []byte) int {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	// Never through somebody else's link in a directory that all may write to.
	if err := os.Remove(c.File); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	writePcap(w, c.Snap, frames)
	return errors.Join(w.Flush(), f.Close())
}

// writePcap writes a capture file with nanosecond time stamps, link type Ethernet.
func writePcap(w *bufio.Writer, snap int, frames [][]byte) {
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], 0xa1b23c4d)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], uint32(snap))
	binary.LittleEndian.PutUint32(h[20:], 1)
	_, _ = w.Write(h[:])
	epoch := worker.Epoch().UnixNano()
	for _, f := range frames {
		at := epoch + int64(binary.LittleEndian.Uint64(f))
		binary.LittleEndian.PutUint32(h[0:], uint32(at/1e9))
		binary.LittleEndian.PutUint32(h[4:], uint32(at%1e9))
		copy(h[8:16], f[8:16])
		_, _ = w.Write(h[:16])
		_, _ = w.Write(f[pcapRecord:])
	}
}
