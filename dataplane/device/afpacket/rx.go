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
	free [pkt.MaxBurst]*pkt.Buf
	slot [slots][slotSize]byte
}

// auxdata is the control message that comes with each packet.
type auxdata struct {
	unix.Cmsghdr
	unix.TpacketAuxdata
	_ uint32
}

// rxQueue reads packets into slots, from which they are copied into buffers: whole, or
// cut into segments. It is a device.Bell.
type rxQueue struct {
	fd     int
	pool   pkt.Pool
	region *mem.Region
	*rxMemory
	free  int // buffers at hand
	next  int // first slot not looked at
	have  int // slots that hold packets
	large bool
	empty uint // reads, or polls, in a row that found nothing
	cut   gso.Splitter

	packets, bytes, larges, noBufs atomic.Uint64
	drops                          [rxReasons]atomic.Uint64
}

var _ device.Bell = (*rxQueue)(nil)

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

func (q *rxQueue) close() {
	q.pool.Free(q.rxMemory.free[:q.free])
	q.region.Close()
}

// RxBurst gives what has been read, and reads on while there may be more.
func (q *rxQueue) RxBurst(bufs []*pkt.Buf) int {
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
		if !q.cut.More() {
			if q.next == q.have {
				break
			}
			i := q.next
			q.next++
			if b := q.open(i); b != nil {
				bytes += uint64(b.DataLen)
				bufs[n] = b
				n++
			}
			continue
		}
		b := q.buffer()
		if b == nil {
			q.cut.Drop()
			break
		}
		b.Flags = pkt.L4Good
		q.cut.Next(b.Append(q.cut.Size()))
		bytes += uint64(b.DataLen)
		bufs[n] = b
		n++
	}
	if n > 0 {
		q.bytes.Add(bytes)
	}
	return n
}

// open takes the packet from slot i: into a buffer, or into q.cut when it is large. It
// returns nil then, and when the packet is dropped.
func (q *rxQueue) open(i int) *pkt.Buf {
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
		why = q.begin(h, q.slot[i][frameAt:frameAt+n])
		if why < 0 {
			return nil
		}
	case n > q.pool.Room()-pkt.Headroom:
		why = rxLong
	}
	if why >= 0 {
		q.drops[why].Add(1)
		return nil
	}
	b := q.buffer()
	if b == nil {
		return nil
	}
	copy(b.Append(n), q.slot[i][frameAt:])
	if h.SumKnown() {
		b.Flags = pkt.L4Good
	}
	return b
}

// begin starts to cut a large packet. It returns why it cannot, -1 when it can.
func (q *rxQueue) begin(h *gso.Header, f []byte) int {
	switch q.cut.Begin(h, f, q.pool.Room()-pkt.Headroom) {
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

// buffer is an empty buffer with a clean Meta; nil, and counted, when there is none.
func (q *rxQueue) buffer() *pkt.Buf {
	if q.free == 0 {
		if q.free = q.pool.Alloc(q.rxMemory.free[:]); q.free == 0 {
			q.noBufs.Add(1)
			return nil
		}
	}
	q.free--
	b := q.rxMemory.free[q.free]
	b.Meta = pkt.Meta{}
	return b
}
