package hdr

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestSpan(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, base := range []string{"6.0.0.0", "fd00:6::ff:fffa:0"} {
		b := AddrOf(netip.MustParseAddr(base))
		for range 300 {
			all := Span{b, b}
			lo := r.IntN(70000)
			n := 1 + r.IntN(1+r.IntN(10240))
			first, last := all.At(lo).Netip(), all.At(lo+n-1).Netip()
			s, err := MakeSpan(first, last, 10240)
			if err != nil || s.Len() != n {
				t.Fatalf("%v - %v: %d addresses, %v", first, last, s.Len(), err)
			}
			count := 0
			for _, p := range s.Prefixes() {
				if p != p.Masked() {
					t.Fatalf("%v - %v: prefix %v", first, last, p)
				}
				count += 1 << (p.Addr().BitLen() - p.Bits())
				if end := AddrOf(p.Addr()); !s.Contains(&end) {
					t.Fatalf("%v - %v: prefix %v", first, last, p)
				}
			}
			if count != n {
				t.Fatalf("%v - %v: prefixes of %d addresses", first, last, count)
			}
			for _, i := range []int{-1, 0, n / 2, n - 1, n} {
				a := s.At(i)
				if in := i >= 0 && i < n; s.Contains(&a) != in {
					t.Fatalf("%v - %v: %v", first, last, a)
				} else if g := a.SolicitedNode(); !a.Is4() && s.Solicits(&g) != in {
					t.Fatalf("%v - %v: group %v", first, last, g)
				}
			}
		}
	}
	for _, x := range [][2]string{{"6.0.0.2", "6.0.0.1"}, {"6.0.0.1", "fd00::1"}, {"6.0.0.0", "6.0.40.0"}, {"fd00::1", "fd00:0:0:1::1"}} {
		if _, err := MakeSpan(netip.MustParseAddr(x[0]), netip.MustParseAddr(x[1]), 10240); err == nil {
			t.Errorf("%v: no error", x)
		}
	}
	if s, err := MakeSpan(netip.MustParseAddr("6.0.0.0"), netip.MustParseAddr("6.0.39.255"), 10240); err != nil || s.Len() != 10240 {
		t.Error(s.Len(), err)
	}
}
