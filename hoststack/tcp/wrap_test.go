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
