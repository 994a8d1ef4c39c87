package echo

import (
	"net/netip"

	"vpphost/hoststack/fifo"
)

// readFull takes len(b) bytes from f, or nothing when fewer wait.
func readFull(f *fifo.FIFO, b []byte) bool {
	if f.Len() < len(b) {
		return false
	}
	for n := 0; n < len(b); {
		n += copy(b[n:], f.PeekAt(n, len(b)-n))
	}
	f.Drop(len(b))
	return true
}

// writeFull puts all of b into f, or nothing when it does not fit.
func writeFull(f *fifo.FIFO, b []byte) bool {
	if f == nil || f.Free() < len(b) {
		return false
	}
	for n := 0; n < len(b); {
		p := f.ReserveAt(n, len(b)-n)
		if len(p) == 0 {
			return false
		}
		n += copy(p, b[n:])
	}
	f.Commit(len(b))
	return true
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
