package gso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpphost/dataplane/device/netdev/nettest"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

type stream = nettest.Stream

func buffers(t testing.TB, frames [][]byte) []*pkt.Buf {
	t.Helper()
	p, err := pkt.NewMapPool("gso", max(len(frames), 1), 1<<14)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	bufs := make([]*pkt.Buf, len(frames))
	p.Alloc(bufs)
	for i, f := range frames {
		copy(bufs[i].Append(len(f)), f)
		bufs[i].Flags = pkt.CsumPartial
	}
	return bufs
}

// flatten puts a joined frame together as the kernel does.
func flatten(bufs []*pkt.Buf, head []byte) []byte {
	f := bytes.Clone(head)
	for _, b := range bufs {
		f = append(f, b.Data()[len(head):]...)
	}
	return f
}

// cut splits a frame and returns the segments.
func cut(h *Header, f []byte, room int) (out [][]byte, fault Fault) {
	var s Splitter
	if fault = s.Begin(h, f, room); fault != OK {
		return nil, fault
	}
	for s.More() {
		d := make([]byte, s.Size())
		s.Next(d)
		out = append(out, d)
	}
	return out, OK
}

// unsummed is a frame without its transport checksum.
func unsummed(f []byte) []byte {
	var l layout
	f = bytes.Clone(f)
	if l.parse(f) {
		f[l.l4+int(l.sumAt())], f[l.l4+int(l.sumAt())+1] = 0, 0
	}
	return f
}

func TestJoinThenCutIsTheOriginal(t *testing.T) {
	for _, tc := range []struct {
		name  string
		s     stream
		sizes []int
	}{
		{"two", stream{Options: 12}, []int{1448, 1448}},
		{"many", stream{Options: 12, ID: 65530, Seq: 1<<32 - 3000}, []int{1448, 1448, 1448, 1448, 1448, 1448, 1448, 100}},
		{"no options", stream{}, []int{1460, 1460, 1}},
		{"all options", stream{Options: 40}, []int{1420, 1420, 1420}},
		{"v6", stream{V6: true, Options: 12}, []int{1428, 1428, 1428, 7}},
		{"odd", stream{Options: 12}, []int{777, 777, 777, 776}},
		{"one byte each", stream{}, []int{1, 1, 1, 1}},
		{"jumbo", stream{Options: 12}, []int{8948, 8948, 8948, 8948, 8948, 8948, 8948}},
	} {
		for _, flags := range []uint8{ack, ack | psh} {
			t.Run(fmt.Sprintf("%s/%x", tc.name, flags), func(t *testing.T) {
				var frames [][]byte
				s := tc.s
				text := 0
				for i, n := range tc.sizes {
					f := uint8(ack)
					if i == len(tc.sizes)-1 {
						f = flags
					}
					frames = append(frames, s.Segment(n, f, byte(i)))
					text += n
				}
				bufs := buffers(t, frames)
				head := make([]byte, MaxHead)
				var h Header
				n, hl := Join(bufs, head, &h)
				if n != len(frames) {
					t.Fatalf("joined %d of %d", n, len(frames))
				}
				f := flatten(bufs, head[:hl])
				if int(h.HdrLen) != hl || int(h.Size) != tc.sizes[0] || len(f) != hl+text {
					t.Errorf("header %+v, frame of %d bytes", h, len(f))
				}
				checkSums(t, &h, f)
				got, fault := cut(&h, f, 1<<14)
				if fault != OK || len(got) != len(frames) {
					t.Fatalf("cut into %d, fault %d", len(got), fault)
				}
				for i := range got {
					if !bytes.Equal(unsummed(got[i]), unsummed(frames[i])) {
						t.Errorf("segment %d:\n% x\n% x", i, got[i][:80], frames[i][:80])
					}
				}
			})
		}
	}
}

// checkSums completes the checksum as the kernel would, and verifies it and that of IPv4.
func checkSums(t *testing.T, h *Header, f []byte) {
	t.Helper()
	var l layout
	if !l.parse(f) || h.Flags&NeedsCsum == 0 || int(h.CsumStart) != l.l4 {
		t.Fatalf("header %+v, layout %+v", h, l)
	}
	if !l.v6 && !hdr.Checksum(f[etherLen:l.l4], 0).Good() {
		t.Error("the IPv4 checksum is wrong")
	}
	f = bytes.Clone(f)
	at := f[h.CsumStart+h.CsumOffset:]
	binary.BigEndian.PutUint16(at, hdr.Checksum(f[h.CsumStart:], 0).Fold())
	var src, dst hdr.Addr
	if l.v6 {
		src, dst = hdr.Addr(f[22:38]), hdr.Addr(f[38:54])
	} else {
		src, dst = hdr.AddrOf(netip.AddrFrom4([4]byte(f[26:]))), hdr.AddrOf(netip.AddrFrom4([4]byte(f[30:])))
	}
	if !hdr.Checksum(f[l.l4:], hdr.Pseudo(&src, &dst, l.proto)+hdr.Sum(len(f)-l.l4)).Good() {
		t.Error("the completed checksum is wrong")
	}
}

func TestWhatIsNotJoined(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(f []byte) // of the second of three
		want   int            // how many of the three are joined
	}{
		{"nothing", func([]byte) {}, 3},
		{"source MAC", func(f []byte) { f[11]++ }, 1},
		{"destination MAC", func(f []byte) { f[0] += 2 }, 1},
		{"TOS", func(f []byte) { f[15]++ }, 1},
		{"TTL", func(f []byte) { f[22]-- }, 1},
		{"may be fragmented", func(f []byte) { f[20] = 0 }, 1},
		{"a fragment", func(f []byte) { f[20] = 0x60 }, 1},
		{"protocol", func(f []byte) { f[23] = protoUDP }, 1},
		{"source", func(f []byte) { f[29]++ }, 1},
		{"destination", func(f []byte) { f[33]++ }, 1},
		{"total length", func(f []byte) { f[17]-- }, 1},
		{"source port", func(f []byte) { f[35]++ }, 1},
		{"destination port", func(f []byte) { f[37]++ }, 1},
		{"sequence", func(f []byte) { f[41]++ }, 1},
		{"acknowledgment", func(f []byte) { f[45]++ }, 1},
		{"header length", func(f []byte) { f[46] += 0x10 }, 1},
		{"reserved", func(f []byte) { f[46]++ }, 1},
		{"PSH", func(f []byte) { f[47] |= psh }, 2},
		{"FIN", func(f []byte) { f[47] |= fin }, 1},
		{"SYN", func(f []byte) { f[47] |= syn }, 1},
		{"CWR", func(f []byte) { f[47] |= cwr }, 1},
		{"no ACK", func(f []byte) { f[47] &^= ack }, 1},
		{"window", func(f []byte) { f[49]++ }, 1},
		{"urgent", func(f []byte) { f[53]++ }, 1},
		{"options", func(f []byte) { f[60]++ }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := stream{Options: 12}
			frames := [][]byte{s.Segment(100, ack, 0), s.Segment(100, ack, 1), s.Segment(100, ack, 2)}
			tc.change(frames[1])
			var h Header
			if n, _ := Join(buffers(t, frames), make([]byte, MaxHead), &h); n != tc.want {
				t.Errorf("joined %d, want %d", n, tc.want)
			}
		})
	}
	s := stream{}
	head := make([]byte, MaxHead)
	var h Header
	check := func(what string, want int, typ uint8, frames ...[]byte) {
		t.Helper()
		if n, _ := Join(buffers(t, frames), head, &h); n != want || h.Type != typ {
			t.Errorf("%s: joined %d, want %d; %+v", what, n, want, h)
		}
	}
	check("a longer one behind", 1, TypeNone, s.Segment(100, ack, 0), s.Segment(101, ack, 0))
	check("one behind a shorter one", 2, TypeTCP4, s.Segment(100, ack, 0), s.Segment(99, ack, 0), s.Segment(100, ack, 0))
	check("bare ACKs", 1, TypeNone, s.Segment(0, ack, 0), s.Segment(0, ack, 0))
	check("text, then a bare ACK", 1, TypeNone, s.Segment(9, ack, 0), s.Segment(0, ack, 0))
	check("FIN first", 1, TypeNone, s.Segment(9, ack|fin, 0), s.Segment(9, ack, 0))
	check("PSH first", 1, TypeNone, s.Segment(9, ack|psh, 0), s.Segment(9, ack, 0))
	var many [][]byte
	for range 60 {
		many = append(many, s.Segment(1448, ack, 0))
	}
	check("64 kB", (MaxFrame-etherLen-ip4Len-tcpLen)/1448, TypeTCP4, many...)

	// The checksum is there already: it may be wrong, and would be made right.
	bufs := buffers(t, [][]byte{s.Segment(9, ack, 0), s.Segment(9, ack, 0)})
	bufs[1].Flags = 0
	if n, _ := Join(bufs, head, &h); n != 1 || h.Flags != NeedsCsum {
		t.Errorf("a complete one behind: %d", n)
	}
	bufs[0].Flags = 0
	if n, _ := Join(bufs, head, &h); n != 1 || h != (Header{}) {
		t.Errorf("a complete one: %d, %+v", n, h)
	}
	for name, f := range map[string][]byte{
		"ARP": append([]byte{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 8, 6}, make([]byte, 46)...), "nothing": {}, "short": make([]byte, 20),
		"padded": append(s.Segment(1, ack, 0), 0),
	} {
		if n, _ := Join(buffers(t, [][]byte{f}), head, &h); n != 0 {
			t.Errorf("%s has no checksum to be completed, got %d", name, n)
		}
	}
}

func TestCutFlags(t *testing.T) {
	s := stream{Options: 12}
	f := s.Segment(3000, ack|psh|fin|cwr|0x40, 0)
	h := Header{Type: TypeTCP4 | TypeECN, Size: 1000, Flags: NeedsCsum}
	got, fault := cut(&h, f, 2048)
	if fault != OK || len(got) != 3 {
		t.Fatalf("%d segments, fault %d", len(got), fault)
	}
	for i, want := range []uint8{ack | cwr | 0x40, ack | 0x40, ack | psh | fin | 0x40} {
		if g := got[i][47]; g != want {
			t.Errorf("flags %x of segment %d, want %x", g, i, want)
		}
		if !hdr.Checksum(got[i][etherLen:34], 0).Good() {
			t.Errorf("segment %d: the IPv4 checksum is wrong", i)
		}
		if id := binary.BigEndian.Uint16(got[i][18:]); id != uint16(i) {
			t.Errorf("segment %d has identification %d", i, id)
		}
	}
}

func TestCutUDP(t *testing.T) {
	f := make([]byte, 42+2500)
	copy(f[12:], []byte{8, 0, 0x45, 0})
	binary.BigEndian.PutUint16(f[16:], uint16(len(f)-14))
	f[23] = protoUDP
	binary.BigEndian.PutUint16(f[38:], uint16(len(f)-34))
	got, fault := cut(&Header{Type: TypeUDP, Size: 1000}, f, 2048)
	if fault != OK || len(got) != 3 || len(got[2]) != 542 || binary.BigEndian.Uint16(got[2][38:]) != 508 {
		t.Errorf("%d datagrams, fault %d", len(got), fault)
	}
}

func TestWhatCannotBeCut(t *testing.T) {
	s := stream{}
	good := s.Segment(3000, ack, 0)
	with := func(i int, v byte) []byte { f := bytes.Clone(good); f[i] = v; return f }
	for _, tc := range []struct {
		name string
		h    Header
		f    []byte
		want Fault
	}{
		{"good", Header{Type: TypeTCP4, Size: 1000}, good, OK},
		{"one segment", Header{Type: TypeTCP4, Size: 5000}, s.Segment(1000, ack, 0), OK},
		{"type 0", Header{Size: 1000}, good, Unknown},
		{"UFO", Header{Type: 3, Size: 1000}, good, Unknown},
		{"size 0", Header{Type: TypeTCP4}, good, Malformed},
		{"size beyond the room", Header{Type: TypeTCP4, Size: 2000}, good, TooLong},
		{"v6, it says", Header{Type: TypeTCP6, Size: 1000}, good, Malformed},
		{"UDP, it says", Header{Type: TypeUDP, Size: 1000}, good, Malformed},
		{"nothing", Header{Type: TypeTCP4, Size: 1000}, nil, Malformed},
		{"cut", Header{Type: TypeTCP4, Size: 1000}, good[:2000], Malformed},
		{"headers only", Header{Type: TypeTCP4, Size: 1000}, s.Segment(0, ack, 0), Malformed},
		{"a SYN", Header{Type: TypeTCP4, Size: 1000}, with(47, syn|ack), Malformed},
		{"a fragment", Header{Type: TypeTCP4, Size: 1000}, with(20, 0x20), Malformed},
		{"short IP header", Header{Type: TypeTCP4, Size: 1000}, with(14, 0x44), Malformed},
		{"short TCP header", Header{Type: TypeTCP4, Size: 1000}, with(46, 0x40), Malformed},
	} {
		if _, fault := cut(&tc.h, tc.f, 1514); fault != tc.want {
			t.Errorf("%s: fault %d, want %d", tc.name, fault, tc.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		s := stream{V6: v6, Options: 12}
		f.Add(uint8(TypeTCP4), uint16(1000), s.Segment(3000, ack, 0))
		f.Add(uint8(TypeTCP6), uint16(1), s.Segment(30, ack|psh, 0))
		f.Add(uint8(TypeUDP), uint16(100), s.Segment(30, ack|psh, 0))
	}
	f.Fuzz(func(t *testing.T, typ uint8, size uint16, frame []byte) {
		got, fault := cut(&Header{Type: typ, Size: size}, frame, 1514)
		if fault != OK {
			return
		}
		var text []byte
		for i, g := range got {
			var l layout
			if len(g) > 1514 || !l.parse(g) || l.end != len(g) {
				t.Fatalf("segment %d of %d bytes, %+v", i, len(g), l)
			}
			text = append(text, g[l.text:]...)
		}
		var l layout
		if l.parse(frame); !bytes.Equal(text, frame[l.text:l.end]) {
			t.Error("the text differs")
		}
	})
}

// FuzzJoin changes a few bytes in a run of segments: whatever is joined, cutting gives
// back.
func FuzzJoin(f *testing.F) {
	f.Add(uint64(1), false, uint16(0), byte(0))
	f.Add(uint64(2), true, uint16(100), byte(1))
	f.Fuzz(func(t *testing.T, seed uint64, v6 bool, at uint16, v byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := stream{V6: v6, Options: r.IntN(11) * 4, ID: uint16(seed), Seq: r.Uint32()}
		var frames [][]byte
		size := 1 + r.IntN(1400)
		for i := range 2 + r.IntN(8) {
			n := size
			if r.IntN(4) == 0 {
				n = r.IntN(size + 1)
			}
			frames = append(frames, s.Segment(n, ack, byte(i)))
		}
		if x := frames[r.IntN(len(frames))]; int(at) < len(x) {
			x[at] ^= v
		}
		bufs := buffers(t, frames)
		head := make([]byte, MaxHead)
		for i := 0; i < len(bufs); {
			var h Header
			n, hl := Join(bufs[i:], head, &h)
			if n <= 1 {
				i++
				continue
			}
			got, fault := cut(&h, flatten(bufs[i:i+n], head[:hl]), 1514)
			if fault != OK || len(got) != n {
				t.Fatalf("%d segments of %d, fault %d", len(got), n, fault)
			}
			for k, g := range got {
				want := unsummed(frames[i+k])
				g = unsummed(g)
				if !v6 { // the identification says nothing, and is in the checksum
					clear(g[18:20])
					clear(want[18:20])
					clear(g[24:26])
					clear(want[24:26])
				}
				if !bytes.Equal(g, want) {
					t.Errorf("segment %d:\n% x\n% x", k, g[:60], want[:60])
				}
			}
			i += n
		}
	})
}

func TestNoAllocation(t *testing.T) {
	s := stream{Options: 12}
	var frames [][]byte
	for i := range 40 {
		frames = append(frames, s.Segment(1448, ack, byte(i)))
	}
	bufs := buffers(t, frames)
	head, out := make([]byte, MaxHead), make([]byte, 1514)
	var h Header
	n, hl := Join(bufs, head, &h)
	f := flatten(bufs[:n], head[:hl])
	var c Splitter
	if a := testing.AllocsPerRun(100, func() {
		Join(bufs, head, &h)
		for c.Begin(&h, f, 1514); c.More(); {
			c.Next(out[:c.Size()])
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

func BenchmarkJoin(b *testing.B) {
	s := stream{Options: 12}
	var frames [][]byte
	for i := range 45 {
		frames = append(frames, s.Segment(1448, ack, byte(i)))
	}
	bufs := buffers(b, frames)
	head := make([]byte, MaxHead)
	var h Header
	for b.Loop() {
		Join(bufs, head, &h)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/45, "ns/pkt")
}

func BenchmarkCut(b *testing.B) {
	s := stream{Options: 12}
	f := s.Segment(45*1448, ack, 0)
	out := make([]byte, 2048)
	h := Header{Type: TypeTCP4, Size: 1448}
	var c Splitter
	for b.Loop() {
		for c.Begin(&h, f, 1514); c.More(); {
			c.Next(out[:c.Size()])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/45, "ns/pkt")
}
