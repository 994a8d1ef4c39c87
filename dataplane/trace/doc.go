// Package trace follows single packets through the stack ("trace add", "show trace")
// and captures frames to files ("pcap trace").
//
//	iface ──Received, Sent──► Tracer ──► records of this worker     show trace
//	nodes ──worker.Trace────►        └─► capture of this worker     pcap trace
//	drops ──worker.TraceDrop─►
//
// A packet is traced when "trace add" has armed the node that it comes in by: it gets a
// record, and its number goes into pkt.Meta.Trace. Each node that finds the number set
// adds a step: its name, the time, up to four numbers, and the first bytes of the packet
// as they are now. Nothing is formatted on the worker; "show trace" decodes the bytes
// later. A packet that is not traced costs one comparison per node.
//
// Records and captures belong to their worker and are made at their full size when
// armed, so that tracing allocates nothing on the way and cannot grow without bound.
// Control code reads them through worker.Do. A record's number carries its worker and a
// generation, so that a packet that outlives "clear trace", or is handed to another
// worker, adds to nobody else's record.
package trace
