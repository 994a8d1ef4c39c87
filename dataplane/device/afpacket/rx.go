package afpacket

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/gso"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

const (
	// slots is how many packets one read takes; when they are large a few fill a burst,
	// and fit the cache.
	slots      = 32
	largeSlots = 4
	// slotSize holds the largest packet and a header. It is an odd number of cache lines,
	// so that the beginnings of slots do not compete for the same few places in a cache.
	slotSize = 1057 * 64
	// frameAt is where the frame begins in a slot, aligned, the gso.Header before it.
	frameAt = 16
	// An empty read is a system call. After patience of them in a row one poll in rarely
	// makes it, until something comes or the worker asks before it sleeps (see Arm).
	patience = 64
	rarely   = 8
)

// Why received packets were dropped.
const (
	rxCut = iota
	rxLong
	rxUnknown
	rxMalformed
	rxTagged
	rxKernel
	rxReasons
)

var rxNames = [rxReasons]string{
	"rx cut by the kernel", "rx longer than a buffer", "rx unknown segmentation", "rx malformed",
	"rx VLAN tagged", "rx not described by the kernel",
}

// rxMemory is off the Go heap.
type rxMemory struct {
	msgs [slots]message
	iovs [slots]unix.Iovec
	aux  [slots]auxdata
	slot [slots][slotSize]byte
}

// auxdata is the control message that comes with each packet.
type auxdata struct {
	unix.Cmsghdr
	unix.TpacketAuxdata
	_ uint32
}

// rxQueue reads packets into slots, from which they are copied into buffers: whole, or
// cut into segments.
type rxQueue struct {
	fd     int
	pool   pkt.Pool
	region *mem.Region
	*rxMemory
	next  int // first slot not looked at
	have  int // slots that hold packets
	large bool
	empty uint // reads, or polls, in a row that found nothing
	cut   gso.Splitter

	packets, bytes, larges atomic.Uint64
	drops                  [rxReasons]atomic.Uint64
}

var (
	_ device.RxCopier = (*rxQueue)(nil)
	_ device.Bell     = (*rxQueue)(nil)
)

func newRxQueue(fd int, pool pkt.Pool) (*rxQueue, error) {
	r, err := mem.Map(int(unsafe.Sizeof(rxMemory{})))
	if err != nil {
		return nil, err
	}
	q := &rxQueue{fd: fd, pool: pool, region: r, rxMemory: (*rxMemory)(r.Base())}
	for i := range q.msgs {
		q.iovs[i] = unix.Iovec{Base: &q.slot[i][frameAt-gso.HeaderSize], Len: slotSize - frameAt + gso.HeaderSize}
		q.msgs[i].Iov, q.msgs[i].Iovlen = &q.iovs[i], 1
		q.msgs[i].Control = (*byte)(unsafe.Pointer(&q.aux[i]))
	}
	return q, nil
}

func (q *rxQueue) close() { q.region.Close() }

// RxCopy gives what has been read, and reads on while there may be more.
func (q *rxQueue) RxCopy(bufs []*pkt.Buf) int {
	n := q.take(bufs)
	for more := true; more && n < len(bufs); {
		more = q.read()
		n += q.take(bufs[n:])
	}
	if n > 0 {
		q.packets.Add(uint64(n))
	}
	return n
}

// RxBurst is RxCopy for those who have no buffers at hand.
func (q *rxQueue) RxBurst(bufs []*pkt.Buf) int {
	n := q.pool.Alloc(bufs)
	got := q.RxCopy(bufs[:n])
	q.pool.Free(bufs[got:n])
	return got
}

// Arm looks whether packets wait before the worker sleeps.
func (q *rxQueue) Arm() bool {
	q.empty = 0
	if q.next == q.have && !q.cut.More() {
		q.read()
	}
	return q.next == q.have && !q.cut.More()
}

// read fills the slots, all of which have been emptied. It returns whether the kernel may
// have more.
func (q *rxQueue) read() bool {
	if q.empty >= patience && q.empty%rarely != 0 {
		q.empty++
		return false
	}
	m := q.msgs[:]
	if q.large {
		m = m[:largeSlots]
		q.large = false
	}
	for i := range m {
		m[i].SetControllen(int(unsafe.Sizeof(auxdata{})))
	}
	n, e := recvmmsg(q.fd, m)
	if e != 0 {
		q.empty++
		switch e {
		case unix.EAGAIN, unix.EINTR, unix.ENETDOWN: // nothing, or the interface has gone down
		default:
			// EINVAL is segmentation that no gso.Header describes: SCTP.
			q.drops[rxKernel].Add(1)
		}
		return false
	}
	q.empty, q.next, q.have = 0, 0, n
	return n == len(m)
}

// take copies packets from the slots into bufs and returns how many.
func (q *rxQueue) take(bufs []*pkt.Buf) (n int) {
	var bytes uint64
	for n < len(bufs) {
		b := bufs[n]
		if q.cut.More() {
			b.Meta = pkt.Meta{Flags: pkt.L4Good}
			q.cut.Next(b.Append(q.cut.Size()))
		} else if q.next == q.have {
			break
		} else if q.next++; !q.open(q.next-1, b) {
			continue
		}
		bytes += uint64(b.DataLen)
		n++
	}
	if n > 0 {
		q.bytes.Add(bytes)
	}
	return n
}

// open takes the packet from slot i: into b, or into q.cut when it is large. It returns
// false then, and when the packet is dropped.
func (q *rxQueue) open(i int, b *pkt.Buf) bool {
	m := &q.msgs[i]
	h := (*gso.Header)(unsafe.Pointer(&q.slot[i][frameAt-gso.HeaderSize]))
	n := int(m.n) - gso.HeaderSize
	why := -1
	switch {
	case m.Flags&unix.MSG_TRUNC != 0:
		why = rxCut
	case n <= 0:
		why = rxMalformed
	case q.aux[i].Status&unix.TP_STATUS_VLAN_VALID != 0:
		why = rxTagged
	case h.Type != gso.TypeNone:
		why = q.begin(h, q.slot[i][frameAt:frameAt+n], b.Room())
		if why < 0 {
			return false
		}
	case n > b.Room():
		why = rxLong
	}
	if why >= 0 {
		q.drops[why].Add(1)
		return false
	}
	b.Meta = pkt.Meta{}
	copy(b.Append(n), q.slot[i][frameAt:])
	if h.SumKnown() {
		b.Flags = pkt.L4Good
	}
	return true
}

// begin starts to cut a large packet. It returns why it cannot, -1 when it can.
func (q *rxQueue) begin(h *gso.Header, f []byte, room int) int {
	switch q.cut.Begin(h, f, room) {
	case gso.OK:
		q.larges.Add(1)
		q.large = true
		return -1
	case gso.Unknown:
		return rxUnknown
	case gso.TooLong:
		return rxLong
	}
	return rxMalformed
}
