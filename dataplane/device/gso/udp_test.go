package gso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"vpphost/dataplane/hdr"
)

// dgram is the frame of a datagram with n bytes of payload, whose checksum is left to the
// device.
func dgram(v6 bool, id uint16, n int, fill byte) []byte {
	ipLen := ip4Len
	if v6 {
		ipLen = ip6Len
	}
	f := make([]byte, etherLen+ipLen+udpLen+n)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0})
	src, dst := hdr.Addr4([]byte{10, 0, 0, 1}), hdr.Addr4([]byte{10, 0, 0, 2})
	if v6 {
		f[12], f[13] = 0x86, 0xdd
		src, dst = hdr.Addr{0: 0xfd, 15: 1}, hdr.Addr{0: 0xfd, 15: 2}
		hdr.IP6(f[etherLen:]).Put(&hdr.IP6Fields{PayloadLen: udpLen + n, Next: hdr.ProtoUDP, HopLimit: 64, Src: src, Dst: dst})
	} else {
		hdr.IP4(f[etherLen:]).Put(&hdr.IP4Fields{TotalLen: len(f) - etherLen, ID: id, TTL: 64, Proto: hdr.ProtoUDP, Src: src, Dst: dst})
	}
	u := hdr.UDP(f[etherLen+ipLen:])
	u.Put(1234, 53, len(u), ^(hdr.Pseudo(&src, &dst, hdr.ProtoUDP) + hdr.Sum(len(u))).Fold())
	for i := range n {
		u[udpLen+i] = fill + byte(i)
	}
	return f
}

// TestJoinUDP: what is joined comes apart again as it was.
func TestJoinUDP(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, sizes := range [][]int{{100, 100}, {1472, 1472, 1472, 7}, {1, 1, 1}, {9, 9, 9, 9, 9, 9, 8}} {
			t.Run(fmt.Sprint(v6, sizes), func(t *testing.T) {
				var frames [][]byte
				for i, n := range sizes {
					frames = append(frames, dgram(v6, uint16(65534+i), n, byte(i)))
				}
				bufs := buffers(t, frames)
				head := make([]byte, MaxHead)
				var h Header
				n, hl := Join(bufs, head, &h)
				if n != len(frames) || h.Type != TypeUDP || int(h.Size) != sizes[0] {
					t.Fatalf("joined %d of %d: %+v", n, len(frames), h)
				}
				f := flatten(bufs, head[:hl])
				checkSums(t, &h, f)
				got, fault := cut(&h, f, 2048)
				if fault != OK || len(got) != len(frames) {
					t.Fatalf("cut into %d, fault %d", len(got), fault)
				}
				for i := range got {
					if !bytes.Equal(unsummed(got[i]), unsummed(frames[i])) {
						t.Errorf("datagram %d:\n% x\n% x", i, got[i][:50], frames[i][:50])
					}
				}
			})
		}
	}
}

func TestWhatOfUDPIsNotJoined(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(f []byte) // of the second of three
		want   int
	}{
		{"nothing", func([]byte) {}, 3},
		{"identification", func(f []byte) { f[18]++ }, 3}, // it counts up from the first's
		{"destination MAC", func(f []byte) { f[0] += 2 }, 1},
		{"TOS", func(f []byte) { f[15]++ }, 1},
		{"TTL", func(f []byte) { f[22]-- }, 1},
		{"DF", func(f []byte) { f[20] = 0x40 }, 1},
		{"protocol", func(f []byte) { f[23] = protoTCP }, 1},
		{"source", func(f []byte) { f[29]++ }, 1},
		{"destination", func(f []byte) { f[33]++ }, 1},
		{"source port", func(f []byte) { f[35]++ }, 1},
		{"destination port", func(f []byte) { f[37]++ }, 1},
		{"length", func(f []byte) { f[39]-- }, 1},
		{"total length", func(f []byte) { f[17]-- }, 1},
	} {
		frames := [][]byte{dgram(false, 1, 100, 0), dgram(false, 2, 100, 1), dgram(false, 3, 100, 2)}
		tc.change(frames[1])
		var h Header
		if n, _ := Join(buffers(t, frames), make([]byte, MaxHead), &h); n != tc.want {
			t.Errorf("%s: joined %d, want %d", tc.name, n, tc.want)
		}
	}
	head := make([]byte, MaxHead)
	var h Header
	check := func(what string, want int, frames ...[]byte) {
		t.Helper()
		if n, _ := Join(buffers(t, frames), head, &h); n != want || want == 1 && h.Type != TypeNone {
			t.Errorf("%s: joined %d, want %d; %+v", what, n, want, h)
		}
	}
	check("a longer one behind", 1, dgram(false, 1, 100, 0), dgram(false, 2, 101, 0))
	check("one behind a shorter one", 2, dgram(false, 1, 100, 0), dgram(false, 2, 99, 0), dgram(false, 3, 100, 0))
	check("empty ones", 1, dgram(false, 1, 0, 0), dgram(false, 2, 0, 0))
	check("an empty one behind", 1, dgram(false, 1, 9, 0), dgram(false, 2, 0, 0))
	var many [][]byte
	for range 100 {
		many = append(many, dgram(true, 0, 100, 0))
	}
	check("as many as the kernel takes", maxDatagrams, many...)
	for i := range many {
		many[i] = dgram(true, 0, 1452, 0)
	}
	check("64 kB", (MaxFrame-etherLen-ip6Len-udpLen)/1452, many...)
	bufs := buffers(t, [][]byte{dgram(false, 1, 9, 0), dgram(false, 2, 9, 0)})
	bufs[1].Flags = 0
	if n, _ := Join(bufs, head, &h); n != 1 || h.Flags != NeedsCsum || h.CsumOffset != udpSum {
		t.Errorf("a complete one behind: %d, %+v", n, h)
	}
	f := dgram(false, 1, 9, 0)
	binary.BigEndian.PutUint16(f[38:], 16) // shorter than the packet
	check("padding inside", 1, f, dgram(false, 2, 9, 0))
}
