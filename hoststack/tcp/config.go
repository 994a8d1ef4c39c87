package tcp

import (
	"fmt"
	"time"

	"vpphost/hoststack/tcp/cc"
)

// Config is the tcp section of startup.conf. Start from Default.
type Config struct {
	// Algorithm is the congestion controller of new connections (cc-algo).
	Algorithm cc.ID
	// MTU bounds the packets that connections send and ask for, in bytes; 0 leaves
	// it to the interface and the path (mtu).
	MTU uint16
	// MaxRxFIFO and MinRxFIFO bound the receive FIFO, in bytes. The first sets the
	// window scale; the second is the window offered before a FIFO is known
	// (max-rx-fifo, min-rx-fifo).
	MaxRxFIFO, MinRxFIFO uint32
	// InitialCwnd is the initial window in segments; 0 takes RFC 6928's ten
	// (initial-cwnd-multiplier).
	InitialCwnd uint32
	// NoPacing sends as fast as the window allows (no-tx-pacing).
	NoPacing bool
	// MinUpdate is by how many segments a window that was closed must have opened
	// before the peer is told (rwnd-min-update-ack).
	MinUpdate uint32
	// CsumOffload leaves checksums to devices that complete them (no-csum-offload).
	CsumOffload bool
	// TSO is accepted and has no effect: segments are cut here (tso).
	TSO bool
	// NoDSACK is accepted and has no effect: duplicate SACK reports are neither made nor
	// used (no-dsack).
	NoDSACK bool

	// How long a connection may stay in a state. FIN_WAIT_1, FIN_WAIT_2 and CLOSE_WAIT
	// are limited only when the application has closed both directions, the first and
	// the last anew whenever the peer answers. RFC 9293 knows no limit: an application
	// that has half-closed, or answers a peer that has, may take as long as it wants.
	CloseWait, TimeWait, FinWait1, FinWait2, LastAck, Closing, SynRcvd time.Duration

	// Backlog is how many connections of one listener may be half open on one
	// worker; further SYNs are dropped.
	Backlog uint32
	// MaxConns is how many connections a worker may have.
	MaxConns int
	// MinPort and MaxPort bound the source ports of active opens.
	MinPort, MaxPort uint16
	// Seed makes sequence numbers and source ports foreseeable, for tests; 0 takes a
	// random one.
	Seed uint64
}

// Default is the configuration that applies when startup.conf says nothing.
func Default() Config {
	return Config{
		MaxRxFIFO: 32 << 20, MinRxFIFO: 4 << 10, MinUpdate: 1, CsumOffload: true,
		// VPP's 2 s of CLOSE_WAIT lose what the application wrote before it closed when
		// the path fails for a moment.
		CloseWait: 60 * time.Second, TimeWait: 10 * time.Second, FinWait1: 60 * time.Second,
		FinWait2: 30 * time.Second, LastAck: 30 * time.Second, Closing: 30 * time.Second,
		SynRcvd: 60 * time.Second,
		Backlog: 4096, MaxConns: 1 << 21, MinPort: 1024, MaxPort: 65535,
	}
}

// minMTU is the least MTU that may be set, as in VPP.
const minMTU = 1280

// Check reports a value that cannot work.
func (c *Config) Check() error {
	switch {
	case c.MTU != 0 && c.MTU < minMTU:
		return fmt.Errorf("mtu %d: must be at least %d", c.MTU, minMTU)
	case c.MaxRxFIFO > 1<<30:
		return fmt.Errorf("max-rx-fifo %d: must be at most 1g", c.MaxRxFIFO)
	case c.MinRxFIFO == 0 || c.MinRxFIFO > c.MaxRxFIFO:
		return fmt.Errorf("min-rx-fifo %d: must be between 1 and max-rx-fifo", c.MinRxFIFO)
	case c.InitialCwnd > 1000:
		return fmt.Errorf("initial-cwnd-multiplier %d: must be at most 1000", c.InitialCwnd)
	case c.MinPort == 0 || c.MinPort > c.MaxPort:
		return fmt.Errorf("source ports %d to %d: empty range", c.MinPort, c.MaxPort)
	case c.MaxConns < 1 || c.MaxConns > 1<<24:
		return fmt.Errorf("%d connections: must be between 1 and %d", c.MaxConns, 1<<24)
	}
	return nil
}

// wscale is the window scale to ask for: the least with which MaxRxFIFO can be
// advertised (RFC 7323 section 2.2).
func (c *Config) wscale() (s uint8) {
	for s < maxWScale && 65535<<s < c.MaxRxFIFO {
		s++
	}
	return s
}

// initialWindow is IW in bytes (RFC 6928 section 2).
func (c *Config) initialWindow(mss uint32) uint32 {
	if c.InitialCwnd != 0 {
		return c.InitialCwnd * mss
	}
	return min(10*mss, max(2*mss, 14600))
}
