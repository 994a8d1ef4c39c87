package worker

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// StallBounds are the upper bounds of the stall histogram's cells, in ns; the
// last cell holds everything above.
var StallBounds = [...]int64{10e3, 100e3, 250e3, 500e3, 1e6, 2e6, 5e6, 10e6, 50e6}

// Stalls counts the gaps between the starts of two busy Steps by length. A gap
// is how long the worker left its devices alone; sleeping on purpose does not
// count.
type Stalls struct {
	Cells [len(StallBounds) + 1]uint64 `json:"cells"`
	Max   int64                        `json:"maxNs"`
	Own   int64                        `json:"ownMaxNs"` // the longest, less what the worker waited for its core
}

// ownFrom is the shortest gap, in ns, of which the kernel is asked whose fault it was.
const ownFrom = int64(1e6)

// Add counts a gap of so many ns.
func (s *Stalls) Add(gap int64) {
	i := 0
	for i < len(StallBounds) && gap > StallBounds[i] {
		i++
	}
	s.Cells[i]++
	s.Max = max(s.Max, gap)
	if gap < ownFrom {
		s.Own = max(s.Own, gap)
	}
}

// addOwn takes what of a longer gap the worker has not waited for its core.
func (s *Stalls) addOwn(gap int64) { s.Own = max(s.Own, gap) }

// String is the line of "show runtime".
func (s *Stalls) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Gaps between loops, longest %s", gap(s.Max))
	if s.Own > 0 && s.Own < s.Max {
		fmt.Fprintf(&b, " (%s without waiting for a core)", gap(s.Own))
	}
	b.WriteByte(':')
	for k, n := range s.Cells {
		if n == 0 {
			continue
		}
		if k < len(StallBounds) {
			fmt.Fprintf(&b, " <=%s %d", gap(StallBounds[k]), n)
		} else {
			fmt.Fprintf(&b, " >%s %d", gap(StallBounds[k-1]), n)
		}
	}
	return b.String()
}

// runDelay reads how long a thread was ready to run and did not.
type runDelay struct {
	fd   int
	last int64
	buf  [64]byte
}

// open begins to watch the calling thread.
func (d *runDelay) open() {
	var err error
	d.fd, err = unix.Open(fmt.Sprintf("/proc/self/task/%d/schedstat", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		d.fd = -1 // a kernel without CONFIG_SCHED_INFO
	}
	d.since()
}

// since is for how many ns the thread has waited for a core since the last call.
func (d *runDelay) since() int64 {
	if d.fd < 0 {
		return 0
	}
	n, _ := unix.Pread(d.fd, d.buf[:], 0)
	field, v := 0, int64(0)
	for _, c := range d.buf[:max(n, 0)] { // the second of three numbers
		switch {
		case c == ' ':
			field++
		case field == 1:
			v = v*10 + int64(c-'0')
		}
	}
	was := d.last
	d.last = v
	return v - was
}

func (d *runDelay) close() {
	if d.fd >= 0 {
		_ = unix.Close(d.fd)
	}
}
