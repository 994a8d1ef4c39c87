package trace

import (
	"fmt"

	"vpphost/dataplane/worker"
)

// Nodes that others report with worker.Trace, in VPP's words. The offset to give is that
// of the header which the layer names.
var (
	EthernetInput = worker.TraceNode{Name: "ethernet-input", Layer: worker.TraceEthernet}
	ARPInput      = worker.TraceNode{Name: "arp-input", Layer: worker.TraceARP}
	IP4Input      = worker.TraceNode{Name: "ip4-input", Layer: worker.TraceIP}
	IP4Receive    = worker.TraceNode{Name: "ip4-receive", Layer: worker.TraceIP}
	IP4Rewrite    = worker.TraceNode{Name: "ip4-rewrite", Layer: worker.TraceIP}
	IP4Reassembly = worker.TraceNode{Name: "ip4-full-reassembly", Layer: worker.TraceIP}
	IP4ICMPInput  = worker.TraceNode{Name: "ip4-icmp-input", Layer: worker.TraceIP}
	IP6Input      = worker.TraceNode{Name: "ip6-input", Layer: worker.TraceIP}
	IP6Receive    = worker.TraceNode{Name: "ip6-receive", Layer: worker.TraceIP}
	IP6Rewrite    = worker.TraceNode{Name: "ip6-rewrite", Layer: worker.TraceIP}
	IP6Reassembly = worker.TraceNode{Name: "ip6-full-reassembly", Layer: worker.TraceIP}
	IP6ICMPInput  = worker.TraceNode{Name: "ip6-icmp-input", Layer: worker.TraceIP}
)

// inputText describes how a packet came in: interface, queue, length.
func (t *Tracer) inputText(dst []byte, args *[4]uint64) []byte {
	return fmt.Appendf(dst, "  %s: hw_if_index %d length %d\n    slot: ring %d\n",
		t.name(args[0]), args[0], args[2], args[1])
}

// outputText describes where a packet goes out.
func (t *Tracer) outputText(dst []byte, args *[4]uint64) []byte {
	return fmt.Appendf(dst, "  %s\n", t.name(args[0]))
}

// dropText describes where a dropped packet had come in.
func (t *Tracer) dropText(dst []byte, args *[4]uint64) []byte {
	return fmt.Appendf(dst, "  rx:%s\n", t.name(args[0]))
}

func (t *Tracer) name(index uint64) string {
	if n := t.names.Name(uint32(index)); n != "" {
		return n
	}
	return "DELETED"
}
