package hdr

import (
	"encoding/binary"
	"testing"
)

// The parsers must not panic, read past their bytes or loop, whatever they get.

func FuzzARP(f *testing.F) {
	f.Add(make([]byte, ARPLen))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e := Ether(b); e.Valid() {
			e.Dst()
			e.Src()
			e.Type()
			b = e.Payload()
		}
		if h := ARP(b); h.Valid() {
			h.Op()
			h.SenderIP()
			h.SenderMAC()
			h.TargetIP()
			h.TargetMAC()
			h.Payload()
		}
	})
}

func walkOptions(t *testing.T, o Options) {
	for n := 0; ; n++ {
		kind, data, rest, bad := o.Next()
		if kind == 0 {
			if len(rest) != 0 || len(data) != 0 {
				t.Fatal("something after the end")
			}
			return
		}
		if bad || len(data)+len(rest)+2 > len(o) || n > 60 {
			t.Fatal("option walk does not shrink")
		}
		o = rest
	}
}

func FuzzIP4(f *testing.F) {
	b := make([]byte, 20)
	IP4(b).Put(&IP4Fields{TotalLen: 20})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := IP4(b)
		if !h.Valid() {
			return
		}
		if got, want := h.GoodChecksum(), naiveSum(b[:h.HeaderLen()]) == 0; got != want {
			t.Fatalf("checksum good %v, want %v", got, want)
		}
		if w := h.Words(); w.Common() != (h.HeaderLen() == IP4Len) || w.Common() && w.Good() != h.GoodChecksum() ||
			w.TotalLen() != h.TotalLen() || w.IsFragment() != h.IsFragment() || w.Proto() != h.Proto() ||
			w.Src() != binary.LittleEndian.Uint32(h[12:]) || w.Dst() != binary.LittleEndian.Uint32(h[16:]) {
			t.Fatalf("words %+v of % x", w, b[:20])
		}
		walkOptions(t, h.Options())
		if len(h.Payload())+h.HeaderLen() != h.TotalLen() {
			t.Fatal("payload length")
		}
		h.SetChecksum()
		if !h.GoodChecksum() {
			t.Fatal("own checksum is not good")
		}
		if h.TTL() > 0 {
			h.DecTTL()
			if !h.GoodChecksum() {
				t.Fatal("checksum is not good after DecTTL")
			}
		}
	})
}

func FuzzIP6(f *testing.F) {
	b := make([]byte, 56)
	IP6(b).Put(&IP6Fields{PayloadLen: 16, Next: ExtFragment})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := IP6(b)
		if !h.Valid() {
			return
		}
		x := h.Exts()
		for n := 0; x.Next(); n++ {
			if x.Len < 8 || x.Off+x.Len != x.End || x.End > h.TotalLen() || n > 9000 {
				t.Fatalf("extension header %+v, end %d of %d", x.Ext, x.End, h.TotalLen())
			}
			ext := h[x.Off:][:x.Len]
			switch x.Type {
			case ExtHopByHop, ExtDest:
				for o := NewOpts6(ext); o.Next(); {
					if o.Off+2+len(o.Data) > len(ext) {
						t.Fatal("option past the end")
					}
				}
			case ExtFragment:
				Frag6(ext).Offset()
				Frag6(ext).ID()
			}
		}
		if x.End > h.TotalLen() {
			t.Fatal("walk ended past the end")
		}
	})
}

func FuzzTransports(f *testing.F) {
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h := TCP(b); h.Valid() {
			walkOptions(t, h.Options())
			if len(h.Payload())+h.HeaderLen() != len(b) {
				t.Fatal("tcp payload length")
			}
			_ = h.Flags().String()
		}
		if h := UDP(b); h.Valid() && len(h.Payload())+UDPLen != h.Length() {
			t.Fatal("udp payload length")
		}
		if h := ICMP(b); h.Valid() {
			h.Body()
			h.Rest()
		}
		if h := ND(b); h.Valid() {
			h.LinkAddr(NDSourceLL)
			h.LinkAddr(NDTargetLL)
			h.Target()
			h.Flags()
		}
	})
}
