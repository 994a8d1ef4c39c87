package main

import (
	"fmt"
	"slices"
	"strings"
)

// kind is how a row is measured.
type kind int

const (
	stream   kind = iota // bytes for some seconds
	datagram             // as stream, over UDP: what arrived, and what was lost
	request              // a message, its answer, the next message
	connect              // open many connections, close them
	idle                 // hold many connections
	web                  // HTTP requests for some seconds, see web.go
	relay                // through a proxy, see relay.go
	prompt               // start the program, wait for its prompt
)

// link joins the two sides of user-space stacks. The kernel's are always joined by veth.
type link int

const (
	memif link = iota
	veth
)

// row is one thing that is measured, of every contender in turn.
type row struct {
	name string
	kind kind
	link link
	mtu  int

	streams     int
	echo, check bool
	large       bool // segments larger than the MTU, as far as the contender can
	inside      bool // server and client are in one instance: cut-through, loopback
	size        int  // bytes of a request, or of an object
	count       int  // connections
	sources     int  // addresses they come from

	rate   string // that a client offers, "" for all it can
	server string // of a web row: tps or static
	fresh  bool   // a new connection for each web request
	wrk    bool   // the web client is wrk, on the kernel

	note string // about the comparison
}

// maxSources is how many source addresses a row may ask for.
const maxSources = 4

// figure is one number that a run of a row yields.
type figure struct {
	name  string // behind the row's, "" when it is the only one
	unit  string
	lower bool // lower is better
}

func (r *row) figures() []figure {
	switch r.kind {
	case request:
		return []figure{{"p50", "us", true}, {"p99", "us", true}, {"p99.9", "us", true}, {"rate", "k/s", false}}
	case connect:
		return []figure{{"opened", "k/s", false}, {"opened and closed", "k/s", false}}
	case idle:
		return []figure{{"", "bytes", true}}
	case prompt:
		return []figure{{"", "s", true}}
	case datagram:
		return []figure{{"", "Gb/s", false}, {"lost", "%", true}}
	case web:
		if r.size < bigObject {
			return []figure{{"", "k/s", false}}
		}
	case relay:
		return []figure{{"one way", "Gb/s", false}, {"p50 of a 64-byte request", "us", true}}
	}
	return []figure{{"", "Gb/s", false}}
}

// line is the name of a figure of the row in tables.
func (r *row) line(f figure) string {
	if f.name == "" {
		return r.name
	}
	return r.name + ", " + f.name
}

// table lists the rows, those of one link together: pairs are started for a link.
func table() []row {
	notChecked := "the kernel's iperf3 does not check"
	rows := []row{
		{name: "1 stream, one way", streams: 1},
		{name: "1 stream, one way, bytes checked", streams: 1, check: true, note: notChecked},
		{name: "1 stream, echo", streams: 1, echo: true},
		{name: "1 stream, echo, bytes checked", streams: 1, echo: true, check: true, note: notChecked},
		{name: "10 streams, one way", streams: 10},
		{name: "10 streams, echo", streams: 10, echo: true},
		{name: "100 streams, one way", streams: 100},
		{name: "100 streams, echo", streams: 100, echo: true},
		{name: "cut-through, bytes checked", streams: 1, check: true, inside: true,
			note: "inside one instance, on one core; the kernel's iperf3 over lo, also on one, does not check"},
		{name: "10 000 connections", kind: connect, count: 10000, sources: 1},
		{name: "100 000 connections, 4 addresses", kind: connect, count: 100000, sources: 4},
		{name: "memory of an idle connection", kind: idle, count: 100000, sources: 4,
			note: "of one side; the kernel's is its slab alone, and its connections as many as it may have files"},
		{name: "64-byte request", kind: request, size: 64,
			note: "VPP answers vpphost's client, having none of its own"},
		{name: "MTU 9000, one way", streams: 1, mtu: 9000},
		{name: "MTU 9000, echo", streams: 1, echo: true, mtu: 9000},
		{name: "af_packet over veth, one way", streams: 1, link: veth},
		{name: "af_packet over veth, echo", streams: 1, echo: true, link: veth},
		{name: "af_packet, large segments, one way", streams: 1, link: veth, large: true},
		{name: "af_packet, large segments, echo", streams: 1, echo: true, link: veth, large: true},
		{name: "UDP, one way", kind: datagram, streams: 1},
		{name: "UDP, echo at 5 Gb/s", kind: datagram, streams: 1, echo: true, rate: "5g"},
		{name: "UDP, echo at full offer", kind: datagram, streams: 1, echo: true},
		{name: "proxy", kind: relay, note: "of each contender, between vpphost's client and server on the other core"},
		{name: "start to prompt", kind: prompt},
	}
	rows = slices.Insert(rows, slices.IndexFunc(rows, func(r row) bool { return r.mtu > 0 }), webRows()...)
	for i := range rows {
		if rows[i].mtu == 0 {
			rows[i].mtu = 1500
		}
	}
	return rows
}

// choose returns the rows that one of the words, separated by semicolons, is part of.
func choose(rows []row, only string) ([]row, error) {
	if only == "" {
		return rows, nil
	}
	var out []row
	for _, r := range rows {
		for w := range strings.SplitSeq(only, ";") {
			if w = strings.TrimSpace(w); w != "" && strings.Contains(r.name, w) {
				out = append(out, r)
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no row is called %q; -list shows them", only)
	}
	return out, nil
}

// fifo is the size of the FIFOs of both sides. Many large ones are more than VPP's
// segments hold.
func (r *row) fifo() string {
	switch {
	case r.count > 0:
		return "4k"
	case r.streams >= 100:
		return "1m"
	}
	return "4m"
}

// serverURI is where the echo server of the row listens.
func (r *row) serverURI() string {
	if r.kind == datagram {
		return "udp://" + stackAddr(0) + "/1234"
	}
	return "tcp://" + stackAddr(0) + "/1234"
}

// clientWords are the client's command for the row, in words that VPP and vpphost share.
func (r *row) clientWords(seconds int) string {
	w := "client uri " + r.serverURI()
	switch r.kind {
	case request:
		return fmt.Sprintf("%s run-time %d request %d", w, seconds, r.size)
	case connect:
		return fmt.Sprintf("%s nclients %d bytes 1 fifo-size %s syn-timeout 60 test-timeout 60", w, r.count, r.fifo())
	case idle:
		// Paced so slowly that nothing is ever due.
		return fmt.Sprintf("%s nclients %d run-time %d throughput 8 fifo-size %s syn-timeout 60", w, r.count, idleHold, r.fifo())
	}
	w = fmt.Sprintf("%s fifo-size %s run-time %d report-interval 1", w, r.fifo(), seconds)
	if r.rate != "" {
		w += " throughput " + r.rate
	}
	if r.streams > 1 {
		w += fmt.Sprintf(" nclients %d", r.streams)
	}
	if r.echo {
		w += " echo-bytes"
	}
	if r.check {
		w += " test-bytes"
	}
	if r.inside {
		w += " local-scope"
	}
	return w
}

// idleHold is how many seconds idle connections are kept open.
const idleHold = 6
