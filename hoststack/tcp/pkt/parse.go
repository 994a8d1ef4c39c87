package pkt

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"vpphost/dataplane/hdr"
)

const (
	// early and late are how far from its time an expected segment may be: timers
	// are rounded up to a tick of the worker's wheel.
	early = int64(500e3)
	late  = int64(2e6)
	// patience is how long "*" waits.
	patience = int64(60e9)
)

// Parse reads a script. Errors begin with name and line.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: name}
	for i, line := range strings.Split(text, "\n") {
		if at := strings.IndexByte(line, '#'); at >= 0 {
			line = line[:at]
		}
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if err := s.line(i+1, line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	return s, nil
}

func (s *Script) line(n int, line string) error {
	first, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	if first == "set" {
		if len(s.Events) > 0 {
			return fmt.Errorf("set after the first event")
		}
		name, value, _ := strings.Cut(rest, " ")
		s.Settings = append(s.Settings, Setting{Name: name, Value: strings.TrimSpace(value), Line: n})
		return nil
	}
	e := Event{Line: n, Text: line}
	if rest == "" {
		return fmt.Errorf("a time and no event")
	}
	var err error
	dir, what, _ := strings.Cut(rest, " ")
	switch dir {
	case "<":
		if t := words(what); len(t) > 0 && (t[0] == "icmp" || len(t) > 1 && t[1] == "icmp") {
			e.Kind = SendICMP
			e.ICMP, err = parseICMP(t)
		} else {
			e.Kind = Send
			e.Seg, err = parseSegment(what)
		}
	case ">":
		e.Kind = Expect
		e.Seg, err = parseSegment(what)
	case "nothing":
		e.Kind = Nothing
		if what != "" {
			err = fmt.Errorf("unknown input %q", what)
		}
	default:
		e.Kind = Action
		w := words(rest)
		if len(w) == 0 {
			return fmt.Errorf("a time and no event")
		}
		e.Do, e.Args = w[0], w[1:]
	}
	if err != nil {
		return err
	}
	if e.When, err = parseWhen(first, e.Kind); err != nil {
		return err
	}
	s.Events = append(s.Events, e)
	return nil
}

// words splits at blanks and commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
}

func parseWhen(s string, k Kind) (w When, err error) {
	switch s {
	case "=":
		return When{Relative: true, Burst: true}, nil
	case "*":
		if k != Expect {
			return w, fmt.Errorf("time * is for expected segments")
		}
		return When{Relative: true, Hi: patience}, nil
	}
	t, tol, hasTol := strings.Cut(s, "~")
	t, isRel := strings.CutPrefix(t, "+")
	lo, hi, isRange := strings.Cut(t, "..")
	if isRange && hasTol {
		return w, fmt.Errorf("bad time %q", s)
	}
	w.Relative = isRel
	if w.Lo, err = seconds(lo); err != nil {
		return w, err
	}
	w.Hi = w.Lo
	switch {
	case isRange:
		if w.Hi, err = seconds(hi); err != nil {
			return w, err
		}
	case hasTol:
		d, err := seconds(tol)
		if err != nil {
			return w, err
		}
		w.Lo, w.Hi = w.Lo-d, w.Hi+d
	case k == Expect:
		w.Lo, w.Hi = w.Lo-early, w.Hi+late
	}
	if w.Hi < w.Lo || k != Expect && w.Hi != w.Lo {
		return w, fmt.Errorf("bad time %q", s)
	}
	return w, nil
}

func seconds(s string) (int64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1e6 {
		return 0, fmt.Errorf("bad time %q", s)
	}
	return int64(math.Round(f * 1e9)), nil
}

// flagLetters in the order of the header's bits, lowest first.
const flagLetters = "FSRP.UEW"

func parseSegment(text string) (g Segment, err error) {
	g = Segment{Conn: 1, Win: -1, ECN: -1, TTL: -1}
	if a, b, ok := strings.Cut(text, "<"); ok {
		opts, tail, ok := strings.Cut(b, ">")
		if !ok {
			return g, fmt.Errorf("options do not end")
		}
		g.HasOpts = true
		if g.Opts, err = parseOptions(opts); err != nil {
			return g, err
		}
		text = a + " " + tail
	}
	w := words(text)
	if len(w) > 0 && strings.HasPrefix(w[0], "[") {
		if g.Conn, err = parseConn(w[0]); err != nil {
			return g, err
		}
		w = w[1:]
	}
	if len(w) < 2 {
		return g, fmt.Errorf("a segment needs flags and a sequence number")
	}
	g.Flags = w[0]
	for _, c := range g.Flags {
		if !strings.ContainsRune(flagLetters+"-", c) {
			return g, fmt.Errorf("unknown flag %q", c)
		}
	}
	if g.Seq, g.Len, err = parseRange(w[1]); err != nil {
		return g, err
	}
	if g.Len > 1<<15 {
		return g, fmt.Errorf("bad sequence range %q", w[1])
	}
	for w = w[2:]; len(w) > 0; w = w[1:] {
		switch w[0] {
		case "badsum":
			g.BadSum = true
			continue
		case "late":
			g.Late = true
			continue
		}
		if len(w) < 2 {
			return g, fmt.Errorf("unknown input %q", w[0])
		}
		switch w[0] {
		case "ack":
			g.HasAck = true
			g.Ack, err = number(w[1])
		case "win":
			var n uint32
			n, err = number(w[1])
			g.Win = int(n)
		case "ttl":
			var n uint32
			n, err = number(w[1])
			g.TTL = int(n)
		case "urg":
			var n uint32
			n, err = number(w[1])
			g.Urg = uint16(n)
		case "ecn":
			var ok bool
			if g.ECN, ok = map[string]int{"not": 0, "ect1": 1, "ect0": 2, "ce": 3}[w[1]]; !ok {
				err = fmt.Errorf("unknown ecn %q", w[1])
			}
		default:
			err = fmt.Errorf("unknown input %q", w[0])
		}
		if err != nil {
			return g, err
		}
		w = w[1:]
	}
	if strings.Contains(g.Flags, ".") != g.HasAck {
		return g, fmt.Errorf("flags %q and the acknowledgment do not agree", g.Flags)
	}
	return g, nil
}

func parseConn(s string) (int, error) {
	n, err := strconv.Atoi(strings.Trim(s, "[]"))
	if err != nil || n < 1 || n > 1000 || !strings.HasSuffix(s, "]") {
		return 0, fmt.Errorf("bad connection %q", s)
	}
	return n, nil
}

// parseRange reads "1" or "1:1001".
func parseRange(s string) (seq, n uint32, err error) {
	a, b, ok := strings.Cut(s, ":")
	if seq, err = number(a); err != nil || !ok {
		return seq, 0, err
	}
	end, err := number(b)
	if err != nil {
		return 0, 0, err
	}
	return seq, end - seq, nil
}

// number reads a 32-bit number; "-1" is one before 0.
func number(s string) (uint32, error) {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil || n < math.MinInt32 || n > math.MaxUint32 {
		return 0, fmt.Errorf("bad number %q", s)
	}
	return uint32(n), nil
}

func parseOptions(text string) (opts []Option, err error) {
	for _, one := range strings.Split(text, ",") {
		w := strings.Fields(one)
		if len(w) == 0 {
			continue
		}
		var o Option
		args := w[1:]
		most := 1
		switch w[0] {
		case "mss", "wscale":
			o.Kind = hdr.TCPOptMSS
			if w[0] == "wscale" {
				o.Kind = hdr.TCPOptWScale
			}
			if len(args) == 0 {
				return nil, fmt.Errorf("%s needs a number", w[0])
			}
			if o.Any = args[0] == "*"; !o.Any {
				o.N, err = number(args[0])
			}
		case "sackok":
			o.Kind = hdr.TCPOptSACKPerm
			most = 0
		case "ts":
			o.Kind = hdr.TCPOptTimestamp
			most = 2
			if len(args) > 0 && args[0] != "*" {
				o.HasVal = true
				o.Val, err = number(args[0])
			}
			if len(args) > 1 && err == nil {
				o.HasEcr = true
				o.Ecr, err = number(args[1])
			}
		case "sack":
			o.Kind = hdr.TCPOptSACK
			most = 4
			for _, a := range args {
				seq, n, err := parseRange(a)
				if err != nil {
					return nil, err
				}
				o.Blocks = append(o.Blocks, [2]uint32{seq, seq + n})
			}
		case "nop", "eol":
			o.Kind, most = 1, 0
			if w[0] == "eol" {
				o.Kind = 0
			}
			o.Raw = []byte{o.Kind}
		case "hex":
			if len(args) > 0 {
				o.Raw, err = hex.DecodeString(args[0])
			}
			if len(o.Raw) == 0 && err == nil {
				err = fmt.Errorf("hex needs bytes")
			}
			if err == nil {
				o.Kind = o.Raw[0]
			}
		default:
			err = fmt.Errorf("unknown option %q", w[0])
		}
		if err != nil {
			return nil, err
		}
		if len(args) > most {
			return nil, fmt.Errorf("unknown input %q", args[most])
		}
		opts = append(opts, o)
	}
	return opts, nil
}

func parseICMP(w []string) (c ICMP, err error) {
	c.Conn = 1
	if w[0] != "icmp" {
		if c.Conn, err = parseConn(w[0]); err != nil {
			return c, err
		}
		w = w[1:]
	}
	w = w[1:]
	want := 2
	if len(w) > 0 {
		c.Kind = w[0]
	}
	switch c.Kind {
	case "host", "port", "proto", "prohibited", "time":
	case "toobig":
		want = 3
	default:
		return c, fmt.Errorf("unknown icmp error %q", c.Kind)
	}
	if len(w) != want {
		return c, fmt.Errorf("icmp %s takes %d numbers", c.Kind, want-1)
	}
	if want == 3 {
		if c.MTU, err = number(w[1]); err != nil {
			return c, err
		}
	}
	c.Seq, err = number(w[want-1])
	return c, err
}
