package proxy

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/simtest"
)

// BenchmarkProxy is what the proxy's host spends on a byte of one stream, both TCP
// connections included: wires cost nothing, and the other hosts' Steps are not counted.
func BenchmarkProxy(b *testing.B) {
	for _, c := range []struct {
		name    string
		offload bool
	}{{"mtu 1500", false}, {"large segments", true}} {
		b.Run(c.name, func(b *testing.B) {
			link := sim.Link{Delay: 20e3, Rate: 40e9, Queue: 1 << 16}
			l := newLab(b, wish{near: link, far: link, trust: true, wire: simtest.WireOptions{Offload: c.offload, Ring: 1024}})
			l.serve("fifo-size 4m", func() plan { return plan{Finish: simtest.StayOpen} })
			l.open(1, func(int) plan { return plan{Send: 1 << 60, Finish: simtest.StayOpen} })
			l.w.RunFor(20*ms, nil)
			end := l.server.Ends[0]
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var spent int64
			now, begun := l.w.Now(), end.Received
			for b.Loop() {
				for target := end.Received + 1<<20; end.Received < target; {
					now += 5e3
					l.w.Net.SetNow(now)
					for _, h := range l.w.Hosts {
						at := cpuTime()
						for _, k := range h.Workers {
							k.Step(now)
						}
						if h == l.mid {
							spent += cpuTime() - at
						}
					}
				}
			}
			n := float64(end.Received - begun)
			b.ReportMetric(float64(spent)/n, "ns/byte")
			b.ReportMetric(n*8/float64(spent), "Gb/s-of-a-core")
		})
	}
}

// cpuTime is what this thread has used so far, ns: others may want the core too.
func cpuTime() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return t.Nano()
}
