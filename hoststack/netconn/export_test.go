package netconn

import "time"

// Sweep changes how often idle connections are looked at, of a Net made afterwards.
func Sweep(d time.Duration) { sweepEvery = d }

// ParseControl is for FuzzControl.
func ParseControl(oob []byte) error { return new(packet).parse(oob) }
