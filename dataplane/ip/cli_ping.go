package ip

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// ping is the command "ping". Unlike VPP it also takes an address of ours as source, says
// why a request failed, and stops as soon as the last reply is there.
func (c *commands) ping(x *cli.Ctx, in *cli.Input) (cli.Result, error) {
	o, err := c.scanPing(in)
	if err != nil {
		return nil, err
	}
	p, err := c.s.newPing(o.to)
	if err != nil {
		return nil, err
	}
	defer c.s.endPing(p)
	stat := &PingStatistics{}
	for seq := 1; seq <= o.repeat && x.Err() == nil; seq++ {
		o.seq = uint16(seq)
		start := time.Now()
		from, n, err := c.s.sendPing(p, &o.pingRequest)
		stat.Sent += n
		switch {
		case err != nil && seq == 1:
			return nil, err
		case err != nil:
			err = x.Emit(cli.Text(fmt.Sprintf("Failed: %v\n", err)))
		case o.verbose:
			err = x.Emit(cli.Text(fmt.Sprintf("Source address: %s\n", from)))
		}
		if err != nil {
			return nil, err
		}
		wait := time.Duration(o.interval * float64(time.Second))
		if seq == o.repeat {
			wait = max(wait, time.Second)
		}
		if err := c.collect(x, p, stat, start.Add(wait), seq == o.repeat); err != nil {
			return nil, err
		}
	}
	stat.finish()
	return stat, nil
}

// collect shows replies until the given time, or, with all set, until nothing is
// outstanding.
func (c *commands) collect(x *cli.Ctx, p *pinger, stat *PingStatistics, until time.Time, all bool) error {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	for {
		for {
			r, ok := p.take()
			if !ok {
				break
			}
			if !r.failed {
				stat.Received++
			} else {
				stat.Errors++
			}
			if err := x.Emit(show(r)); err != nil {
				return err
			}
		}
		if all && stat.Received+stat.Errors >= stat.Sent {
			return nil
		}
		select {
		case <-p.note.C:
		case <-t.C:
			return nil
		case <-x.Done():
			return nil
		}
	}
}

func show(r pingReply) cli.Result {
	if r.failed {
		return &PingFailure{To: r.from.Netip(), Seq: int(r.seq), Reason: r.kind.String()}
	}
	return &PingReply{Bytes: r.length, From: r.from.Netip(), Seq: int(r.seq), TTL: int(r.ttl), Time: float64(r.rtt) / 1e6}
}

// PingReply is one echo reply. Bytes is the length of the IP packet.
type PingReply struct {
	Bytes int        `json:"bytes"`
	From  netip.Addr `json:"from"`
	Seq   int        `json:"seq"`
	TTL   int        `json:"ttl"`
	Time  float64    `json:"timeMs"`
}

// Text is VPP's line; as VPP's formatter it leaves out a leading zero.
func (r *PingReply) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintf(w, "%d bytes from %s: icmp_seq=%d ttl=%d time=%s ms\n", r.Bytes, r.From, r.Seq, r.TTL,
		strings.TrimPrefix(fmt.Sprintf("%.4f", r.Time), "0"))
	return err
}

// PingFailure is an error that came back for an echo request.
type PingFailure struct {
	To     netip.Addr `json:"to"`
	Seq    int        `json:"seq"`
	Reason string     `json:"reason"`
}

// Text is one line.
func (r *PingFailure) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintf(w, "Failed: %s: icmp_seq=%d %s\n", r.To, r.Seq, r.Reason)
	return err
}

// PingStatistics is how a ping ended.
type PingStatistics struct {
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
	Errors   int     `json:"errors"`
	Loss     float64 `json:"lossPercent"`
}

func (s *PingStatistics) finish() {
	if s.Sent > 0 {
		s.Loss = 100 * float64(max(0, s.Sent-s.Received)) / float64(s.Sent)
	}
}

// Text is VPP's last line.
func (s *PingStatistics) Text(w io.Writer, _ cli.Layout) error {
	loss := strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", s.Loss), "0"), ".")
	_, err := fmt.Fprintf(w, "\nStatistics: %d sent, %d received, %s%% packet loss\n", s.Sent, s.Received, loss)
	return err
}

// pingOptions is a parsed ping command.
type pingOptions struct {
	pingRequest
	to       hdr.Addr
	interval float64 // seconds
	repeat   int
	verbose  bool
}

func (c *commands) scanPing(in *cli.Input) (*pingOptions, error) {
	o := &pingOptions{pingRequest: pingRequest{size: 60, burst: 1}, interval: 1, repeat: 5}
	var to netip.Addr
	want := ""
	for _, family := range []string{"ipv4", "ipv6"} {
		if in.Match(family) {
			want = family
		}
	}
	if start := *in; !in.Addr(&to) || want == "ipv4" && !to.Is4() || want == "ipv6" && to.Is4() {
		return nil, start.Expect(map[string]string{"": "an IPv4 or IPv6 address", "ipv4": "an IPv4 address", "ipv6": "an IPv6 address"}[want])
	}
	if to.IsUnspecified() {
		return nil, cli.Usagef("%s cannot be pinged", to)
	}
	o.to = hdr.AddrOf(to)
	for !in.Done() {
		var err error
		switch {
		case in.Match("source"):
			err = c.scanSource(in, o)
		case in.Match("size"):
			err = scanInt(in, "size", &o.size, 0, maxPingSize)
		case in.Match("interval"):
			if start := *in; !in.Float(&o.interval) || !(o.interval >= 0 && o.interval <= 3600) {
				err = start.Expect("an interval of 0 to 3600 seconds")
			}
		case in.Match("repeat"):
			err = scanInt(in, "repeat", &o.repeat, 0, 1<<31-1)
		case in.Match("burst"):
			err = scanInt(in, "burst", &o.burst, 1, 256)
		case in.Match("table-id"):
			var n uint32
			if start := *in; !in.Uint32(&n) || n != 0 {
				err = start.Expect("table 0: there is no other")
			}
		case in.Match("verbose"):
			o.verbose = true
		default:
			err = in.Unknown()
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

func scanInt(in *cli.Input, what string, v *int, lo, hi int) error {
	if !in.Int(v) {
		return in.Expect("a number after " + what)
	}
	if *v < lo || *v > hi {
		return cli.Usagef("%s %d is not between %d and %d", what, *v, lo, hi)
	}
	return nil
}

// scanSource takes an interface, or one of our addresses.
func (c *commands) scanSource(in *cli.Input, o *pingOptions) error {
	var a netip.Addr
	if in.Addr(&a) {
		o.from = hdr.AddrOf(a)
		if !c.s.fib.Load().Owns(&o.from, 0) {
			return fmt.Errorf("%s is not an address of ours", a)
		}
		if o.from.Is4() != o.to.Is4() {
			return cli.Usagef("%s and %s are of different families", a, o.to)
		}
		return nil
	}
	i, err := c.s.ifs.Parse(in)
	if err == nil {
		o.iface = i.Index
	}
	return err
}
