package pkt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"vpphost/dataplane/hdr"
)

// segment puts what the stack sent into a script's words, all parts written.
func (p *peer) segment(s *seen) (g Segment, err error) {
	g = Segment{Win: int(s.tcp.Window()), ECN: s.ecn, TTL: s.ttl, Urg: s.tcp.Urgent(), HasOpts: true,
		Seq: s.tcp.Seq().Val() - p.irs, Len: uint32(len(s.tcp.Payload()))}
	for i, bit := range flagBits {
		if uint8(s.tcp.Flags())&bit != 0 {
			g.Flags += flagLetters[i : i+1]
		}
	}
	if s.tcp.Flags()&hdr.ACK != 0 {
		g.HasAck, g.Ack = true, s.tcp.Ack().Val()-p.iss
	}
	for o := s.tcp.Options(); ; {
		kind, data, rest, bad := o.Next()
		if bad {
			return g, fmt.Errorf("bad options % x", s.tcp.Options())
		}
		if kind == 0 {
			break
		}
		opt := Option{Kind: kind}
		switch {
		case kind == hdr.TCPOptMSS && len(data) == 2:
			opt.N = uint32(binary.BigEndian.Uint16(data))
		case kind == hdr.TCPOptWScale && len(data) == 1:
			opt.N = uint32(data[0])
		case kind == hdr.TCPOptSACKPerm && len(data) == 0:
		case kind == hdr.TCPOptTimestamp && len(data) == 8:
			opt.HasVal, opt.Val = true, binary.BigEndian.Uint32(data)-p.tsBase
			opt.HasEcr, opt.Ecr = true, binary.BigEndian.Uint32(data[4:])-peerTSBase
			if binary.BigEndian.Uint32(data[4:]) == 0 {
				opt.HasEcr, opt.Ecr = false, 0
			}
		case kind == hdr.TCPOptSACK && len(data)%8 == 0:
			for ; len(data) > 0; data = data[8:] {
				opt.Blocks = append(opt.Blocks, [2]uint32{
					binary.BigEndian.Uint32(data) - p.iss, binary.BigEndian.Uint32(data[4:]) - p.iss})
			}
		default:
			opt.Raw = append([]byte{kind, uint8(len(data) + 2)}, data...)
		}
		g.Opts = append(g.Opts, opt)
		o = rest
	}
	return g, nil
}

// String writes a segment as scripts do.
func (g *Segment) String() string {
	var b strings.Builder
	flags := g.Flags
	if flags == "" {
		flags = "-"
	}
	if g.Conn > 1 {
		fmt.Fprintf(&b, "[%d] ", g.Conn)
	}
	fmt.Fprintf(&b, "%s %d", flags, g.Seq)
	if g.Len > 0 {
		fmt.Fprintf(&b, ":%d", g.Seq+g.Len)
	}
	if g.HasAck {
		fmt.Fprintf(&b, " ack %d", g.Ack)
	}
	if g.Win >= 0 {
		fmt.Fprintf(&b, " win %d", g.Win)
	}
	if g.HasOpts {
		var opts []string
		for _, o := range g.Opts {
			opts = append(opts, o.String())
		}
		fmt.Fprintf(&b, " <%s>", strings.Join(opts, ", "))
	}
	if g.ECN > 0 {
		fmt.Fprintf(&b, " ecn %s", [...]string{"not", "ect1", "ect0", "ce"}[g.ECN])
	}
	if g.Urg != 0 {
		fmt.Fprintf(&b, " urg %d", g.Urg)
	}
	return b.String()
}

func (o *Option) String() string {
	if o.Raw != nil {
		switch {
		case len(o.Raw) == 1 && o.Kind == 1:
			return "nop"
		case len(o.Raw) == 1 && o.Kind == 0:
			return "eol"
		}
		return fmt.Sprintf("hex %x", o.Raw)
	}
	switch o.Kind {
	case hdr.TCPOptMSS:
		return "mss " + o.number()
	case hdr.TCPOptWScale:
		return "wscale " + o.number()
	case hdr.TCPOptSACKPerm:
		return "sackok"
	case hdr.TCPOptTimestamp:
		s := "ts"
		if o.HasVal {
			s += fmt.Sprint(" ", int32(o.Val))
		}
		if o.HasEcr {
			s += fmt.Sprint(" ", int32(o.Ecr))
		}
		return s
	case hdr.TCPOptSACK:
		s := "sack"
		for _, k := range o.Blocks {
			s += fmt.Sprintf(" %d:%d", k[0], k[1])
		}
		return s
	}
	return fmt.Sprint("option ", o.Kind)
}

func (o *Option) number() string {
	if o.Any {
		return "*"
	}
	return fmt.Sprint(o.N)
}

// tsSlack is how far a timestamp may be from the one in the script: a timer may be a
// tick late, and the clock of the timestamps has its own granularity.
const tsSlack = 2

// match tells in what got, a segment that was sent, is not what the script wants.
func match(want, got *Segment) error {
	plain := func(s string) string {
		if !strings.Contains(want.Flags, "P") {
			s = strings.ReplaceAll(s, "P", "")
		}
		return strings.ReplaceAll(s, "-", "")
	}
	a, b := []byte(plain(want.Flags)), []byte(plain(got.Flags))
	slices.Sort(a)
	slices.Sort(b)
	switch {
	case string(a) != string(b):
		return fmt.Errorf("flags are %s", got.Flags)
	case want.Seq != got.Seq:
		return fmt.Errorf("sequence number is %d", got.Seq)
	case want.Len != got.Len:
		return fmt.Errorf("length is %d, not %d", got.Len, want.Len)
	case want.HasAck && want.Ack != got.Ack:
		return fmt.Errorf("acknowledgment is %d", got.Ack)
	case want.Win >= 0 && want.Win != got.Win:
		return fmt.Errorf("window is %d", got.Win)
	case want.ECN >= 0 && want.ECN != got.ECN:
		return fmt.Errorf("ecn is %d", got.ECN)
	case want.TTL >= 0 && want.TTL != got.TTL:
		return fmt.Errorf("ttl is %d", got.TTL)
	case want.Urg != got.Urg:
		return fmt.Errorf("urgent pointer is %d", got.Urg)
	}
	if want.HasOpts {
		return matchOptions(want.Opts, got.Opts)
	}
	return nil
}

// matchOptions compares options in any order, padding left out.
func matchOptions(want, got []Option) error {
	left := slices.Clone(got)
	for _, w := range want {
		if len(w.Raw) == 1 {
			continue
		}
		i := slices.IndexFunc(left, func(g Option) bool { return g.Kind == w.Kind })
		if i < 0 {
			return fmt.Errorf("there is no %s", w.String())
		}
		if !w.equal(&left[i]) {
			return fmt.Errorf("%s is %s", w.String(), left[i].String())
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return fmt.Errorf("there is %s too", left[0].String())
	}
	return nil
}

func (o *Option) equal(got *Option) bool {
	near := func(a, b uint32) bool {
		d := int32(a - b)
		return -tsSlack <= d && d <= tsSlack
	}
	switch {
	case o.Raw != nil:
		return slices.Equal(o.Raw, got.Raw)
	case o.Kind == hdr.TCPOptTimestamp:
		// What is echoed is exact.
		return (!o.HasVal || near(o.Val, got.Val)) && (!o.HasEcr || got.HasEcr && o.Ecr == got.Ecr)
	case o.Kind == hdr.TCPOptSACK:
		return slices.Equal(o.Blocks, got.Blocks)
	}
	return o.Any || o.N == got.N
}
