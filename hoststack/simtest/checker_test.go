package simtest

import (
	"encoding/binary"
	"strings"
	"testing"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
)

// talk is a conversation on the wire, made by hand, that a Checker listens to.
type talk struct {
	c     *Checker
	n     uint64
	v6    bool
	spoil func(frame []byte) []byte
}

// say puts one segment on the wire: from end 0 or 1, with numbers as they are.
func (k *talk) say(from int, flags hdr.TCPFlags, seq, ack uint32, win uint16, opts []byte, n int) {
	for len(opts)%4 != 0 {
		opts = append(opts, 1)
	}
	size := hdr.TCPLen + len(opts) + n
	b := make([]byte, hdr.EtherLen+hdr.IP6Len+size)
	tcp := hdr.TCP(b[hdr.EtherLen+hdr.IP6Len:])
	ports := [2]uint16{1000, 80}
	tcp.SetSrcPort(ports[from])
	tcp.SetDstPort(ports[1-from])
	tcp.SetSeq(hdr.SeqOf(seq))
	tcp.SetAck(hdr.SeqOf(ack))
	tcp.SetHeaderLen(hdr.TCPLen + len(opts))
	tcp.SetFlags(flags)
	tcp.SetWindow(win)
	copy(tcp[hdr.TCPLen:], opts)
	addrs := [2]hdr.Addr{hdr.AddrOf(Addr4(0, 1)), hdr.AddrOf(Addr4(0, 2))}
	if k.v6 {
		addrs = [2]hdr.Addr{hdr.AddrOf(Addr6(0, 1)), hdr.AddrOf(Addr6(0, 2))}
	}
	src, dst := addrs[from], addrs[1-from]
	tcp.SetChecksum(hdr.Checksum(tcp, hdr.Pseudo(&src, &dst, hdr.ProtoTCP).Long(uint32(size))).Fold())
	t := hdr.EtherIP6
	if k.v6 {
		hdr.IP6(b[hdr.EtherLen:]).Put(&hdr.IP6Fields{PayloadLen: size, Next: hdr.ProtoTCP, HopLimit: 64, Src: src, Dst: dst})
	} else {
		t = hdr.EtherIP4
		b = b[hdr.IP6Len-hdr.IP4Len:]
		hdr.IP4(b[hdr.EtherLen:]).Put(&hdr.IP4Fields{TotalLen: hdr.IP4Len + size, TTL: 64, Proto: hdr.ProtoTCP, Src: src, Dst: dst})
	}
	hdr.Ether(b).Put(hdr.MAC{2}, hdr.MAC{4}, t)
	if k.spoil != nil {
		b = k.spoil(b)
	}
	k.n++
	k.c.frame(sim.Frame{From: from, Number: k.n, Data: b})
}

// The first sequence numbers: one wraps soon.
var iss, irs = uint32(0xfffffff0), uint32(500)

const (
	synOpts = "\x02\x04\x05\xb4\x04\x02\x03\x03\x02\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x00"
	tsOpt   = "\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x07"
	// an older timestamp
	oldTS = "\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x07"
)

func newTalk(v6 bool) *talk {
	k := &talk{c: &Checker{Decode: gopacketDecode, flows: map[flowKey]*stream{}}, v6: v6}
	k.say(0, hdr.SYN, iss, 0, 65535, []byte(synOpts), 0)
	k.say(1, hdr.SYN|hdr.ACK, irs, iss+1, 1000, []byte(synOpts), 0)
	k.say(0, hdr.ACK, iss+1, irs+1, 1000, []byte(tsOpt), 0)
	return k
}

// A conversation in which nothing is wrong.
func TestCheckerGood(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		k := newTalk(v6)
		// Windows are scaled by 4 after the handshake; that of the SYN-ACK is not.
		k.say(0, hdr.ACK, iss+1, irs+1, 1000, []byte(tsOpt), 1000)
		k.say(1, hdr.ACK, irs+1, iss+1001, 1000, []byte(tsOpt), 0)
		k.say(0, hdr.ACK, iss+1001, irs+1, 1000, []byte(tsOpt), 1400)
		k.say(0, hdr.ACK, iss+2401, irs+1, 1000, []byte(tsOpt), 1400)
		sack := binary.BigEndian.AppendUint32([]byte(tsOpt+"\x05\x0a"), iss+2401)
		sack = binary.BigEndian.AppendUint32(sack, iss+3801)
		k.say(1, hdr.ACK, irs+1, iss+1001, 1000, sack, 0)
		k.say(0, hdr.ACK, iss+1001, irs+1, 1000, []byte(tsOpt), 1400)
		k.say(1, hdr.ACK, irs+1, iss+3801, 0, []byte(tsOpt), 0)
		// The window was open up to iss+1+1000+4000 and closed there; a probe.
		k.say(0, hdr.ACK, iss+3801, irs+1, 1000, []byte(tsOpt), 1200)
		k.say(0, hdr.ACK, iss+5001, irs+1, 1000, []byte(tsOpt), 1)
		k.say(0, hdr.FIN|hdr.ACK, iss+5002, irs+1, 1000, []byte(tsOpt), 0)
		k.say(0, hdr.FIN|hdr.ACK, iss+5002, irs+1, 1000, []byte(tsOpt), 0)
		k.say(1, hdr.ACK, irs+1, iss+5003, 0, []byte(tsOpt), 0)
		k.say(1, hdr.RST, irs+1, 0, 0, nil, 0)
		// The same ports once more.
		k.say(0, hdr.SYN, iss+100000, 0, 65535, []byte("\x02\x04\x05\xb4"), 0)
		k.say(1, hdr.SYN|hdr.ACK, irs+100000, iss+100001, 1000, []byte("\x02\x04\x05\xb4"), 0)
		k.say(0, hdr.ACK, iss+100001, irs+100001, 1000, nil, 500)
		if err := k.c.Err(); err != nil {
			t.Errorf("IPv6 %v: %v", v6, err)
		}
		if k.c.Segments != k.n || k.c.Frames != k.n {
			t.Errorf("saw %d segments in %d frames of %d", k.c.Segments, k.c.Frames, k.n)
		}
	}
}

// Each kind of mistake is found.
func TestCheckerBad(t *testing.T) {
	sack := func(l, r uint32) []byte {
		b := binary.BigEndian.AppendUint32([]byte(tsOpt+"\x05\x0a"), l)
		return binary.BigEndian.AppendUint32(b, r)
	}
	flip := func(at int) func(b []byte) []byte {
		return func(b []byte) []byte { b[at] ^= 4; return b }
	}
	for name, test := range map[string]struct {
		want string
		do   func(k *talk)
	}{
		"window":         {"beyond the window", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 1002) }},
		"gap":            {"leaves a gap", func(k *talk) { k.say(0, hdr.ACK, iss+5, irs+1, 9, []byte(tsOpt), 5) }},
		"mss":            {"the MSS is", func(k *talk) { k.say(1, hdr.ACK, irs+1, iss+1, 9, []byte(tsOpt), 1461) }},
		"ack back":       {"goes back by 1", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs, 9, []byte(tsOpt), 0) }},
		"ack ahead":      {"never sent", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+2, 9, []byte(tsOpt), 0) }},
		"sack ahead":     {"beyond what was sent", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, sack(irs+5, irs+9), 0) }},
		"sack empty":     {"SACK block", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, sack(irs, irs), 0) }},
		"no timestamp":   {"no timestamp", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, nil, 0) }},
		"timestamp back": {"timestamp goes back", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(oldTS), 0) }},
		"no ack":         {"neither SYN nor ACK", func(k *talk) { k.say(0, hdr.PSH, iss+1, 0, 9, []byte(tsOpt), 5) }},
		"syn fin":        {"SYN with flags", func(k *talk) { k.say(0, hdr.SYN|hdr.FIN, iss+1, 0, 9, nil, 0) }},
		"option later":   {"option 2 in a segment", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt+"\x02\x04\x05\xb4"), 0) }},
		"bad options":    {"bad options", func(k *talk) { k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt+"\x02\x99"), 0) }},
		"two fins": {"a second FIN", func(k *talk) {
			k.say(0, hdr.FIN|hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 5)
			k.say(0, hdr.FIN|hdr.ACK, iss+6, irs+1, 9, []byte(tsOpt), 5)
		}},
		"data after fin": {"beyond its FIN", func(k *talk) {
			k.say(0, hdr.FIN|hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 5)
			k.say(0, hdr.ACK, iss+7, irs+1, 9, []byte(tsOpt), 5)
		}},
		"tcp checksum": {"bad TCP checksum", func(k *talk) { k.spoil = flip(14 + 20 + 14); k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 0) }},
		"ip checksum":  {"bad IPv4 header", func(k *talk) { k.spoil = flip(14 + 8); k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 0) }},
		"trailing bytes": {"in a frame of", func(k *talk) {
			k.spoil = func(b []byte) []byte { return append(b, 0) }
			k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 0)
		}},
		"short frame": {"short frame", func(k *talk) {
			k.spoil = func(b []byte) []byte { return b[:10] }
			k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 0)
		}},
	} {
		k := newTalk(false)
		k.c.Decode = nil
		if err := k.c.Err(); err != nil {
			t.Fatal(err)
		}
		test.do(k)
		if err := k.c.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// gopacket finds what it should: it is an independent witness, not an ornament.
func TestDecoderFinds(t *testing.T) {
	k := newTalk(false)
	k.c.Errors = nil
	k.spoil = func(b []byte) []byte { b[14+20+16] ^= 1; return b }
	k.say(0, hdr.ACK, iss+1, irs+1, 9, []byte(tsOpt), 3)
	if len(k.c.Errors) != 2 || !strings.Contains(k.c.Errors[0], "decoder: TCP checksum") {
		t.Errorf("errors: %q", k.c.Errors)
	}
}
