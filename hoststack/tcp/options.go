package tcp

import (
	"encoding/binary"

	"vpphost/dataplane/hdr"
)

const (
	tsOptLen   = 12 // two NOPs and the option, the layout of RFC 7323 appendix A
	tsOptWord  = 1<<24 | 1<<16 | uint32(hdr.TCPOptTimestamp)<<8 | 10
	maxSACK    = 4  // blocks that fit without timestamps (RFC 2018 section 3)
	maxOptions = 40 // bytes of options

	// defaultMSS is what a peer that sent no MSS option takes (RFC 9293 section
	// 3.7.1, MUST-15). minMSS guards against an absurd one.
	defaultMSS4 = 536
	defaultMSS6 = 1220
	minMSS      = 88

	maxWScale = 14 // RFC 7323 section 2.3
)

// options are the options of one segment.
type options struct {
	has    optSet
	wscale uint8
	nsack  uint8
	mss    uint16
	tsVal  uint32
	tsEcr  uint32
	sack   [maxSACK]span
}

type optSet uint8

const (
	optMSS optSet = 1 << iota
	optWScale
	optSACKPerm
	optTS
)

// parse reads the options of a segment; false when they are malformed. Kinds that
// it does not know are skipped (RFC 9293 section 3.1, MUST-6), as are known ones of
// the wrong length.
func (o *options) parse(b hdr.Options) bool {
	o.has, o.nsack = 0, 0
	if len(b) == tsOptLen && binary.BigEndian.Uint32(b) == tsOptWord {
		o.timestamps(b[4:12])
		return true
	}
	for {
		kind, data, rest, bad := b.Next()
		if bad {
			return false
		}
		switch kind {
		case 0:
			return true
		case hdr.TCPOptMSS:
			if len(data) == 2 {
				o.has |= optMSS
				o.mss = binary.BigEndian.Uint16(data)
			}
		case hdr.TCPOptWScale:
			if len(data) == 1 {
				o.has |= optWScale
				// RFC 7323 section 2.3: more than 14 counts as 14.
				o.wscale = min(data[0], maxWScale)
			}
		case hdr.TCPOptSACKPerm:
			if len(data) == 0 {
				o.has |= optSACKPerm
			}
		case hdr.TCPOptTimestamp:
			if len(data) == 8 {
				o.timestamps(data)
			}
		case hdr.TCPOptSACK:
			if len(data)%8 == 0 {
				o.blocks(data)
			}
		}
		b = rest
	}
}

func (o *options) timestamps(b []byte) {
	o.has |= optTS
	o.tsVal, o.tsEcr = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
}

func (o *options) blocks(b []byte) {
	for ; len(b) >= 8 && o.nsack < maxSACK; b = b[8:] {
		o.sack[o.nsack] = span{hdr.SeqOf(binary.BigEndian.Uint32(b)), hdr.SeqOf(binary.BigEndian.Uint32(b[4:]))}
		o.nsack++
	}
}

// Options are written in VPP's order: MSS, window scale, timestamps, SACK. Each
// appends to b, which has room, and returns it.

func putMSS(b []byte, mss uint16) []byte {
	return append(b, hdr.TCPOptMSS, 4, byte(mss>>8), byte(mss))
}

func putWScale(b []byte, shift uint8) []byte { return append(b, 1, hdr.TCPOptWScale, 3, shift) }

func putSACKPerm(b []byte) []byte { return append(b, 1, 1, hdr.TCPOptSACKPerm, 2) }

func putTS(b []byte, val, ecr uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, tsOptWord)
	b = binary.BigEndian.AppendUint32(b, val)
	return binary.BigEndian.AppendUint32(b, ecr)
}

func putSACK(b []byte, blocks []span) []byte {
	b = append(b, 1, 1, hdr.TCPOptSACK, uint8(2+8*len(blocks)))
	for _, s := range blocks {
		b = binary.BigEndian.AppendUint32(b, s.from.Val())
		b = binary.BigEndian.AppendUint32(b, s.to.Val())
	}
	return b
}
