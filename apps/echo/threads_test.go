package echo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/dataplane/device/sim"
	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp"
	"vpphost/hoststack/transport"
)

// TestThreads runs client and server on hosts whose workers are threads, over a wire with
// one queue that changes workers all the time, while interfaces and listeners come and go. It is for the race detector, and no byte
// may be lost or wrong.
func TestThreads(t *testing.T) {
	for _, n := range [][2]int{{2, 2}, {1, 4}, {4, 1}} {
		t.Run(fmt.Sprintf("%d-%d", n[0], n[1]), func(t *testing.T) {
			w := simtest.NewThreads(5)
			must := func(err error) {
				if err != nil {
					t.Helper()
					t.Fatal(err)
				}
			}
			quick := func(c *tcp.Config) { c.TimeWait = 100 * time.Millisecond }
			o := simtest.Options{Buffers: 8192, Trust: true, TCP: quick, RxFIFO: 64 << 10, TxFIFO: 64 << 10}
			o.Workers = n[0]
			cln, err := w.NewHost("client", o)
			must(err)
			o.Workers = n[1]
			srv, err := w.NewHost("server", o)
			must(err)
			link := sim.Link{Loss: 0.002}
			_, err = w.Connect(cln, srv, [2]sim.Link{link, link}, simtest.WireOptions{})
			must(err)
			must(w.Start())
			server := NewServer(srv.Sessions)
			so, err := parseServer(cli.NewInput("uri tcp://0.0.0.0/1234 uri udp://0.0.0.0/1234"))
			must(err)
			_, err = server.start(so)
			must(err)

			ctx, cancel := context.WithCancel(context.Background())
			moved := make(chan int)
			go func() {
				k := 0
				for ; ctx.Err() == nil; k++ {
					for _, h := range w.Hosts {
						if err := disturb(h, k); err != nil {
							t.Error(err)
						}
					}
					time.Sleep(3 * time.Millisecond)
				}
				moved <- k
			}()
			for _, line := range []string{"nclients 20 bytes 100k echo-bytes test-bytes", "nclients 300 bytes 1000",
				"cps nclients 50 connections 2000 echo-bytes test-bytes",
				"udp nclients 20 bytes 100k throughput 200m echo-bytes test-bytes"} {
				proto, line := "tcp", line
				if rest, ok := strings.CutPrefix(line, "udp "); ok {
					proto, line = "udp", rest
				}
				co, err := parseClient(cli.NewInput(fmt.Sprintf("uri %s://%s/1234 test-timeout 60 %s", proto, simtest.Addr4(1, 2), line)))
				must(err)
				var text strings.Builder
				c := &cli.Ctx{Context: context.Background()}
				for try := 0; ; try++ {
					_, err := NewClient(cln.Sessions).run(c, co, func(r cli.Result) error { return r.Text(&text, cli.Layout{}) })
					if err == nil {
						break
					}
					// It may have begun while the interface was down.
					if try == 10 || !strings.Contains(text.String()+err.Error(), "no route") {
						t.Errorf("%s: %v\n%s", line, err, text.String())
						break
					}
					text.Reset()
				}
			}
			cancel()
			if k := <-moved; k < 2 {
				t.Errorf("only %d moves", k)
			}
			_ = server.stop()
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			for _, h := range w.Hosts {
				for _, line := range h.Errors() {
					if strings.Contains(line, "too slow") || strings.Contains(line, "no listener") {
						t.Log(line)
					}
				}
			}
		})
	}
}

// disturb moves the queue of a host's interface, and every so often makes and deletes
// another interface and a listener, and has the interface down for a moment.
func disturb(h *simtest.Host, k int) error {
	i := h.Ifaces.ByName("sim0")
	errs := []error{h.Ifaces.Place(i, 0, k%len(h.Workers))}
	switch k % 40 {
	case 10:
		lo, err := h.Ifaces.AddLoopback(-1)
		if err == nil {
			err = errors.Join(h.Ifaces.SetUp(lo, true), h.Ifaces.AddAddr(lo, netip.MustParsePrefix("10.99.0.1/24")), h.Ifaces.Delete(lo))
		}
		errs = append(errs, err)
	case 20:
		a, err := h.Attach("passer-by", &sayer{})
		if err == nil {
			ep := transport.Endpoint{Addr: netip.MustParseAddrPort("0.0.0.0:9999")}
			err = errors.Join(a.Listen(transport.TCP, ep), a.Unlisten(transport.TCP, ep))
		}
		errs = append(errs, err)
	case 30:
		errs = append(errs, h.Ifaces.SetUp(i, false), h.Ifaces.SetUp(i, true))
	}
	return errors.Join(errs...)
}
