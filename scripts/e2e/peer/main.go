package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: peer serve|sink|dgrams|echo ADDR [N]")
	}
	switch args[0] {
	case "serve":
		return listen(args[1], true)
	case "sink":
		return listen(args[1], false)
	case "dgrams":
		return datagrams(args[1])
	case "hash":
		n, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.CopyN(h, &pattern{}, n)
		fmt.Println(hex.EncodeToString(h.Sum(nil)))
		return err
	case "echo":
		if len(args) != 3 {
			return errors.New("echo needs an address and a number")
		}
		n, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}
		return echo(args[1], n)
	}
	return fmt.Errorf("unknown mode %q", args[0])
}

// pattern is the stream of the echo client: byte i is i mod 256.
type pattern struct{ pos byte }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = p.pos
		p.pos++
	}
	return len(b), nil
}

func listen(addr string, back bool) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			h := sha256.New()
			w := io.Writer(h)
			if back {
				w = io.MultiWriter(h, c)
			}
			n, err := io.Copy(w, c)
			fmt.Println(n, hex.EncodeToString(h.Sum(nil)), err)
			_ = c.Close()
		}()
	}
}

func echo(addr string, n int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	sent, got := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		src := rand.NewChaCha8([32]byte{1})
		_, err := io.CopyN(io.MultiWriter(c, sent), src, n)
		if err == nil {
			err = c.(*net.TCPConn).CloseWrite()
		}
		done <- err
	}()
	m, err := io.Copy(got, c)
	if err = errors.Join(<-done, err); err != nil {
		return err
	}
	if m != n {
		return fmt.Errorf("%d bytes came back of %d", m, n)
	}
	a, b := hex.EncodeToString(sent.Sum(nil)), hex.EncodeToString(got.Sum(nil))
	if a != b {
		return fmt.Errorf("sha-256 differs: sent %s, got %s", a, b)
	}
	fmt.Println(n, a)
	return nil
}

// datagrams sends every datagram back to whom it is from.
func datagrams(addr string) error {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(b[:n], from); err != nil {
			return err
		}
	}
}
