package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// sinkMain accepts connections and reads a byte from each: the kernel's half of the
// connection rate test.
func sinkMain(addr string) error {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			var b [16]byte
			for {
				if _, err := c.Read(b[:]); err != nil {
					_ = c.Close()
					return
				}
			}
		}()
	}
}

// connectMain opens n connections, 128 at a time, as our client does, and prints how
// many it opened a second.
func connectMain(addr, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	var lim syscall.Rlimit
	lim.Cur, lim.Max = uint64(n+1024), uint64(n+1024)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	conns := make([]net.Conn, n)
	slots := make(chan struct{}, 128)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	start := time.Now()
	for i := range n {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := net.Dial("tcp4", addr)
			if err != nil {
				mu.Lock()
				first = err
				mu.Unlock()
			}
			conns[i] = c
			<-slots
		}()
	}
	wg.Wait()
	took := time.Since(start)
	if first != nil {
		return first
	}
	fmt.Fprintf(os.Stdout, "%.0f\n", float64(n)/took.Seconds())
	for _, c := range conns {
		_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT left for the next run
		_ = c.Close()
	}
	return nil
}
