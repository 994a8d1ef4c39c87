package netconn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"vpphost/hoststack/datagram"
	"vpphost/hoststack/netconn"
)

// eachUDP runs a test in labs of which cut-through is none: it does not lead to packet
// sockets.
func eachUDP(t *testing.T, f func(t *testing.T, l *lab)) {
	for _, o := range []options{{}, {workers: [2]int{2, 3}}} {
		t.Run("", func(t *testing.T) { f(t, newLab(t, o)) })
	}
}

// socket opens a socket of the server, and tells where.
func (l *lab) socket(address string) (*netconn.PacketConn, *net.UDPAddr) {
	l.t.Helper()
	p, err := l.srv.ListenUDP("udp4", address, datagram.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { p.Close() })
	a := p.LocalAddr().(*net.UDPAddr).AddrPort()
	return p, net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.addr, a.Port()))
}

// client opens one of the client.
func (l *lab) client() *netconn.PacketConn {
	l.t.Helper()
	p, err := l.cln.ListenUDP("udp4", ":0", datagram.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { p.Close() })
	p.SetDeadline(time.Now().Add(20 * time.Second))
	return p
}

// TestDatagrams: boundaries are kept, of datagrams of all sizes; who answers knows whom.
func TestDatagrams(t *testing.T) {
	eachUDP(t, func(t *testing.T, l *lab) {
		srv, addr := l.socket(":0")
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, from, err := srv.ReadFrom(b)
				if err != nil {
					return
				}
				if _, err := srv.WriteTo(b[:n], from); err != nil {
					t.Error(err)
				}
			}
		}()
		c := l.client()
		b := make([]byte, 1<<16)
		for i, size := range []int{0, 1, 100, 1400, 1472, 1473, 9000, 65507} {
			want := bytes.Repeat([]byte{byte(i + 1)}, size)
			if n, err := c.WriteTo(want, addr); n != size || err != nil {
				t.Fatalf("%d bytes: %d, %v", size, n, err)
			}
			n, from, err := c.ReadFrom(b)
			if err != nil || !bytes.Equal(b[:n], want) || from.String() != addr.String() {
				t.Fatalf("%d bytes: %d from %v, %v", size, n, from, err)
			}
		}
		if _, err := c.WriteTo(make([]byte, 65508), addr); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("too long: %v", err)
		}
		if n, err := c.WriteTo([]byte("cut off"), addr); n != 7 || err != nil {
			t.Error(n, err)
		}
		if n, _, err := c.ReadFrom(b[:3]); n != 3 || err != nil || string(b[:3]) != "cut" {
			t.Errorf("%q, %v", b[:n], err)
		}

		d, err := l.cln.Dial("udp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		d.SetDeadline(time.Now().Add(20 * time.Second))
		for range 3 {
			if _, err := d.Write([]byte("hello")); err != nil {
				t.Error(err)
			}
			if n, err := d.Read(b); err != nil || string(b[:n]) != "hello" {
				t.Errorf("%q, %v", b[:n], err)
			}
		}
		if _, err := d.(*netconn.PacketConn).WriteTo([]byte("x"), addr); !errors.Is(err, net.ErrWriteToConnected) {
			t.Error(err)
		}
		d.Close()
		if _, err := d.Read(b); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// TestDatagramDeadline: as of connections.
func TestDatagramDeadline(t *testing.T) {
	l := newLab(t, options{})
	srv, _ := l.socket(":0")
	b := make([]byte, 10)
	srv.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, _, err := srv.ReadFrom(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	srv.SetReadDeadline(time.Time{})
	go func() { time.Sleep(10 * time.Millisecond); srv.Close() }()
	if _, _, err := srv.ReadFrom(b); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := srv.WriteTo(b, &net.UDPAddr{IP: net.IPv4(10, 0, 1, 1), Port: 9}); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestDatagramRefused: an ICMP error is reported once, and the socket goes on.
func TestDatagramRefused(t *testing.T) {
	l := newLab(t, options{})
	d, err := l.cln.Dial("udp", net.JoinHostPort(l.addr.String(), "5353"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.SetDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 10)
	d.Write([]byte("anybody?"))
	if _, err := d.Read(b); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	local := d.LocalAddr().String()
	srv, _ := l.socket(":5353")
	if _, err := d.Write([]byte("again")); err != nil {
		t.Fatal(err)
	}
	n, from, err := srv.ReadFrom(b)
	if err != nil || string(b[:n]) != "again" || from.String() != local {
		t.Errorf("%q from %v, not %s: %v", b[:n], from, local, err)
	}
}

// TestBatch: many datagrams in a call, segments of a large write, and control messages.
func TestBatch(t *testing.T) {
	eachUDP(t, func(t *testing.T, l *lab) {
		srv, addr := l.socket(":0")
		srv.SetDeadline(time.Now().Add(20 * time.Second))
		c := l.client()
		var out []ipv4.Message
		for i := range 20 {
			out = append(out, ipv4.Message{Buffers: [][]byte{{byte(i)}, {1, 2}}, Addr: addr, OOB: tos(2)})
		}
		if n, err := c.WriteBatch(out, 0); n != 20 || err != nil {
			t.Fatal(n, err)
		}
		in := make([]ipv4.Message, 8)
		for i := range in {
			in[i].Buffers = [][]byte{make([]byte, 100)}
			in[i].OOB = make([]byte, 128)
		}
		seen := 0
		for seen < 20 {
			n, err := srv.ReadBatch(in, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range in[:n] {
				if b := m.Buffers[0][:m.N]; !bytes.Equal(b, []byte{byte(seen), 1, 2}) {
					t.Fatalf("%d: % x", seen, b)
				}
				if got := find(t, m.OOB[:m.NN], unix.IPPROTO_IP, unix.IP_TOS); got[0]&3 != 2 {
					t.Errorf("tos % x", got)
				}
				if got := find(t, m.OOB[:m.NN], unix.IPPROTO_IP, unix.IP_PKTINFO); !bytes.Equal(got[8:12], addr.IP.To4()) {
					t.Errorf("packet info % x", got)
				}
				seen++
			}
		}
		if _, err := srv.ReadBatch(in, unix.MSG_DONTWAIT); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("nothing there: %v", err)
		}

		large := make([]byte, 12_345)
		for i := range large {
			large[i] = byte(i / 1000)
		}
		if n, _, err := c.WriteMsgUDP(large, segment(1000), addr); n != len(large) || err != nil {
			t.Fatal(n, err)
		}
		b, oob := make([]byte, 2000), make([]byte, 128)
		for i := range 13 {
			n, _, flags, from, err := srv.ReadMsgUDP(b, oob)
			if want := min(1000, len(large)-i*1000); n != want || flags != 0 || err != nil || b[0] != byte(i) || from == nil {
				t.Fatalf("segment %d: %d bytes, %v", i, n, err)
			}
		}
		if _, _, err := c.WriteMsgUDP(large[:1], []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, addr); !errors.Is(err, syscall.EINVAL) {
			t.Error(err)
		}
		raw, err := c.SyscallConn()
		if err != nil || raw.Control(func(uintptr) { t.Error("there is no descriptor") }) != nil || c.SetReadBuffer(1) != nil || c.SetWriteBuffer(1) != nil {
			t.Error(err)
		}
	})
}

func cmsg(level, typ int, data []byte) []byte {
	b := make([]byte, 16, 24)
	binary.NativeEndian.PutUint64(b, uint64(16+len(data)))
	binary.NativeEndian.PutUint32(b[8:], uint32(level))
	binary.NativeEndian.PutUint32(b[12:], uint32(typ))
	return append(b, data...)[:24:24]
}

func tos(v byte) []byte { return cmsg(unix.IPPROTO_IP, unix.IP_TOS, []byte{v, 0, 0, 0}) }

func segment(n uint16) []byte {
	return cmsg(unix.IPPROTO_UDP, unix.UDP_SEGMENT, binary.NativeEndian.AppendUint16(nil, n))
}

// find is a control message, as the system's own parser sees it.
func find(t *testing.T, oob []byte, level, typ int32) []byte {
	t.Helper()
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Header.Level == level && m.Header.Type == typ {
			return m.Data
		}
	}
	t.Fatalf("no message %d of level %d", typ, level)
	return nil
}

// FuzzControl: no control message that a program hands in does harm.
func FuzzControl(f *testing.F) {
	f.Add(tos(3))
	f.Add(segment(1200))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, oob []byte) { netconn.ParseControl(oob) })
}
