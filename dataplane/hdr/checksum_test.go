package hdr

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// naiveSum is RFC 1071 section 4.1, word by word.
func naiveSum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
		if s > 0xffff {
			s = s&0xffff + 1
		}
	}
	return ^uint16(s)
}

// The vector code and its plain twin.
var (
	sums   = map[string]func([]byte, Sum) Sum{"Checksum": Checksum, "checksumGo": checksumGo}
	copies = map[string]func(_, _ []byte, _ Sum) Sum{"CopyChecksum": CopyChecksum, "copyChecksumGo": copyChecksumGo}
)

func fill(r *rand.Rand, b []byte) {
	mode := r.IntN(4)
	for i := range b {
		switch mode {
		case 0:
			b[i] = 0xff
		case 1:
			b[i] = byte(r.Uint32())
		case 2:
			b[i] = byte(r.IntN(2)) * 0xff
		case 3:
			b[i] = 0
		}
	}
}

func TestChecksumAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	buf, dst := make([]byte, 4200), make([]byte, 4300)
	for n := 0; n < 4000; n++ {
		if n > 300 && n%37 != 0 && (n < 1400 || n > 1500) {
			continue
		}
		for range 4 {
			off := r.IntN(65)
			b := buf[off : off+n]
			fill(r, b)
			want := naiveSum(b)
			for name, sum := range sums {
				if got := sum(b, 0).Fold(); got != want {
					t.Fatalf("%s of %d bytes at %d: %04x, want %04x", name, n, off, got, want)
				}
			}
			for name, cp := range copies {
				dOff := r.IntN(65)
				for i := range dst {
					dst[i] = 0xa5
				}
				if got := cp(dst[dOff:dOff+n], b, 0).Fold(); got != want {
					t.Fatalf("%s of %d bytes: %04x, want %04x", name, n, got, want)
				}
				if !bytes.Equal(dst[dOff:dOff+n], b) {
					t.Fatalf("%s of %d bytes copied wrongly", name, n)
				}
				for i, c := range dst {
					if (i < dOff || i >= dOff+n) && c != 0xa5 {
						t.Fatalf("%s of %d bytes at %d wrote byte %d", name, n, dOff, i)
					}
				}
			}
		}
	}
}

// TestChecksumOfManyOnes: the longest carries, in a buffer as long as a FIFO.
func TestChecksumOfManyOnes(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 4<<20+5)
	for _, n := range []int{1 << 16, 1<<16 + 1, 1 << 20, len(b)} {
		for name, sum := range sums {
			if got, want := sum(b[:n], 0).Fold(), naiveSum(b[:n]); got != want {
				t.Errorf("%s of %d bytes: %04x, want %04x", name, n, got, want)
			}
		}
	}
}

// The example of RFC 1071 section 3.
func TestChecksumRFC1071(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := Checksum(b, 0).Fold(); got != ^uint16(0xddf2) {
		t.Fatalf("%04x, want %04x", got, ^uint16(0xddf2))
	}
}

func TestSumOfPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	b := make([]byte, 600)
	for range 3000 {
		n := r.IntN(len(b))
		fill(r, b[:n])
		want := naiveSum(b[:n])
		// Cut into up to five pieces of any length and join them.
		var s Sum
		for at := 0; at < n; {
			k := 1 + r.IntN(n-at)
			s = s.Join(at, Checksum(b[at:at+k], 0))
			at += k
		}
		if got := s.Fold(); got != want {
			t.Fatalf("%d bytes in pieces: %04x, want %04x", n, got, want)
		}
	}
}

func TestSumGoodAfterStore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 1000 {
		b := make([]byte, 20+r.IntN(200))
		fill(r, b)
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], Checksum(b, 0).Fold())
		if !Checksum(b, 0).Good() {
			t.Fatal("sum over data with its own checksum is not good")
		}
		i, bit := r.IntN(len(b)), byte(1)<<r.IntN(8)
		b[i] ^= bit
		if Checksum(b, 0).Good() {
			t.Fatalf("a flipped bit in byte %d went unnoticed", i)
		}
	}
}

func TestPseudo(t *testing.T) {
	src, dst := Addr4([]byte{192, 0, 2, 1}), Addr4([]byte{198, 51, 100, 255})
	flat := []byte{192, 0, 2, 1, 198, 51, 100, 255, 0, ProtoTCP, 0x12, 0x34}
	if got, want := Pseudo(&src, &dst, ProtoTCP).Long(0x1234).Fold(), naiveSum(flat); got != want {
		t.Fatalf("IPv4: %04x, want %04x", got, want)
	}
	a, b := LinkLocal(MAC{2, 0xfe, 1, 2, 3, 4}), AllNodes
	flat = append(append(append([]byte{}, a[:]...), b[:]...), 0, 1, 0xff, 0xfe, 0, 0, 0, ProtoICMPv6)
	if got, want := Pseudo(&a, &b, ProtoICMPv6).Long(0x1fffe).Fold(), naiveSum(flat); got != want {
		t.Fatalf("IPv6: %04x, want %04x", got, want)
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(1))
	f.Add(bytes.Repeat([]byte{0xff}, 200), uint8(7))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		want := naiveSum(b)
		for name, sum := range sums {
			if got := sum(b, 0).Fold(); got != want {
				t.Fatalf("%s %04x, want %04x", name, got, want)
			}
		}
		for name, cp := range copies {
			dst := make([]byte, len(b))
			if got := cp(dst, b, 0).Fold(); got != want || !bytes.Equal(dst, b) {
				t.Fatalf("%s %04x, want %04x", name, got, want)
			}
		}
		at := min(int(cut), len(b))
		if got := Checksum(b[:at], 0).Join(at, Checksum(b[at:], 0)).Fold(); got != want {
			t.Fatalf("joined at %d: %04x, want %04x", at, got, want)
		}
	})
}

var sink Sum

func benchSizes(b *testing.B, f func(dst, src []byte)) {
	for _, n := range []int{40, 1460, 8960} {
		b.Run(map[int]string{40: "40", 1460: "1460", 8960: "8960"}[n], func(b *testing.B) {
			src, dst := make([]byte, n), make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				f(dst, src)
			}
		})
	}
}

func BenchmarkChecksum(b *testing.B) {
	benchSizes(b, func(_, src []byte) { sink = Checksum(src, 0) })
}

func BenchmarkChecksumGo(b *testing.B) {
	benchSizes(b, func(_, src []byte) { sink = checksumGo(src, 0) })
}

func BenchmarkCopyChecksumGo(b *testing.B) {
	benchSizes(b, func(dst, src []byte) { sink = copyChecksumGo(dst, src, 0) })
}

func BenchmarkCopyChecksum(b *testing.B) {
	benchSizes(b, func(dst, src []byte) { sink = CopyChecksum(dst, src, 0) })
}
