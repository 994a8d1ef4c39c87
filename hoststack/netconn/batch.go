package netconn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"vpphost/dataplane/worker"
)

// This file has what makes a PacketConn look like a *net.UDPConn to who sends and
// receives many datagrams in a call, quic-go first of all: batches, and control messages
// (the traffic class of what came and goes, its interface and our address, the size of
// the segments of a large write) in the form of Linux.

// ReadBatch reads at least one datagram and at most as many as there are messages. With
// MSG_DONTWAIT it does not wait.
func (p *PacketConn) ReadBatch(ms []ipv4.Message, flags int) (n int, err error) {
	p.rmu.Lock()
	defer p.rmu.Unlock()
	for i := range ms {
		o, b, d, ok := p.poll()
		if !ok {
			if i > 0 {
				break
			}
			if flags&unix.MSG_DONTWAIT != 0 {
				return 0, p.opError("read", syscall.EAGAIN)
			}
			if o, b, d, err = p.next(); err != nil {
				return 0, p.opError("read", err)
			}
		} else if i == 0 {
			if err := p.trouble(&p.rd); err != nil {
				return 0, p.opError("read", err)
			}
		}
		m := &ms[i]
		m.N, m.Flags = 0, 0
		for _, to := range m.Buffers {
			m.N += copy(to, b[m.N:])
		}
		if m.N < len(b) {
			m.Flags |= unix.MSG_TRUNC
		}
		m.NN = len(p.control(m.OOB[:0:len(m.OOB)], d))
		m.Addr = sameAddr(m.Addr, p.from(d))
		p.done(o, d)
		n++
	}
	return n, nil
}

// sameAddr is a as package net has it: old when it says the same, which saves making one
// for each datagram.
func sameAddr(old net.Addr, a netip.AddrPort) net.Addr {
	if u, ok := old.(*net.UDPAddr); ok && u != nil && u.AddrPort() == a {
		return u
	}
	return net.UDPAddrFromAddrPort(a)
}

// WriteBatch sends datagrams and returns how many; it waits for room.
func (p *PacketConn) WriteBatch(ms []ipv4.Message, flags int) (n int, err error) {
	p.wmu.Lock()
	defer p.wmu.Unlock()
	var o *port
	for i := range ms {
		m := &ms[i]
		var d packet
		if err = d.parse(m.OOB); err != nil {
			break
		}
		if m.Addr != nil {
			if d.remote, _ = addrPort(m.Addr); p.connected() {
				err = net.ErrWriteToConnected
				break
			}
		}
		b := m.Buffers[0]
		for _, more := range m.Buffers[1:] { // rare
			b = append(b[:len(b):len(b)], more...)
		}
		to, perr := p.put(b, &d)
		if perr != nil {
			err = perr
			break
		}
		if o != nil && to != o {
			o.kick()
		}
		o = to
		m.N = len(b)
		n++
	}
	if o != nil {
		o.kick()
	}
	if n == 0 && err != nil {
		return 0, p.opError("write", err)
	}
	return n, nil
}

// ReadMsgUDP reads a datagram and its control messages.
func (p *PacketConn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, oobn, flags, from, err := p.ReadMsgUDPAddrPort(b, oob)
	if err == nil {
		addr = net.UDPAddrFromAddrPort(from)
	}
	return n, oobn, flags, addr, err
}

// ReadMsgUDPAddrPort is ReadMsgUDP without an allocation.
func (p *PacketConn) ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, from netip.AddrPort, err error) {
	p.rmu.Lock()
	defer p.rmu.Unlock()
	o, data, d, err := p.next()
	if err != nil {
		return 0, 0, 0, from, p.opError("read", err)
	}
	if n = copy(b, data); n < len(data) {
		flags |= unix.MSG_TRUNC
	}
	oobn, from = len(p.control(oob[:0:len(oob)], d)), p.from(d)
	p.done(o, d)
	return n, oobn, flags, from, nil
}

// WriteMsgUDP sends b with control messages: several datagrams with UDP_SEGMENT.
func (p *PacketConn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	var to netip.AddrPort
	if addr != nil {
		to, _ = addrPort(addr)
	}
	return p.WriteMsgUDPAddrPort(b, oob, to)
}

// WriteMsgUDPAddrPort is WriteMsgUDP without an allocation.
func (p *PacketConn) WriteMsgUDPAddrPort(b, oob []byte, to netip.AddrPort) (n, oobn int, err error) {
	if p.connected() && to.IsValid() {
		return 0, 0, p.opError("write", net.ErrWriteToConnected)
	}
	d := packet{remote: to}
	if err := d.parse(oob); err != nil {
		return 0, 0, p.opError("write", err)
	}
	n, err = p.write(b, &d)
	if err == nil {
		oobn = len(oob)
	}
	return n, oobn, err
}

// SetReadBuffer and SetWriteBuffer are there for those who call them: the sizes are
// those of the session's FIFOs, see Config.
func (p *PacketConn) SetReadBuffer(int) error  { return nil }
func (p *PacketConn) SetWriteBuffer(int) error { return nil }

// SyscallConn is there for those who set socket options: there is no descriptor, and
// nothing to set.
func (p *PacketConn) SyscallConn() (syscall.RawConn, error) { return rawConn{}, nil }

type rawConn struct{}

func (rawConn) Control(func(fd uintptr)) error    { return nil }
func (rawConn) Read(func(fd uintptr) bool) error  { return syscall.ENOTSUP }
func (rawConn) Write(func(fd uintptr) bool) error { return syscall.ENOTSUP }

// Control messages: struct cmsghdr (length, level, type), data, padding to 8 bytes.
const (
	cmsgHead   = unix.SizeofCmsghdr
	maxControl = 2*cmsgHead + 8 + 24
	udpSegment = 103 // UDP_SEGMENT
)

// control appends the control messages of a received datagram, as far as they fit.
func (p *PacketConn) control(oob []byte, d *packet) []byte {
	local := d.local.Addr()
	if p.from(d).Addr().Is4() {
		oob = appendControl(oob, unix.IPPROTO_IP, unix.IP_TOS, []byte{d.tos})
		if local.Is4() {
			var info [12]byte // struct in_pktinfo
			binary.NativeEndian.PutUint32(info[0:], d.iface)
			a := local.As4()
			copy(info[4:], a[:])
			copy(info[8:], a[:])
			oob = appendControl(oob, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:])
		}
		return oob
	}
	var class [4]byte
	binary.NativeEndian.PutUint32(class[:], uint32(d.tos))
	oob = appendControl(oob, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, class[:])
	if local.Is6() {
		var info [20]byte // struct in6_pktinfo
		a := local.As16()
		copy(info[:], a[:])
		binary.NativeEndian.PutUint32(info[16:], d.iface)
		oob = appendControl(oob, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:])
	}
	return oob
}

func align8(n int) int { return (n + 7) &^ 7 }

func appendControl(oob []byte, level, typ int32, data []byte) []byte {
	n := len(oob)
	if n+align8(cmsgHead+len(data)) > cap(oob) {
		return oob
	}
	oob = oob[:n+align8(cmsgHead+len(data))]
	h := oob[n:]
	clear(h)
	binary.NativeEndian.PutUint64(h[0:], uint64(cmsgHead+len(data)))
	binary.NativeEndian.PutUint32(h[8:], uint32(level))
	binary.NativeEndian.PutUint32(h[12:], uint32(typ))
	copy(h[cmsgHead:], data)
	return oob
}

// parse takes over what the control messages of a datagram to be sent ask for. Those
// that are not known are an error, as in the kernel.
func (d *packet) parse(oob []byte) error {
	for len(oob) >= cmsgHead {
		n := binary.NativeEndian.Uint64(oob)
		if n < cmsgHead || n > uint64(len(oob)) {
			return syscall.EINVAL
		}
		level := int(binary.NativeEndian.Uint32(oob[8:]))
		typ := int(binary.NativeEndian.Uint32(oob[12:]))
		data := oob[cmsgHead:n]
		switch {
		case level == unix.IPPROTO_UDP && typ == udpSegment && len(data) >= 2:
			d.segment = int(binary.NativeEndian.Uint16(data))
		case level == unix.IPPROTO_IP && typ == unix.IP_TOS && len(data) >= 1:
			d.tos = data[0] // the low byte, of one or of four
		case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_TCLASS && len(data) >= 4:
			d.tos = uint8(binary.NativeEndian.Uint32(data))
		case level == unix.IPPROTO_IP && typ == unix.IP_PKTINFO && len(data) >= 12:
			d.iface = binary.NativeEndian.Uint32(data)
			d.local = source(netip.AddrFrom4([4]byte(data[4:8])))
		case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_PKTINFO && len(data) >= 20:
			d.local = source(netip.AddrFrom16([16]byte(data[:16])))
			d.iface = binary.NativeEndian.Uint32(data[16:])
		default:
			return syscall.EINVAL
		}
		oob = oob[min(align8(int(n)), len(oob)):]
	}
	return nil
}

// source is the address to send from, not valid for any.
func source(a netip.Addr) netip.AddrPort {
	if a.IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, 0)
}

// nothing is what has a worker tell that it has made a Step.
func nothing(*worker.Worker) {}
