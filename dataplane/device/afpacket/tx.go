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

// Why packets that should have been sent were dropped.
const (
	txLong = iota
	txChained
	txSum
	txKernel
	txReasons
)

var txNames = [txReasons]string{
	"tx frame too long", "tx chained", "tx checksum of an unknown packet", "tx refused by the kernel",
}

// stubborn is how often in a row the kernel may say that it has no room for a packet
// before that is dropped: there are filters that say so for ever.
const stubborn = 4096

// manyDoubts is how often in a row a large packet may be refused, and its parts taken,
// before no more are made.
const manyDoubts = 16

// txMemory is off the Go heap.
type txMemory struct {
	msgs [pkt.MaxBurst]message
	iovs [2 * pkt.MaxBurst]unix.Iovec
	// A gso.Header and, where packets are joined, their headers.
	heads [pkt.MaxBurst]struct {
		gso.Header
		frame [gso.MaxHead]byte
	}
	packets [pkt.MaxBurst]uint16 // of each message
}

// txQueue gathers each message from where the bytes are: headers here, text in the
// buffers. The kernel makes the only copy.
type txQueue struct {
	fd     int
	pool   pkt.Pool
	region *mem.Region
	*txMemory
	maxFrame uint32
	refused  int    // times in a row
	doubts   [2]int // see sendAlone; of TCP and of UDP
	apart    bool   // datagrams are not joined

	alone atomic.Bool // nothing is joined

	sent, bytes, larges atomic.Uint64
	drops               [txReasons]atomic.Uint64
}

var _ device.TxCopier = (*txQueue)(nil)

func newTxQueue(fd int, pool pkt.Pool, maxFrame int, o *Options) (*txQueue, error) {
	r, err := mem.Map(int(unsafe.Sizeof(txMemory{})))
	if err != nil {
		return nil, err
	}
	q := &txQueue{fd: fd, pool: pool, region: r, txMemory: (*txMemory)(r.Base()), maxFrame: uint32(maxFrame)}
	q.alone.Store(o.NoOffload)
	return q, nil
}

func (q *txQueue) close() { q.region.Close() }

// TxCopy sends all of bufs with one system call, or as much as the kernel has room for.
func (q *txQueue) TxCopy(bufs []*pkt.Buf) int {
	done := 0
	for done < len(bufs) {
		m, n, why := q.plan(bufs[done:], q.alone.Load())
		if n == 0 {
			q.drops[why].Add(1)
			done++
			continue
		}
		k, e := q.send(m, bufs[done:done+n])
		switch {
		case e == unix.EINVAL: // a kernel before 6.2 knows no large packets of UDP
			q.apart = true
			continue
		case e == unix.ENOBUFS && q.packets[0] > 1:
			k = q.sendAlone(bufs[done:])
		}
		done += k
		if k < n {
			break
		}
	}
	return done
}

// sendAlone is for a large packet that the kernel has refused: there was no room, or the
// interface does not cut such packets. In its place the kernel would, but not on the way
// past the queueing discipline (dev_direct_xmit in net/core/dev.c). Through that it would
// drop what there is no room for without a word.
func (q *txQueue) sendAlone(bufs []*pkt.Buf) int {
	udp := q.heads[0].Type == gso.TypeUDP // which fewer interfaces cut
	doubts := &q.doubts[b2i(udp)]
	m, n, _ := q.plan(bufs, true)
	k, _ := q.send(m, bufs[:n])
	if k > 0 {
		if *doubts++; *doubts == manyDoubts {
			q.apart = true
			if !udp {
				q.alone.Store(true)
			}
		}
	}
	return k
}

// plan makes m messages of the first n packets, one of each when they are to go alone.
// When n is less than all, why is the reason to drop the next one.
func (q *txQueue) plan(bufs []*pkt.Buf, alone bool) (m, n, why int) {
	iov := 0
	for n < len(bufs) {
		b := bufs[n]
		if b.NbSegs != 1 {
			return m, n, txChained
		}
		if b.PktLen > q.maxFrame {
			return m, n, txLong
		}
		run := bufs[n:]
		if alone {
			run = run[:1]
		}
		h := &q.heads[m]
		k, text := gso.Join(run, h.frame[:], &h.Header)
		if q.apart && h.Type == gso.TypeUDP {
			k, text = gso.Join(run[:1], h.frame[:], &h.Header)
		}
		if k == 0 {
			return m, n, txSum
		}
		first := iov
		q.iovs[iov] = unix.Iovec{Base: (*byte)(unsafe.Pointer(h)), Len: uint64(gso.HeaderSize + text)}
		iov++
		for _, b := range run[:k] {
			d := b.At(uint16(text))
			q.iovs[iov] = unix.Iovec{Base: unsafe.SliceData(d), Len: uint64(len(d))}
			iov++
		}
		q.msgs[m].Iov, q.msgs[m].Iovlen = &q.iovs[first], uint64(iov-first)
		q.packets[m] = uint16(k)
		m++
		n += k
	}
	return m, n, 0
}

// send sends the first m messages, which bufs are in, and returns how many packets are
// gone, and why the first one is not.
func (q *txQueue) send(m int, bufs []*pkt.Buf) (gone int, e unix.Errno) {
	sent, e := sendmmsg(q.fd, q.msgs[:m])
	if e != 0 {
		if !q.givesUp(e) || e == unix.EINVAL && q.heads[0].Type == gso.TypeUDP {
			return 0, e
		}
		q.refused = 0
		gone = int(q.packets[0])
		q.drops[txKernel].Add(uint64(gone))
		return gone, 0
	}
	q.refused = 0
	var bytes, larges uint64
	for i := range sent {
		gone += int(q.packets[i])
		if q.packets[i] > 1 {
			larges++
			q.doubts[b2i(q.heads[i].Type == gso.TypeUDP)] = 0
		}
	}
	for _, b := range bufs[:gone] {
		bytes += uint64(b.PktLen)
	}
	q.sent.Add(uint64(gone))
	q.bytes.Add(bytes)
	if larges > 0 {
		q.larges.Add(larges)
	}
	return gone, 0
}

// givesUp tells whether the packets that the kernel has not taken are to be dropped.
func (q *txQueue) givesUp(e unix.Errno) bool {
	switch e {
	case unix.EAGAIN, unix.EINTR, unix.ENOMEM,
		unix.ENETDOWN, unix.ENXIO: // down, or gone: the link is down too
		return false
	case unix.ENOBUFS: // no memory, or no room at the other end of a veth
		q.refused++
		return q.refused > stubborn
	}
	return true
}

// TxBurst is TxCopy for those who want to be rid of their buffers.
func (q *txQueue) TxBurst(bufs []*pkt.Buf) int {
	n := q.TxCopy(bufs)
	for _, b := range bufs[:n] {
		q.pool.FreeChain(b)
	}
	return n
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
