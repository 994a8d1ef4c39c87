package netconn_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"vpphost/hoststack/netconn"
)

// labs of benchmarks: packets of 1500 bytes and large segments between two instances in
// this process, and one instance cut through.
var benchLabs = []struct {
	name string
	o    options
}{
	{"mtu1500", options{}},
	{"large", options{offload: true}},
	{"local", options{local: true}},
}

// BenchmarkThroughput is one stream from goroutine to goroutine.
func BenchmarkThroughput(b *testing.B) {
	for _, k := range benchLabs {
		b.Run(k.name, func(b *testing.B) {
			l := newLab(b, k.o)
			c, s := l.pair(l.listen(":0"))
			const chunk = 64 << 10
			done := make(chan int64)
			go func() {
				n, _ := io.CopyBuffer(io.Discard, struct{ io.Reader }{s}, make([]byte, 2*chunk))
				done <- n
			}()
			buf := make([]byte, chunk)
			b.SetBytes(chunk)
			b.ResetTimer()
			for range b.N {
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
			c.CloseWrite()
			if n := <-done; n != int64(b.N)*chunk {
				b.Fatal(n)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)*chunk*8/float64(b.Elapsed().Nanoseconds()), "Gb/s")
			c.Close()
			s.Close()
		})
	}
}

// BenchmarkPingPong is a request of 64 bytes and its answer.
func BenchmarkPingPong(b *testing.B) {
	for _, k := range benchLabs {
		b.Run(k.name, func(b *testing.B) {
			l := newLab(b, k.o)
			c, s := l.pair(l.listen(":0"))
			go echoSmall(s)
			var buf [64]byte
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := c.Write(buf[:]); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, buf[:]); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			c.Close()
		})
	}
}

func echoSmall(c net.Conn) {
	defer c.Close()
	var buf [4096]byte
	for {
		n, err := c.Read(buf[:])
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// BenchmarkRequests is 100 connections with one request under way each.
func BenchmarkRequests(b *testing.B) {
	for _, k := range benchLabs {
		b.Run(k.name, func(b *testing.B) {
			l := newLab(b, k.o)
			ln := l.listen(":0")
			const conns = 100
			var list []*netconn.Conn
			for range conns {
				c, s := l.pair(ln)
				go echoSmall(s)
				list = append(list, c)
			}
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, c := range list {
				wg.Add(1)
				go func() {
					defer wg.Done()
					var buf [64]byte
					for range b.N/conns + (i+1)/conns {
						c.Write(buf[:])
						if _, err := io.ReadFull(c, buf[:]); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			wg.Wait()
			b.StopTimer()
			for _, c := range list {
				c.Close()
			}
		})
	}
}

// BenchmarkConnect opens and closes connections, 64 at a time.
func BenchmarkConnect(b *testing.B) {
	for _, k := range benchLabs {
		b.Run(k.name, func(b *testing.B) {
			l := newLab(b, k.o)
			ln := l.listen(":0")
			go serve(ln, func(c net.Conn) {
				var buf [64]byte
				c.Read(buf[:])
				c.Close()
			})
			var wg sync.WaitGroup
			limit := make(chan struct{}, 64)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				limit <- struct{}{}
				wg.Add(1)
				go func() {
					defer func() { <-limit; wg.Done() }()
					c, err := l.cln.Dial("tcp", l.to(ln))
					for try := 0; err != nil && try < 100; try++ { // ports of TIME_WAIT
						time.Sleep(time.Millisecond)
						c, err = l.cln.Dial("tcp", l.to(ln))
					}
					if err != nil {
						b.Error(err)
						return
					}
					c.Close()
				}()
			}
			wg.Wait()
			b.StopTimer()
			ln.Close()
		})
	}
}
