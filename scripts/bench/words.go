package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// clientReport is what a test client printed. VPP and vpphost print the same, but for the
// requests, which only vpphost knows.
type clientReport struct {
	opened   float64 // connections per second
	bytes    float64 // of one direction
	seconds  float64
	perSec   float64 // bytes, as printed: VPP's wraps
	requests float64 // per second
	p50      float64 // us
	p99      float64
	p999     float64
	lost     float64 // percent of the datagrams
}

var (
	openedLine   = regexp.MustCompile(`^\d+ (?:connections established|three-way handshakes) in [\d.]+ seconds ([\d.]+)/s`)
	bytesLine    = regexp.MustCompile(`^(\d+) bytes \(.*\) in ([\d.]+) seconds`)
	rateLine     = regexp.MustCompile(`^(\d+)(?:\.\d+)? bytes/second`)
	requestsLine = regexp.MustCompile(`^\d+ requests of \d+ bytes answered ([\d.]+)/s`)
	waitsLine    = regexp.MustCompile(`^([\d.]+)us/[\d.]+us/([\d.]+)us/([\d.]+)us/[\d.]+us p50/p90/p99/p99.9/max request`)
	lostLine     = regexp.MustCompile(`^sent total \d+ datagrams, (?:received total \d+ datagrams, )?lost -?\d+ datagrams \(([\d.]+)%\)`)
	failedLine   = regexp.MustCompile(`^(?:.*: )?(failed: .*)|^(warning: .*)|^(.*unknown input.*)`)
)

// parseClient reads a client's report. A test that failed is an error.
func parseClient(text string) (r clientReport, err error) {
	seen := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		set := func(re *regexp.Regexp, to ...*float64) bool {
			m := re.FindStringSubmatch(line)
			for i, p := range to {
				if m != nil {
					*p, _ = strconv.ParseFloat(m[i+1], 64)
				}
			}
			return m != nil
		}
		if m := failedLine.FindStringSubmatch(line); m != nil && err == nil {
			err = errors.New(m[1] + m[2] + m[3])
		}
		set(openedLine, &r.opened)
		set(rateLine, &r.perSec)
		set(requestsLine, &r.requests)
		set(lostLine, &r.lost)
		set(waitsLine, &r.p50, &r.p99, &r.p999)
		seen = set(bytesLine, &r.bytes, &r.seconds) || seen
	}
	if err == nil && (!seen || strings.Contains(text, "test failed")) {
		err = fmt.Errorf("no result in %q", tail(text, 300))
	}
	return r, err
}

// bits is the throughput in bits per second. VPP prints bytes per second modulo 2^32;
// bytes and seconds, which have two decimals, tell how often that wrapped.
func (r *clientReport) bits() float64 {
	if r.seconds <= 0 {
		return r.perSec * 8
	}
	const wrap = 1 << 32
	rough := r.bytes / r.seconds
	exact := r.perSec + wrap*math.Round((rough-r.perSec)/wrap)
	// The seconds were rounded, by .005 at most. What is farther off was something else.
	if math.Abs(exact-rough) > rough*.01/r.seconds {
		return rough * 8
	}
	return exact * 8
}

var sessionsLine = regexp.MustCompile(`(?m)^Thread \d+: (?:active sessions )?(\d+)`)

// parseSessions adds up what show session says of the threads.
func parseSessions(text string) (n int) {
	for _, m := range sessionsLine.FindAllStringSubmatch(text, -1) {
		k, _ := strconv.Atoi(m[1])
		n += k
	}
	return n
}

// tail is the end of s, at most n bytes of it.
func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
