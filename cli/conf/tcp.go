package conf

import (
	"errors"
	"time"
)

// TCP is the transport's configuration. Its words are VPP's.
type TCP struct {
	CCAlgo        string // congestion controller: "cubic" or "newreno"; "cubic"
	MTU           uint16 // bytes of the largest packet; 0 leaves it to the interface and the path
	MaxRxFIFO     uint32 // bytes; 32m
	MinRxFIFO     uint32 // bytes; 4k
	InitialCwnd   uint32 // initial window in segments; 0 is RFC 6928's
	RwndMinUpdate uint32 // segments by which a closed window must open before the peer is told; 1
	NoTxPacing    bool   // off
	TSO           bool   // let the device cut large segments; off
	NoCsumOffload bool   // complete checksums in software; off
	NoDSACK       bool   // off
	CloseWait     time.Duration
	TimeWait      time.Duration
	FinWait1      time.Duration
	FinWait2      time.Duration
	LastAck       time.Duration
	Closing       time.Duration
	SynRcvd       time.Duration
}

func defaultTCP() TCP {
	return TCP{
		CCAlgo: "cubic", MaxRxFIFO: 32 << 20, MinRxFIFO: 4 << 10, RwndMinUpdate: 1,
		CloseWait: 60 * time.Second, TimeWait: 10 * time.Second,
		FinWait1: 60 * time.Second, FinWait2: 30 * time.Second,
		LastAck: 30 * time.Second, Closing: 30 * time.Second, SynRcvd: 60 * time.Second,
	}
}

func (t *TCP) section() Section {
	wait := func(v *time.Duration) reader { return span(v, time.Second, 1, 86400) }
	keys := []Key{
		{"cc-algo", "<name>", "congestion control: cubic (the default) or newreno", oneOf(&t.CCAlgo, "cubic", "newreno")},
		{"mtu", "<n>", "largest packet (that of the interface)", num(&t.MTU, 1280, 65535)},
		{"max-rx-fifo", "<size>", "largest receive window (32m)", size(&t.MaxRxFIFO, 4<<10, 1<<30)},
		{"min-rx-fifo", "<size>", "receive window before a FIFO is known (4k)", size(&t.MinRxFIFO, 1<<10, 1<<30)},
		{"initial-cwnd-multiplier", "<n>", "initial window in segments (0: RFC 6928)", num(&t.InitialCwnd, 0, 1000)},
		{"rwnd-min-update-ack", "<n>", "segments that a closed window must open by (1)", num(&t.RwndMinUpdate, 1, 65535)},
		{"no-tx-pacing", "", "send as fast as the window allows", turnOn(&t.NoTxPacing)},
		{"tso", "", "", turnOn(&t.TSO)}, // shown by show tcp config
		{"no-csum-offload", "", "complete checksums in software", turnOn(&t.NoCsumOffload)},
		{"no-dsack", "", "ignore duplicate SACKs", turnOn(&t.NoDSACK)},
		{"closewait-time", "<seconds>", "longest CLOSE_WAIT after the application closed (60)", wait(&t.CloseWait)},
		{"timewait-time", "<seconds>", "TIME_WAIT (10)", wait(&t.TimeWait)},
		{"finwait1-time", "<seconds>", "longest FIN_WAIT_1 (60)", wait(&t.FinWait1)},
		{"finwait2-time", "<seconds>", "longest FIN_WAIT_2 (30)", wait(&t.FinWait2)},
		{"lastack-time", "<seconds>", "longest LAST_ACK (30)", wait(&t.LastAck)},
		{"closing-time", "<seconds>", "longest CLOSING (30)", wait(&t.Closing)},
		{"syn-rcvd-time", "<seconds>", "longest SYN_RCVD (60)", wait(&t.SynRcvd)},
	}
	keys = append(keys, unusedKeys(1, "alloc-err-timeout", "cleanup-time", "max-gso-size", "buffer-fail-fraction",
		"preallocated-connections", "preallocated-half-open-connections")...)
	keys = append(keys, unused("byte-tracker", 0), unused("cubic", 1), unused("newreno", 1))
	return Section{Name: "tcp", Help: "TCP", Keys: keys, Check: t.check}
}

func (t *TCP) check() error {
	if t.MinRxFIFO > t.MaxRxFIFO {
		return errors.New("min-rx-fifo is above max-rx-fifo")
	}
	return nil
}
