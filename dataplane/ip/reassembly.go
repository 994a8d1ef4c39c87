package ip

import (
	"encoding/binary"
	"math/bits"

	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/dataplane/trace"
	"vpphost/dataplane/worker"
)

// Fragments for us are put together before they are delivered (RFC 791 section 3.2,
// RFC 8200 section 4.5). Fragments that overlap condemn their packet (RFC 5722, obeyed
// for IPv4 too); exact copies are ignored.
const (
	// maxAssemblies bounds the packets that are incomplete at one time, maxHeld their
	// fragments, on each worker; beyond that the oldest packet gives way. maxFragments
	// bounds the fragments of one packet: 64 kB at an MTU of 1100.
	maxAssemblies = 1024
	maxHeld       = 2048
	maxFragments  = 64

	assemblyBuckets = 1024
	// RFC 1122 section 3.3.2 wants 60 to 120 s for IPv4, VPP and Linux give less: 30 s. RFC
	// 8200 section 4.5 wants 60 s.
	assemblyTime4 = int64(30e9)
	assemblyTime6 = int64(60e9)
)

// assemblyKey names the packet that a fragment belongs to.
type assemblyKey struct {
	src, dst hdr.Addr
	id       uint32
	proto    uint8 // IPv4 only
	v        uint8
}

// assembly is one incomplete packet.
type assembly struct {
	assemblyKey
	next         uint32 // of the same hash bucket
	older, newer uint32
	timer        worker.Timer
	bad          bool // fragments overlapped: nothing of it is delivered
	ce           bool // a fragment was marked congestion experienced
	n            int  // fragments, in order of their offsets
	got, total   int  // bytes of payload that came, and that there are; 0 while not known
	frags        [maxFragments]*pkt.Buf
}

// reassembler is the incomplete packets of one worker.
type reassembler struct {
	st             *state
	pool           *mem.Pool[assembly]
	heads          []uint32
	oldest, newest uint32
	held           int
	timers         worker.TimerOwner
}

func newReassembler(st *state) (*reassembler, error) {
	r := &reassembler{st: st}
	var err error
	if r.pool, err = mem.NewPool[assembly](maxAssemblies); err != nil {
		return nil, err
	}
	if r.heads, err = mem.Slice[uint32](assemblyBuckets); err != nil {
		return nil, err
	}
	r.timers = st.w.OnTimer(func(i uint64) { r.expire(uint32(i)) })
	return r, nil
}

// piece of a packet: where a fragment's payload belongs. It is kept in the buffer's
// scratch words.
func setPiece(b *pkt.Buf, off, n int)      { b.Scratch[0] = uint64(off)<<32 | uint64(n) }
func pieceOf(b *pkt.Buf) (off, length int) { return int(b.Scratch[0] >> 32), int(uint32(b.Scratch[0])) }

// fragment4 takes a fragment of an IPv4 packet for us.
func (st *state) fragment4(b *pkt.Buf, h hdr.IP4) {
	if b.Trace != 0 {
		st.w.Trace(b, &trace.IP4Reassembly, b.L3)
	}
	n, off, more := int(b.L4Len), h.FragOffset(), h.MoreFragments()
	if n == 0 || more && n%8 != 0 || off+n+h.HeaderLen() > 0xffff {
		st.drop(b, &st.count.reass[v4], reassMalformed)
		return
	}
	key := assemblyKey{src: h.Src(), dst: h.Dst(), id: uint32(h.ID()), proto: h.Proto(), v: v4}
	b = st.reass.add(&key, b, off, n, more, h.TOS()&3 == 3)
	if b == nil {
		return
	}
	h = hdr.IP4(b.At(b.L3))
	hl := h.HeaderLen()
	binary.BigEndian.PutUint16(h[2:], uint16(hl+int(b.L4Len)))
	binary.BigEndian.PutUint16(h[6:], 0)
	h.SetChecksum()
	st.local(b, v4)
}

// fragment6 takes a fragment of an IPv6 packet for us, whose fragment header is at
// offset at of the IPv6 header. L4 and L4Len are those of what follows.
func (st *state) fragment6(b *pkt.Buf, h hdr.IP6, at int) {
	if b.Trace != 0 {
		st.w.Trace(b, &trace.IP6Reassembly, b.L3)
	}
	f := hdr.Frag6(h[at:])
	n, off, more := int(b.L4Len), f.Offset(), f.More()
	switch {
	case more && n%8 != 0:
		st.paramProblem(b, 0, 4) // the payload length
		return
	case at-hdr.IP6Len+off+n > 0xffff:
		st.paramProblem(b, 0, uint32(at+2))
		return
	case n == 0:
		st.drop(b, &st.count.reass[v6], reassMalformed)
		return
	}
	key := assemblyKey{src: h.Src(), dst: h.Dst(), id: f.ID(), v: v6}
	b = st.reass.add(&key, b, off, n, more, h.Class()&3 == 3)
	if b == nil {
		return
	}
	// Take the fragment header out of the first one.
	h = hdr.IP6(b.At(b.L3))
	x := h.Exts()
	for x.Next() && x.Type != hdr.ExtFragment {
	}
	next, where := hdr.Frag6(h[x.Off:]).Next(), previousNext(h, x.Off)
	d := b.Data()
	copy(d[hdr.Frag6Len:], d[:int(b.L3)+x.Off])
	b.Trim(hdr.Frag6Len)
	b.L4 -= hdr.Frag6Len
	h = hdr.IP6(b.At(b.L3))
	h[where] = next
	binary.BigEndian.PutUint16(h[4:], uint16(int(b.PktLen)-int(b.L3)-hdr.IP6Len))
	st.extensions(b, h)
}

func (k *assemblyKey) hash() uint32 {
	h := (k.src.Lo()^bits.RotateLeft64(k.dst.Lo(), 17)^k.src.Hi()^uint64(k.id)<<24^uint64(k.proto)<<8)*0x9e3779b97f4a7c15 ^ k.dst.Hi()
	return uint32(h>>32^h) % assemblyBuckets
}

func (r *reassembler) find(k *assemblyKey) uint32 {
	i := r.heads[k.hash()]
	for i != 0 && r.pool.At(i).assemblyKey != *k {
		i = r.pool.At(i).next
	}
	return i
}

// open begins an incomplete packet.
func (r *reassembler) open(k *assemblyKey) (uint32, *assembly) {
	if r.pool.Used() == maxAssemblies {
		r.evict()
	}
	i, a := r.pool.Alloc()
	head := &r.heads[k.hash()]
	a.assemblyKey, a.next, a.older = *k, *head, r.newest
	*head = i
	if r.newest != 0 {
		r.pool.At(r.newest).newer = i
	} else {
		r.oldest = i
	}
	r.newest = i
	after := assemblyTime4
	if k.v == v6 {
		after = assemblyTime6
	}
	r.st.w.Wheel.Arm(&a.timer, r.st.w.Now()+after, r.timers.User(uint64(i)))
	return i, a
}

// close forgets an incomplete packet. Its fragments must have gone elsewhere.
func (r *reassembler) close(i uint32) {
	a := r.pool.At(i)
	link := &r.heads[a.hash()]
	for *link != i {
		link = &r.pool.At(*link).next
	}
	*link = a.next
	if a.older != 0 {
		r.pool.At(a.older).newer = a.newer
	} else {
		r.oldest = a.newer
	}
	if a.newer != 0 {
		r.pool.At(a.newer).older = a.older
	} else {
		r.newest = a.older
	}
	r.st.w.Wheel.Disarm(&a.timer)
	r.held -= a.n
	r.pool.Free(i)
}

// discard frees the fragments of a packet but remembers it.
func (r *reassembler) discard(a *assembly, reason int) {
	r.st.count.reass[a.v].row[reason] += uint64(a.n)
	r.st.w.Bufs.PutN(a.frags[:a.n])
	r.held -= a.n
	a.n = 0
}

// evict drops the oldest incomplete packet.
func (r *reassembler) evict() {
	i := r.oldest
	r.discard(r.pool.At(i), reassLimit)
	r.close(i)
}

// add puts a fragment where it belongs. When that completes its packet it returns the
// packet, with the payload at L4: one buffer for each fragment. It owns b.
func (r *reassembler) add(k *assemblyKey, b *pkt.Buf, off, n int, more, ce bool) *pkt.Buf {
	count := &r.st.count.reass[k.v]
	if b.NbSegs != 1 {
		if b = r.st.single(b, &r.st.count.local[k.v], localTooLarge); b == nil {
			return nil
		}
	}
	i := r.find(k)
	var a *assembly
	if i == 0 {
		i, a = r.open(k)
	} else if a = r.pool.At(i); a.bad {
		r.st.drop(b, count, reassOverlap)
		return nil
	}
	// Where it goes; fragments mostly come in order.
	at := a.n
	for at > 0 {
		if o, _ := pieceOf(a.frags[at-1]); o < off {
			break
		}
		at--
	}
	reason := a.fits(at, off, n, more)
	switch {
	case reason == reassDuplicate:
		r.st.drop(b, count, reassDuplicate)
		return nil
	case reason == reassLimit:
		r.discard(a, reassLimit)
		r.st.drop(b, count, reassLimit)
		r.close(i)
		return nil
	case reason >= 0: // what else comes of it is dropped too, until the timer fires
		r.discard(a, reason)
		r.st.drop(b, count, reason)
		a.bad = true
		return nil
	}
	for r.held >= maxHeld {
		if r.oldest == i {
			r.discard(a, reassLimit)
			r.st.drop(b, count, reassLimit)
			r.close(i)
			return nil
		}
		r.evict()
	}
	if !more {
		a.total = off + n
	}
	setPiece(b, off, n)
	copy(a.frags[at+1:a.n+1], a.frags[at:a.n])
	a.frags[at] = b
	a.n++
	a.got += n
	a.ce = a.ce || ce
	r.held++
	if a.total == 0 || a.got != a.total {
		return nil
	}
	if a.tooLong() {
		r.discard(a, reassMalformed)
		r.close(i)
		return nil
	}
	return r.finish(i, a)
}

// tooLong tells that a complete packet is longer than its header can say: with the headers
// of the first fragment, which may be longer than those that each fragment was checked with.
func (a *assembly) tooLong() bool {
	n := int(a.frags[0].L4-a.frags[0].L3) + a.total
	if a.v == v6 {
		n -= hdr.IP6Len + hdr.Frag6Len
	}
	return n > 0xffff
}

// fits tells whether a fragment goes in front of number at: -1, or why not.
func (a *assembly) fits(at, off, n int, more bool) int {
	if at < a.n {
		o, l := pieceOf(a.frags[at])
		switch {
		case o == off && l == n:
			return reassDuplicate
		case off+n > o:
			return reassOverlap
		}
	}
	if at > 0 {
		if o, l := pieceOf(a.frags[at-1]); o+l > off {
			return reassOverlap
		}
	}
	switch {
	case a.total != 0 && (!more || off+n > a.total), !more && at < a.n:
		return reassMalformed
	case a.n == maxFragments:
		return reassLimit
	}
	return -1
}

// finish chains the fragments of a complete packet behind the first.
func (r *reassembler) finish(i uint32, a *assembly) *pkt.Buf {
	first := a.frags[0]
	first.Flags &^= pkt.L4Good // no device has seen the whole
	first.NbSegs = uint16(a.n)
	first.L4Len = uint16(a.total)
	first.PktLen = uint32(int(first.L4) + a.total)
	last := first
	for _, b := range a.frags[1:a.n] {
		_, n := pieceOf(b)
		b.Trim(int(b.L4))
		b.SetLen(n)
		last.Next, last = b, b
	}
	if a.ce { // RFC 3168 section 5.3
		if h := first.At(first.L3); a.v == v4 {
			h[1] |= 3
		} else {
			h[1] |= 3 << 4
		}
	}
	r.st.count.reass[a.v].inc(reassDone)
	r.close(i)
	return first
}

// expire gives a packet up. Its sender is told when the first fragment is there (RFC 792,
// RFC 8200 section 4.5).
func (r *reassembler) expire(i uint32) {
	a := r.pool.At(i)
	a.timer = 0
	var first *pkt.Buf
	if a.n > 0 {
		if off, _ := pieceOf(a.frags[0]); off == 0 {
			first = a.frags[0]
			copy(a.frags[:], a.frags[1:a.n])
			a.n--
			r.held--
			r.st.count.reass[a.v].inc(reassTimeout)
		}
	}
	r.discard(a, reassTimeout)
	r.close(i)
	if first != nil {
		r.st.refresh()
		r.st.icmpError(first, reassemblyTime, 0)
	}
}
