package httpd

import (
	"sync"
	"sync/atomic"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

// errand is something that a worker has a goroutine do, because one must wait for it.
type errand struct {
	kind  errandKind
	token http.Token // who waits for an answer
	site  *site      // of the static server
	flags uint32
	now   int64  // the worker's time
	text  []byte // a copy, of the goroutine
}

type errandKind uint8

const (
	errandFile    errandKind = iota // find a file and answer
	errandCheck                     // see whether a file has changed
	errandBuiltin                   // answer with a JSON page
	errandCommand                   // run a command
	errandLog                       // write a line
)

const (
	ringErrands = 1 << 12
	ringText    = 1 << 19
)

// ring carries errands of one worker to the goroutine that empties it.
type ring struct {
	head, tail atomic.Uint32 // free-running: of the goroutine, of the worker
	textHead   atomic.Uint32
	textTail   uint32 // of the worker
	slots      [ringErrands]slot
	text       [ringText]byte
}

type slot struct {
	errand
	at, n uint32 // of its text
}

// push puts an errand in, whose text is the parts; false when there is no room. On the
// worker.
func (r *ring) push(e errand, parts ...[]byte) bool {
	n := uint32(0)
	for _, p := range parts {
		n += uint32(len(p))
	}
	t := r.tail.Load()
	if t-r.head.Load() == ringErrands || n > ringText-(r.textTail-r.textHead.Load()) {
		return false
	}
	r.slots[t%ringErrands] = slot{e, r.textTail, n}
	for _, p := range parts {
		at := r.textTail % ringText
		copy(r.text[:], p[copy(r.text[at:], p):])
		r.textTail += uint32(len(p))
	}
	r.tail.Store(t + 1)
	return true
}

// pop takes the oldest errand out. On the goroutine.
func (r *ring) pop() (e errand, ok bool) {
	h := r.head.Load()
	if h == r.tail.Load() {
		return e, false
	}
	s := &r.slots[h%ringErrands]
	e = s.errand
	e.text = make([]byte, s.n)
	at := s.at % ringText
	n := copy(e.text, r.text[at:min(ringText, at+s.n)])
	copy(e.text[n:], r.text[:])
	r.textHead.Store(s.at + s.n)
	*s = slot{} // what it names may go
	r.head.Store(h + 1)
	return e, true
}

// desk has errands done: each on a goroutine of its own.
type desk struct {
	rings   []*ring // by worker
	note    *worker.Notifier
	do      func(*errand)
	quit    chan struct{}
	wg      sync.WaitGroup
	pending atomic.Int64 // errands pushed and not done, for tests
}

func newDesk(workers int, do func(*errand)) *desk {
	d := &desk{note: worker.NewNotifier(), do: do, quit: make(chan struct{})}
	for range workers {
		d.rings = append(d.rings, &ring{})
	}
	d.wg.Add(1)
	go d.serve()
	return d
}

// push gives an errand to a goroutine; false when there are too many. On worker w.
func (d *desk) push(w *session.Worker, e errand, parts ...[]byte) bool {
	if !d.rings[w.Index].push(e, parts...) {
		return false
	}
	d.pending.Add(1)
	w.Notify(d.note)
	return true
}

func (d *desk) serve() {
	defer d.wg.Done()
	for {
		select {
		case <-d.quit:
			return
		case <-d.note.C:
		}
		for _, r := range d.rings {
			for e, ok := r.pop(); ok; e, ok = r.pop() {
				d.wg.Add(1)
				go func() {
					defer d.wg.Done()
					defer d.pending.Add(-1)
					d.do(&e)
				}()
			}
		}
	}
}

// stop waits for what has begun. What has not begun is dropped: the server is closed.
func (d *desk) stop() {
	close(d.quit)
	d.wg.Wait()
}
