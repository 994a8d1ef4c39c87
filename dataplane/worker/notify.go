package worker

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Notifier wakes a goroutine that waits on C from a worker. Signals that come
// before the goroutine has looked are merged into one.
type Notifier struct {
	C       chan struct{}
	pending atomic.Bool
}

// NewNotifier makes a Notifier with an empty channel.
func NewNotifier() *Notifier { return &Notifier{C: make(chan struct{}, 1)} }

const notifySlots = 4096

// notifyRing carries notifiers from the worker to a helper goroutine, which
// does the channel sends. One eventfd write a Step wakes the helper.
type notifyRing struct {
	slots [notifySlots]atomic.Pointer[Notifier]
	head  atomic.Uint32 // next slot the helper reads
	tail  atomic.Uint32 // next slot the worker writes
	dirty bool
	fd    int
	file  *os.File
}

func (r *notifyRing) init() error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("worker: eventfd: %w", err)
	}
	r.fd = fd
	// A non-blocking file sits in the netpoller: reading it parks the goroutine
	// and no thread.
	r.file = os.NewFile(uintptr(fd), "worker-notify")
	go r.relay()
	return nil
}

// Notify wakes the goroutine behind n at the end of this Step.
func (w *Worker) Notify(n *Notifier) {
	if n.pending.Swap(true) {
		return
	}
	r := &w.notify
	t := r.tail.Load()
	if t-r.head.Load() == notifySlots {
		// The helper is far behind; let it run before more is queued.
		r.write()
		for t-r.head.Load() == notifySlots {
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	r.slots[t%notifySlots].Store(n)
	r.tail.Store(t + 1)
	r.dirty = true
}

func (r *notifyRing) flush() {
	if r.dirty {
		r.dirty = false
		r.write()
	}
}

func (r *notifyRing) write() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(r.fd, one[:])
}

// relay runs on a goroutine of its own for as long as the worker lives.
func (r *notifyRing) relay() {
	var b [8]byte
	for {
		if _, err := r.file.Read(b[:]); err != nil {
			return
		}
		for h := r.head.Load(); h != r.tail.Load(); h++ {
			n := r.slots[h%notifySlots].Swap(nil)
			r.head.Store(h + 1)
			n.pending.Store(false)
			select {
			case n.C <- struct{}{}:
			default:
			}
		}
	}
}

func (r *notifyRing) close() { _ = r.file.Close() }
