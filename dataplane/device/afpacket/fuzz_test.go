package afpacket

import (
	"testing"

	"vpphost/dataplane/device/gso"
	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
)

// FuzzSlot puts anything into a slot: what comes out fits its buffer, and is counted when
// it is dropped.
func FuzzSlot(f *testing.F) {
	s := nettest.Stream{Options: 12}
	f.Add([]byte{gso.NeedsCsum, gso.TypeTCP4, 66, 0, 0xa8, 5, 34, 0, 16, 0}, s.Segment(5000, 0x18, 0))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, s.Segment(100, 0x10, 0))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{})
	pool, err := pkt.NewMapPool("fuzz", 4096, pkt.DefaultRoom)
	if err != nil {
		f.Fatal(err)
	}
	q, err := newRxQueue(-1, pool)
	if err != nil {
		f.Fatal(err)
	}
	bufs, err := mem.Slice[*pkt.Buf](pkt.MaxBurst)
	if err != nil {
		f.Fatal(err)
	}
	drops := func() (n uint64) {
		for i := range q.drops {
			n += q.drops[i].Load()
		}
		return n
	}
	f.Fuzz(func(t *testing.T, head, frame []byte) {
		if len(head) < gso.HeaderSize || len(frame) > slotSize-frameAt {
			return
		}
		copy(q.slot[0][frameAt-gso.HeaderSize:], head[:gso.HeaderSize])
		copy(q.slot[0][frameAt:], frame)
		q.msgs[0].n = uint32(gso.HeaderSize + len(frame))
		q.next, q.have = 0, 1
		before, came := drops(), 0
		for {
			pool.Alloc(bufs)
			n := q.take(bufs)
			if n == 0 {
				pool.Free(bufs)
				break
			}
			for _, b := range bufs[:n] {
				if int(b.DataLen) > pool.Room()-pkt.Headroom || b.DataLen == 0 || b.Room() < 0 {
					t.Fatalf("a packet of %d bytes", b.DataLen)
				}
			}
			came += n
			pool.Free(bufs)
		}
		if (came == 0) != (drops() == before+1) {
			t.Errorf("%d packets, %d drops", came, drops()-before)
		}
	})
}
