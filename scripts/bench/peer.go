package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel is measured with where iperf3 does not help: the bench starts itself
// as "peer", the server, and as "ask" or "connect".

const (
	sinkPort = 5299
	echoPort = 5298
)

// helper runs the helper that the arguments name, if they do.
func helper(args []string) (bool, error) {
	n := func(i int) int { v, _ := strconv.Atoi(args[i]); return v }
	switch {
	case len(args) == 2 && args[0] == "peer":
		return true, peerMain(args[1])
	case len(args) == 4 && args[0] == "ask":
		return true, askMain(args[1], n(2), n(3))
	case len(args) >= 4 && args[0] == "connect":
		return true, connectMain(args[1], n(2), n(3), len(args) == 5)
	}
	return false, nil
}

// peerMain answers on one port, and on the other accepts connections and closes them when
// the client has.
func peerMain(addr string) error {
	go func() {
		fmt.Fprintln(os.Stderr, "bench peer:", answer(addr)) // it ends with an error only
	}()
	l, err := net.Listen("tcp4", net.JoinHostPort(addr, strconv.Itoa(sinkPort)))
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

// answer sends everything back, one connection at a time, in blocking calls on one thread:
// as a C program would, without Go's poller in between.
func answer(addr string) error {
	runtime.LockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, sockaddr(addr, echoPort)); err != nil {
		return err
	}
	if err := unix.Listen(fd, 16); err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	for {
		c, _, err := unix.Accept(fd)
		if err != nil {
			return err
		}
		_ = unix.SetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		for {
			n, err := unix.Read(c, b)
			if err != nil || n == 0 {
				break
			}
			if _, err := unix.Write(c, b[:n]); err != nil {
				break
			}
		}
		_ = unix.Close(c)
	}
}

// askMain sends messages of size bytes, each after the answer to the last, and prints p50,
// p99 and p99.9 of the waits in us, and thousands a second.
func askMain(addr string, size, seconds int) error {
	runtime.LockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err := unix.Connect(fd, sockaddr(addr, echoPort)); err != nil {
		return err
	}
	b := make([]byte, size)
	waits := make([]int64, 0, seconds*400000)
	start := time.Now()
	for last := time.Duration(0); last < time.Duration(seconds)*time.Second; {
		if _, err := unix.Write(fd, b); err != nil {
			return err
		}
		for got := 0; got < size; {
			n, err := unix.Read(fd, b[got:])
			if err != nil || n == 0 {
				return fmt.Errorf("the peer has closed: %w", errOr(err))
			}
			got += n
		}
		now := time.Since(start)
		waits = append(waits, int64(now-last))
		last = now
	}
	took := time.Since(start)
	slices.Sort(waits)
	at := func(share float64) float64 { return float64(waits[int(share*float64(len(waits)-1))]) / 1e3 }
	fmt.Println(at(.5), at(.99), at(.999), float64(len(waits))/took.Seconds()/1e3)
	return nil
}

func sockaddr(addr string, port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte(net.ParseIP(addr).To4())}
}

// connectMain opens n connections, 128 at a time, as our client does, and closes them in
// the same way. It prints thousands a second: opened, and opened and closed. When it
// holds them it prints that all are open, and waits for the end of its input.
func connectMain(addr string, n, sources int, hold bool) error {
	conns := make([]net.Conn, n)
	start := time.Now()
	err := inParallel(n, func(i int) (err error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(kernelAddr(2 + i%sources))}, Control: portLater}
		conns[i], err = d.Dial("tcp4", net.JoinHostPort(addr, strconv.Itoa(sinkPort)))
		return err
	})
	if err != nil {
		return err
	}
	opened := time.Since(start)
	if hold {
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	err = inParallel(n, func(i int) error {
		defer conns[i].Close()
		if err := conns[i].(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		var b [1]byte
		if _, err := conns[i].Read(b[:]); err != io.EOF {
			return fmt.Errorf("not closed in order: %w", errOr(err))
		}
		return nil
	})
	if err == nil && !hold {
		rate := func(d time.Duration) float64 { return float64(n) / d.Seconds() / 1e3 }
		fmt.Println(rate(opened), rate(time.Since(start)))
	}
	return err
}

// portLater leaves the choice of a source port to connect(2), which knows the whole
// 5-tuple: there are more of those than ports.
func portLater(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}

// inParallel calls f for 0 to n-1, 128 at a time, and returns an error of them.
func inParallel(n int, f func(int) error) (first error) {
	slots := make(chan struct{}, 128)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			if err := f(i); err != nil {
				mu.Lock()
				first = err
				mu.Unlock()
			}
			<-slots
		})
	}
	wg.Wait()
	return first
}

// allowFiles lets us and those that we start have n files, or as many as there may be, and
// returns how many that is.
func allowFiles(n int) int {
	lim := syscall.Rlimit{Cur: uint64(n), Max: uint64(n)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim) == nil {
		return n
	}
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim)
	lim.Cur = lim.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	return int(min(lim.Max, 1<<30))
}
