package tcp

import (
	"testing"

	"vpphost/dataplane/hdr"
)

// TestTickWrap opens and times out connections while the ticks of deadlines wrap
// around, 78 hours after the clock's zero.
func TestTickWrap(t *testing.T) {
	p := newPeer(t)
	p.listen()
	p.now = 1<<48 - 100e9
	p.step(0)
	for range 40 {
		p.port++
		p.send(seg{flags: hdr.SYN, wnd: 500, opts: modern()})
		p.pass(5e9)
	}
	p.pass(70e9)
	if n := p.h.tcp.shards[0].conns.Used(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// TestLongQuiet: what was noted long ago does not seem to be of just now when the ticks
// have wrapped around.
func TestLongQuiet(t *testing.T) {
	const hour, day = 3600e9, 24 * 3600e9
	for _, quiet := range []int64{20 * hour, 45 * hour, 70 * hour, 100 * hour, 20 * day, 25 * day, 26 * day, 27 * day, 40 * day} {
		p := newPeer(t)
		p.ts = true
		s := p.accept(modern())
		syn := seg{flags: hdr.SYN, seq: 1, wnd: 500, noTS: true}
		p.send(syn)
		p.expect("ACK 1:1 ack 1")
		s.write(1)
		p.step(0)
		p.send(ack(2))
		p.sent = nil
		p.step(quiet)
		p.send(syn) // RFC 5961 section 7: two a second, not two in three days
		p.expect("ACK 2:2 ack 1")
		// RFC 7323 section 5.5: a clock of 1 ms goes backwards, it seems, after 25 days.
		x := data(0, 500)
		x.ack = 2
		p.send(x)
		p.step(0)
		s.checkGot(500)
		p.h.tcp.Reset(p.h.w, s.conn)
		p.step(0)
	}
}
