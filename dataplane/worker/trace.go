package worker

import "vpphost/dataplane/pkt"

// TraceNode is a place that packets pass, for "show trace". Declare one per node as a
// package variable and report traced packets with Worker.Trace.
type TraceNode struct {
	Name string // "tcp4-input"
	// Layer has the trace decode the headers from the offset that is given to Trace.
	Layer TraceLayer
	// Text appends what the node has to say before the headers, each line indented by
	// two blanks and ended by a newline. It runs later, on a control goroutine; args
	// are those of the call. nil for nothing.
	Text func(dst []byte, args *[4]uint64) []byte
}

// TraceLayer is which header a trace decodes first; those above follow.
type TraceLayer uint8

const (
	TraceNothing  TraceLayer = iota
	TraceEthernet            // only the Ethernet line
	TraceARP
	TraceIP // IPv4 or IPv6 and what it carries
	TraceTCP
	TraceUDP
	TraceICMP
)

// Tracer records what Trace and TraceDrop report; see package trace.
type Tracer interface {
	Add(w *Worker, b *pkt.Buf, n *TraceNode, off uint16, args [4]uint64)
	Drop(w *Worker, b *pkt.Buf, node, why string)
}

// SetTracer names who records. Before the worker runs.
func (w *Worker) SetTracer(t Tracer) { w.tracer = t }

// Trace reports that a traced packet has come to node n, whose header begins at offset
// off of the data. Call it only when the packet is traced, so that it costs nothing
// otherwise:
//
//	if b.Trace != 0 {
//		w.Trace(b, &inputNode, b.L3)
//	}
//
// At most four args are kept.
func (w *Worker) Trace(b *pkt.Buf, n *TraceNode, off uint16, args ...uint64) {
	if w.tracer == nil {
		return
	}
	var a [4]uint64
	copy(a[:], args)
	w.tracer.Add(w, b, n, off, a)
}

// TraceDrop reports that node drops b, and why, before it is freed: to the trace, to
// "pcap trace drop" and to the drop rate of "show runtime". The strings must be
// constants.
func (w *Worker) TraceDrop(b *pkt.Buf, node, why string) {
	w.drops++
	if w.tracer != nil {
		w.tracer.Drop(w, b, node, why)
	}
}
