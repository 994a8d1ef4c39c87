package hdr

import "encoding/binary"

// IP6Len is the length of the fixed IPv6 header.
const IP6Len = 40

// Extension header types (RFC 8200 section 4, RFC 4302).
const (
	ExtHopByHop uint8 = 0
	ExtRouting  uint8 = 43
	ExtFragment uint8 = 44
	ExtAuth     uint8 = 51
	NoNext      uint8 = 59
	ExtDest     uint8 = 60
	ExtMobility uint8 = 135
)

// IP6 is a packet from its IPv6 header on (RFC 8200). Check Valid before using
// the accessors.
type IP6 []byte

// Valid tells whether the header is complete, of version 6, and consistent with
// the bytes that are there.
func (h IP6) Valid() bool {
	return len(h) >= IP6Len && h[0]>>4 == 6 && h.TotalLen() <= len(h)
}

func (h IP6) Version() int      { return int(h[0] >> 4) }
func (h IP6) Class() uint8      { return h[0]<<4 | h[1]>>4 }
func (h IP6) FlowLabel() uint32 { return binary.BigEndian.Uint32(h) & 0xfffff }
func (h IP6) PayloadLen() int   { return int(binary.BigEndian.Uint16(h[4:])) }
func (h IP6) TotalLen() int     { return IP6Len + h.PayloadLen() }
func (h IP6) Next() uint8       { return h[6] }
func (h IP6) HopLimit() uint8   { return h[7] }
func (h IP6) Src() Addr         { return Addr6(h[8:24]) }
func (h IP6) Dst() Addr         { return Addr6(h[24:40]) }

// Payload is what follows the fixed header, up to TotalLen. It needs Valid.
func (h IP6) Payload() []byte { return h[IP6Len:h.TotalLen()] }

// IP6Fields are the fields of a header that differ between packets.
type IP6Fields struct {
	Class      uint8
	FlowLabel  uint32
	PayloadLen int
	Next       uint8
	HopLimit   uint8
	Src, Dst   Addr
}

// Put writes the whole fixed header.
func (h IP6) Put(f *IP6Fields) {
	_ = h[39]
	binary.BigEndian.PutUint32(h, 6<<28|uint32(f.Class)<<20|f.FlowLabel&0xfffff)
	binary.BigEndian.PutUint16(h[4:], uint16(f.PayloadLen))
	h[6], h[7] = f.Next, f.HopLimit
	copy(h[8:24], f.Src[:])
	copy(h[24:40], f.Dst[:])
}

// Ext is one extension header and where it lies.
type Ext struct {
	Type uint8
	Off  int // from the start of the IPv6 header
	Len  int // in bytes
}

// Exts walks the extension headers of a packet:
//
//	x := h.Exts()
//	for x.Next() {
//		… x.Ext, h[x.Off:][:x.Len]
//	}
//	if x.Bad { … } // else x.Proto starts at x.End
//
// The walk ends at the first header that is not an extension. It also ends after
// a fragment header whose offset is not zero: what follows is in the middle of
// something. Where the slice is shorter than the packet, it ends with the slice.
type Exts struct {
	Ext
	Proto uint8 // type of what starts at End
	End   int
	Bad   bool // a header runs past the end of the packet
	h     IP6
	stop  bool
}

// Exts starts a walk. It needs Valid.
func (h IP6) Exts() Exts {
	return Exts{h: h[:min(len(h), h.TotalLen())], Proto: h.Next(), End: IP6Len}
}

// IsExt tells whether an IPv6 next header value names an extension header that
// Exts walks over.
func IsExt(proto uint8) bool {
	switch proto {
	case ExtHopByHop, ExtRouting, ExtFragment, ExtAuth, ExtDest, ExtMobility:
		return true
	}
	return false
}

// Next moves on to the next extension header, and returns false at the end.
func (x *Exts) Next() bool {
	if x.stop || !IsExt(x.Proto) {
		return false
	}
	rest := x.h[x.End:]
	if len(rest) < 8 {
		x.Bad, x.stop = true, true
		return false
	}
	n := 8
	switch x.Proto {
	case ExtFragment:
		x.stop = Frag6(rest).Offset() != 0
	case ExtAuth:
		n = (int(rest[1]) + 2) * 4 // RFC 4302 section 2.2
	default:
		n = (int(rest[1]) + 1) * 8
	}
	if n > len(rest) {
		x.Bad, x.stop = true, true
		return false
	}
	x.Ext = Ext{Type: x.Proto, Off: x.End, Len: n}
	x.Proto = rest[0]
	x.End += n
	return true
}

// Frag6Len is the length of a fragment header.
const Frag6Len = 8

// Frag6 is a fragment header (RFC 8200 section 4.5), 8 bytes at least.
type Frag6 []byte

func (f Frag6) Next() uint8 { return f[0] }
func (f Frag6) Offset() int { return int(binary.BigEndian.Uint16(f[2:]) &^ 7) } // bytes
func (f Frag6) More() bool  { return f[3]&1 != 0 }
func (f Frag6) ID() uint32  { return binary.BigEndian.Uint32(f[4:]) }

// Put writes the whole header; offset is in bytes, a multiple of 8.
func (f Frag6) Put(next uint8, offset int, more bool, id uint32) {
	v := uint16(offset) &^ 7
	if more {
		v |= 1
	}
	f[0], f[1] = next, 0
	binary.BigEndian.PutUint16(f[2:], v)
	binary.BigEndian.PutUint32(f[4:], id)
}

// Opt6 is one option of a hop-by-hop or destination options header.
type Opt6 struct {
	Type uint8
	Off  int // of the type byte, from the start of the extension header
	Data []byte
}

// Opts6 walks the options of a hop-by-hop or destination options header, padding
// left out. Bad tells that an option ran past the end.
type Opts6 struct {
	Opt6
	Bad bool
	b   []byte
	pos int
}

// NewOpts6 starts a walk over one whole extension header.
func NewOpts6(ext []byte) Opts6 { return Opts6{b: ext, pos: 2} }

// Next moves on to the next option.
func (o *Opts6) Next() bool {
	for o.pos < len(o.b) {
		p := o.pos
		if o.b[p] == 0 { // Pad1
			o.pos++
			continue
		}
		if p+2 > len(o.b) || p+2+int(o.b[p+1]) > len(o.b) {
			o.Bad, o.pos = true, len(o.b)
			return false
		}
		o.pos = p + 2 + int(o.b[p+1])
		if o.b[p] == 1 { // PadN
			continue
		}
		o.Opt6 = Opt6{Type: o.b[p], Off: p, Data: o.b[p+2 : o.pos]}
		return true
	}
	return false
}
