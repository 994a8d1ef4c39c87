package udp

import (
	"fmt"

	"vpphost/hoststack/flow"
)

// Config is the udp section of startup.conf. Start from Default.
type Config struct {
	// MTU bounds the packets that are sent, in bytes; larger datagrams go as fragments. 0
	// leaves it to the interface and the path (mtu).
	MTU uint16
	// CsumOffload leaves checksums to devices that complete them (no-csum-offload).
	CsumOffload bool
	// NoUnreachable has datagrams for nobody dropped without an ICMP error
	// (icmp-unreachable-disabled).
	NoUnreachable bool
	// MaxConns is how many connections a worker may have.
	MaxConns int
	// MinPort and MaxPort bound the source ports of active opens.
	MinPort, MaxPort uint16
	// Seed makes source ports foreseeable, for tests; 0 takes a random one.
	Seed uint64
}

// Default is the configuration that applies when startup.conf says nothing.
func Default() Config {
	return Config{CsumOffload: true, MaxConns: 1 << 20, MinPort: flow.DefaultMinPort, MaxPort: flow.DefaultMaxPort}
}

// minMTU is the least that every IPv6 link carries (RFC 8200 section 5), minMTU4 what
// fragments still make sense with.
const (
	minMTU  = 1280
	minMTU4 = 576
)

// Check tells what is wrong with c.
func (c *Config) Check() error {
	switch {
	case c.MTU != 0 && c.MTU < minMTU:
		return fmt.Errorf("mtu %d is below %d", c.MTU, minMTU)
	case c.MaxConns < 1:
		return fmt.Errorf("%d connections", c.MaxConns)
	case c.MinPort > c.MaxPort:
		return fmt.Errorf("source ports %d to %d", c.MinPort, c.MaxPort)
	}
	return nil
}
