package trace

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// Traces are the traced packets of all workers.
type Traces struct {
	Threads []Thread `json:"threads"`
	Max     int      `json:"-"`
}

// Thread is what one worker has traced: Total packets, the first of which are Packets.
type Thread struct {
	ID      int      `json:"id"`
	Name    string   `json:"name"`
	Total   int      `json:"total"`
	Packets []Packet `json:"packets"`
}

// Packet is one traced packet, step by step.
type Packet []Step

// Step is a packet's visit to one node.
type Step struct {
	At    int64    `json:"atNs"`
	Node  string   `json:"node"`
	Lines []string `json:"lines"`
}

// Traces reads at most max packets of each worker.
func (t *Tracer) Traces(max int) (*Traces, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := &Traces{Max: max}
	raw := make([][][]step, len(t.logs)) // worker, packet, step
	err := t.onWorkers(func(l *log) {
		th := Thread{ID: l.w.Index, Name: l.w.Name, Total: len(l.records), Packets: []Packet{}}
		for _, r := range l.records[:min(max, len(l.records))] {
			var steps []step
			for i := r.first; i != 0; i = l.steps[i-1].next {
				steps = append(steps, l.steps[i-1])
			}
			raw[l.w.Index] = append(raw[l.w.Index], steps)
		}
		out.Threads = append(out.Threads, th)
	})
	for k := range out.Threads {
		for _, steps := range raw[out.Threads[k].ID] {
			out.Threads[k].Packets = append(out.Threads[k].Packets, t.packet(steps))
		}
	}
	return out, err
}

// packet formats the steps of one packet. What came in by a device is decoded even where
// no node has reported it.
func (t *Tracer) packet(steps []step) (p Packet) {
	for k := range steps {
		s := &steps[k]
		p = append(p, format(s, s.node))
		if k == 0 && s.node != &t.output {
			for _, n := range missing(steps) {
				x := *s
				x.args = [4]uint64{}
				if n != &EthernetInput {
					x.n = copy(x.snap[:], x.snap[min(hdr.EtherLen, x.n):x.n])
				}
				p = append(p, format(&x, n))
			}
		}
	}
	return p
}

func format(s *step, n *worker.TraceNode) Step {
	var text []byte
	if n.Text != nil {
		text = n.Text(text, &s.args)
	}
	if s.why != "" {
		text = fmt.Appendf(text, "  %s\n", s.why)
	}
	text = decode(text, n.Layer, s.snap[:s.n])
	out := Step{At: s.at, Node: n.Name, Lines: []string{}}
	if len(text) > 0 {
		out.Lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	return out
}

// missing are the first nodes of a received packet that it must have passed and that
// did not report it.
func missing(steps []step) (nodes []*worker.TraceNode) {
	first := steps[0].snap[:steps[0].n]
	want := []*worker.TraceNode{&EthernetInput}
	if len(first) >= hdr.EtherLen {
		switch hdr.EtherType(binary.BigEndian.Uint16(first[12:])) {
		case hdr.EtherARP:
			want = append(want, &ARPInput)
		case hdr.EtherIP4:
			want = append(want, &IP4Input)
		case hdr.EtherIP6:
			want = append(want, &IP6Input)
		}
	}
	for _, n := range want {
		if !slices.ContainsFunc(steps, func(s step) bool { return s.node.Name == n.Name }) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Text writes VPP's layout of "show trace".
func (t *Traces) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	for _, th := range t.Threads {
		fmt.Fprintf(&b, "------------------- Start of thread %d %s -------------------\n", th.ID, th.Name)
		if th.Total == 0 {
			b.WriteString("No packets in trace buffer\n")
			continue
		}
		for k, p := range th.Packets {
			fmt.Fprintf(&b, "Packet %d\n\n", k+1)
			for _, s := range p {
				fmt.Fprintf(&b, "%s: %s\n", stamp(s.At), s.Node)
				for _, l := range s.Lines {
					b.WriteString(l + "\n")
				}
			}
			b.WriteByte('\n')
		}
		if th.Total > len(th.Packets) {
			fmt.Fprintf(&b, "Limiting display to %d packets. To display more specify max.\n", t.Max)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// stamp is a time since start as hours, minutes, seconds and microseconds.
func stamp(ns int64) string {
	d := time.Duration(ns)
	return fmt.Sprintf("%02d:%02d:%02d:%06d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, d.Microseconds()%1e6)
}
