package trace

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"vpphost/cli"
)

const (
	showMax     = 50
	captureMax  = 1000
	captureSnap = 512
	captureDir  = "/tmp"
)

// Commands are the commands of this package. interfaces suggests interface names; nil
// for none.
func Commands(t *Tracer, interfaces func() []cli.Word) []*cli.Command {
	return []*cli.Command{traceAdd(t), showTrace(t), pcapTrace(t, interfaces), {
		Path: "clear trace",
		Help: "Clear the trace buffer and stop tracing",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			return nil, t.Clear()
		},
	}}
}

// number consumes a number of at least lo and at most hi.
func number(in *cli.Input, v *int, lo, hi int) bool {
	probe := *in
	if !probe.Int(v) || *v < lo || *v > hi {
		return false
	}
	*in = probe
	return true
}

func traceAdd(t *Tracer) *cli.Command {
	return &cli.Command{
		Path:  "trace add",
		Usage: "<input-node> <count>",
		Help:  "Trace the next packets that come in by a node; 0 stops",
		Complete: func(c *cli.Ctx, in *cli.Input) (words []cli.Word) {
			if !in.Done() {
				return nil
			}
			for _, n := range append(t.names.InputNodes(), OutputNode) {
				words = append(words, cli.Word{Text: n})
			}
			return words
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var node string
			if !in.Word(&node) {
				return nil, in.Expect("a node")
			}
			var n int
			if !number(in, &n, 0, maxRecords) {
				return nil, in.Expect(fmt.Sprintf("a count of at most %d", maxRecords))
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			return nil, t.Start(node, n)
		},
	}
}

func showTrace(t *Tracer) *cli.Command {
	return &cli.Command{
		Path:  "show trace",
		Usage: "[max <count>]",
		Help:  "Show traced packets",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			n := showMax
			for !in.Done() {
				if !in.Match("max") {
					return nil, in.Unknown()
				}
				if !number(in, &n, 1, maxRecords) {
					return nil, in.Expect("a count after max")
				}
			}
			return t.Traces(n)
		},
	}
}

func pcapTrace(t *Tracer, interfaces func() []cli.Word) *cli.Command {
	return &cli.Command{
		Path:  "pcap trace",
		Usage: "[rx] [tx] [drop] [max <n>] [max-bytes-per-pkt <n>] [intfc <interface>|any] [file <name>] | off | status",
		Help:  "Capture packets to a file in " + captureDir,
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word {
			last := in.Rest()[strings.LastIndexByte(strings.TrimRight(in.Rest(), " "), ' ')+1:]
			if strings.TrimRight(last, " ") == "intfc" && interfaces != nil {
				return append(interfaces(), cli.Word{Text: "any"})
			}
			var words []cli.Word
			for _, w := range strings.Fields("rx tx drop max max-bytes-per-pkt intfc file off status") {
				words = append(words, cli.Word{Text: w})
			}
			return words
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			switch {
			case in.Match("off"):
				if err := in.End(); err != nil {
					return nil, err
				}
				done, err := t.StopCapture()
				if err != nil {
					return nil, err
				}
				s := t.captureStatus(done)
				s.Enabled, s.stopped = false, true
				return s, nil
			case in.Match("status"):
				if err := in.End(); err != nil {
					return nil, err
				}
				return t.captureStatus(t.Status()), nil
			}
			capture, err := t.parseCapture(in)
			if err != nil {
				return nil, err
			}
			return nil, t.StartCapture(capture)
		},
	}
}

func (t *Tracer) parseCapture(in *cli.Input) (*Capture, error) {
	c := &Capture{Max: captureMax, Snap: captureSnap, Iface: AnyInterface}
	for !in.Done() {
		switch {
		case in.Match("rx"):
			c.Rx = true
		case in.Match("tx"):
			c.Tx = true
		case in.Match("drop"):
			c.Drop = true
		case in.Match("max-bytes-per-pkt"):
			if !number(in, &c.Snap, 32, 65535) {
				return nil, in.Expect("32 to 65535 bytes")
			}
		case in.Match("max"):
			if !number(in, &c.Max, 1, maxCapture/pcapRecord) {
				return nil, in.Expect("a count after max")
			}
		case in.Match("intfc"):
			if in.Match("any") {
				c.Iface = AnyInterface
				break
			}
			var name string
			if !in.Word(&name) {
				return nil, in.Expect("an interface name or any")
			}
			index, ok := t.names.Index(name)
			if !ok {
				return nil, cli.Usagef("unknown interface %s", cli.Quote(name))
			}
			c.Iface = index
		case in.Match("file"):
			if !in.Word(&c.File) || c.File == "" || c.File[0] == '.' || strings.ContainsRune(c.File, '/') {
				return nil, cli.Usagef("illegal characters in filename %s", cli.Quote(c.File))
			}
		default:
			return nil, in.Unknown()
		}
	}
	if !c.Rx && !c.Tx && !c.Drop {
		return nil, in.Expect("rx, tx or drop")
	}
	if c.File == "" {
		c.File = strings.ReplaceAll(c.what(), " ", "") + ".pcap"
	}
	c.File = filepath.Join(captureDir, c.File)
	return c, nil
}

// what names the directions: "rx tx".
func (c *Capture) what() string {
	var words []string
	for _, d := range []struct {
		on   bool
		name string
	}{{c.Rx, "rx"}, {c.Tx, "tx"}, {c.Drop, "drop"}} {
		if d.on {
			words = append(words, d.name)
		}
	}
	return strings.Join(words, " ")
}

// captureStatus is what "pcap trace status" and "pcap trace off" print.
type captureStatus struct {
	Enabled   bool   `json:"enabled"`
	What      string `json:"what,omitempty"` // rx tx drop
	Captured  int    `json:"captured"`
	Max       int    `json:"max,omitempty"`
	Interface string `json:"interface,omitempty"`
	File      string `json:"file,omitempty"`
	stopped   bool
}

func (t *Tracer) captureStatus(c *Capture) *captureStatus {
	if c == nil {
		return &captureStatus{}
	}
	on := "any"
	if c.Iface != AnyInterface {
		on = t.name(uint64(c.Iface))
	}
	return &captureStatus{Enabled: true, What: c.what(), Captured: c.Captured(), Max: c.Max, Interface: on, File: c.File}
}

// Text writes VPP's lines.
func (s *captureStatus) Text(w io.Writer, _ cli.Layout) (err error) {
	switch {
	case s.stopped:
		_, err = fmt.Fprintf(w, "Write %d packets to %s, and stop capture...\n", s.Captured, s.File)
	case !s.Enabled:
		_, err = fmt.Fprintln(w, "pcap dispatch capture disabled")
	default:
		_, err = fmt.Fprintf(w, "pcap %s dispatch capture enabled: %d of %d pkts...\ncapture on %s to file %s\n",
			s.What, s.Captured, s.Max, s.Interface, s.File)
	}
	return err
}
