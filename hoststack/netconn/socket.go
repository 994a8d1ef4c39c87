package netconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vpphost/hoststack/datagram"
	"vpphost/hoststack/transport"
)

// PacketConn is a UDP socket. As a net.PacketConn (ListenPacket) it talks to everybody; as
// a net.Conn (Dial) to one peer. All methods may be called by several goroutines at the
// same time.
type PacketConn struct {
	n       *Net
	network string
	options datagram.Options
	local   netip.AddrPort // of ListenPacket; of Dial what was asked for
	remote  netip.AddrPort // of Dial
	ports   []*port

	rmu sync.Mutex // of the goroutine that reads
	rd  waiter
	at  int // port whose turn it is

	wmu sync.Mutex // of the goroutine that writes
	wr  waiter

	closed, down atomic.Bool
}

var (
	_ net.PacketConn = (*PacketConn)(nil)
	_ net.Conn       = (*PacketConn)(nil)
)

// Sizes of the queues between goroutine and worker, each way: of sockets that talk to
// everybody, and of those that talk to one.
const (
	boundSlots, boundBytes = 1024, 1 << 20
	dialSlots, dialBytes   = 128, 128 << 10
)

// ListenPacket opens a UDP socket: "udp", "udp4" or "udp6". Without a host it receives on
// all addresses, those of IPv6 for "udp6" and else those of IPv4; port 0 is a free port.
func (n *Net) ListenPacket(network, address string) (net.PacketConn, error) {
	p, err := n.ListenUDP(network, address, datagram.Options{})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ListenUDP is ListenPacket, by its own type and with options: DSCP, TTL, no fragments.
func (n *Net) ListenUDP(network, address string, o datagram.Options) (*PacketConn, error) {
	proto, list, err := n.resolve(context.Background(), network, address)
	if err == nil && proto != transport.UDP {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	o.Connectionless = true
	for try := 0; ; try++ {
		a := list[0]
		if a.Port() == 0 {
			a = netip.AddrPortFrom(a.Addr(), dynamicPort())
		}
		p, err := n.listenUDP(network, a, o)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, transport.ErrInUse) || list[0].Port() != 0 || try == maxPortTries {
			return nil, opError("listen", network, nil, udpAddr(list[0]), err)
		}
	}
}

func (n *Net) listenUDP(network string, a netip.AddrPort, o datagram.Options) (*PacketConn, error) {
	p, err := n.newSocket(network, o, n.bridges, boundSlots, boundBytes)
	if err != nil {
		return nil, err
	}
	p.local = a
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setBound(append(slices.Clone(*n.bound.Load()), p))
	if err := n.app.Listen(transport.UDP, transport.Endpoint{Addr: a, Ext: &p.options}); err != nil {
		n.unbind(p)
		delete(n.sockets, p)
		for _, o := range p.ports {
			n.table.remove(&o.entry)
		}
		return nil, &failure{"bind", err}
	}
	return p, nil
}

func (n *Net) setBound(list []*PacketConn) { n.bound.Store(&list) }

func (n *Net) unbind(p *PacketConn) {
	n.setBound(slices.DeleteFunc(slices.Clone(*n.bound.Load()), func(x *PacketConn) bool { return x == p }))
}

// newSocket makes a socket with a port on each of some workers.
func (n *Net) newSocket(network string, o datagram.Options, on []*bridge, slots, bytes int) (*PacketConn, error) {
	p := &PacketConn{n: n, network: network, options: o}
	p.rd.init()
	p.wr.init()
	for _, b := range on {
		o := &port{p: p, b: b}
		o.entry.port = o
		o.rx.init(slots, bytes)
		o.tx.init(slots, bytes)
		p.ports = append(p.ports, o)
		if !n.table.add(&o.entry) {
			for _, o := range p.ports[:len(p.ports)-1] {
				n.table.remove(&o.entry)
			}
			return nil, ErrTooMany
		}
	}
	n.mu.Lock()
	down := n.down.Load()
	if !down {
		n.sockets[p] = struct{}{}
	}
	n.mu.Unlock()
	if down {
		for _, o := range p.ports {
			n.table.remove(&o.entry)
		}
		return nil, net.ErrClosed
	}
	return p, nil
}

// dialDatagrams opens a socket that knows one peer.
func (n *Net) dialDatagrams(ctx context.Context, ep transport.Endpoint) (net.Conn, error) {
	b := n.bridge()
	p, err := n.newSocket("udp", datagram.Options{}, []*bridge{b}, dialSlots, dialBytes)
	if err != nil {
		return nil, err
	}
	p.local, p.remote = ep.Local, ep.Addr
	o := p.ports[0]
	o.ask(wantOpen)
	for {
		switch {
		case o.status.Load() == statusOpen:
			return p, nil
		case p.down.Load():
			return nil, net.ErrClosed
		case o.status.Load() == statusGone:
			err := &failure{"connect", o.why}
			_ = p.Close()
			return nil, err
		case ctx.Err() != nil:
			_ = p.Close()
			return nil, ctx.Err()
		}
		select {
		case <-p.rd.note.C:
		case <-ctx.Done():
		}
	}
}

// connected tells whether p knows one peer.
func (p *PacketConn) connected() bool { return p.remote.IsValid() }

// endpoint is what a connected socket's session is opened with: the same source again
// when it is not the first time.
func (p *PacketConn) endpoint() transport.Endpoint {
	ep := transport.Endpoint{Addr: p.remote, Local: p.local, Ext: &p.options}
	if o := p.ports[0]; o.local.IsValid() {
		ep.Local = o.local
	}
	return ep
}

// LocalAddr is our end.
func (p *PacketConn) LocalAddr() net.Addr {
	if o := p.ports[0]; p.connected() && o.status.Load() != statusNew {
		return udpAddr(o.local)
	}
	return udpAddr(p.local)
}

// RemoteAddr is the peer of a connected socket, nil of another.
func (p *PacketConn) RemoteAddr() net.Addr {
	if !p.connected() {
		return nil
	}
	return udpAddr(p.remote)
}

// opError words an error of p.
func (p *PacketConn) opError(op string, err error) error {
	return opError(op, p.network, p.LocalAddr(), p.RemoteAddr(), err)
}

// trouble is why p can do nothing: closed, or an error of the network, once.
func (p *PacketConn) trouble(w *waiter) error {
	switch {
	case p.closed.Load() || p.down.Load():
		return net.ErrClosed
	case w.expired.Load():
		return errDeadline
	}
	if o := p.ports[0]; p.connected() && o.status.Load() == statusGone && o.rx.len() == 0 {
		if err := o.why; o.status.CompareAndSwap(statusGone, statusTold) && err != nil {
			return &failure{"recvfrom", err}
		}
	}
	return nil
}

// next waits for a datagram. Under rmu. It is good until done.
func (p *PacketConn) next() (o *port, b []byte, d *packet, err error) {
	for armed := false; ; {
		if err := p.trouble(&p.rd); err != nil {
			return nil, nil, nil, err
		}
		if o, b, d, ok := p.poll(); ok {
			return o, b, d, nil
		}
		if !armed {
			p.rd.arm()
			armed = true
			continue
		}
		<-p.rd.note.C
		armed = false
	}
}

// poll is next without waiting.
func (p *PacketConn) poll() (o *port, b []byte, d *packet, ok bool) {
	for range p.ports {
		o = p.ports[p.at]
		if b, d, ok = o.rx.first(); ok {
			return o, b, d, true
		}
		if p.at++; p.at == len(p.ports) {
			p.at = 0
		}
	}
	return nil, nil, nil, false
}

// done drops what next has given.
func (p *PacketConn) done(o *port, d *packet) {
	o.rx.drop(d)
	if o.more.Load() && o.rx.half() {
		o.kick()
	}
	if len(p.ports) > 1 && d.end%64 == 0 {
		p.at = (p.at + 1) % len(p.ports) // one busy worker does not starve the others
	}
}

// ReadFromUDPAddrPort reads a datagram, of which it cuts off what does not fit.
func (p *PacketConn) ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	p.rmu.Lock()
	defer p.rmu.Unlock()
	o, data, d, err := p.next()
	if err != nil {
		return 0, from, p.opError("read", err)
	}
	n, from = copy(b, data), p.from(d)
	p.done(o, d)
	return n, from, nil
}

// from is who has sent d.
func (p *PacketConn) from(d *packet) netip.AddrPort {
	if p.connected() {
		return p.remote
	}
	return d.remote
}

// ReadFrom reads a datagram.
func (p *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// Read reads a datagram.
func (p *PacketConn) Read(b []byte) (int, error) {
	n, _, err := p.ReadFromUDPAddrPort(b)
	return n, err
}

// WriteToUDPAddrPort sends a datagram.
func (p *PacketConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if p.connected() {
		return 0, p.opError("write", net.ErrWriteToConnected)
	}
	return p.write(b, &packet{remote: to})
}

// WriteTo sends a datagram.
func (p *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := addrPort(to)
	if _, udp := to.(*net.UDPAddr); !ok || !udp {
		return 0, p.opError("write", syscall.EINVAL)
	}
	return p.WriteToUDPAddrPort(b, a)
}

// Write sends a datagram to the peer of a connected socket.
func (p *PacketConn) Write(b []byte) (int, error) {
	if !p.connected() {
		return 0, p.opError("write", syscall.EDESTADDRREQ)
	}
	return p.write(b, &packet{})
}

// write sends b as like says.
func (p *PacketConn) write(b []byte, like *packet) (int, error) {
	p.wmu.Lock()
	defer p.wmu.Unlock()
	o, err := p.put(b, like)
	if err != nil {
		return 0, p.opError("write", err)
	}
	o.kick()
	return len(b), nil
}

// put queues a datagram, when there is room; the port must be kicked. Under wmu.
func (p *PacketConn) put(b []byte, like *packet) (*port, error) {
	o := p.ports[0]
	remote := p.remote
	if !p.connected() {
		remote = like.remote
		if a := remote.Addr().Unmap(); !a.IsValid() || a.IsUnspecified() || remote.Port() == 0 {
			return nil, syscall.EINVAL
		} else if a.Is4() != p.local.Addr().Unmap().Is4() {
			return nil, syscall.EAFNOSUPPORT
		} else if remote = netip.AddrPortFrom(a, remote.Port()); len(p.ports) > 1 {
			o = p.ports[int(remote.Port())%len(p.ports)] // one flow, one order
		}
	}
	most := datagram.MaxLen
	if remote.Addr().Is6() {
		most = datagram.MaxLen6
	}
	size := len(b)
	if like.segment > 0 {
		size = min(size, like.segment)
	}
	if whole := int(o.whole.Load()); p.options.DontFragment && whole > 0 && size > whole || len(b) > most {
		return nil, syscall.EMSGSIZE
	}
	for armed := false; ; {
		if err := p.trouble(&p.wr); err != nil {
			return nil, err
		}
		if to, d, ok := o.tx.reserve(len(b)); ok {
			copy(to, b)
			d.segment, d.tos, d.iface = like.segment, like.tos, like.iface
			if !p.connected() {
				d.remote, d.local = remote, like.local
			}
			o.tx.commit(d)
			break
		}
		if !armed {
			p.wr.arm()
			armed = true
			o.kick()
			continue
		}
		<-p.wr.note.C
		armed = false
	}
	if o.status.CompareAndSwap(statusTold, statusNew) {
		o.want.Or(wantOpen)
	}
	return o, nil
}

// SetDeadline sets when reads and writes end with os.ErrDeadlineExceeded.
func (p *PacketConn) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline sets that of reads.
func (p *PacketConn) SetReadDeadline(t time.Time) error {
	if p.closed.Load() {
		return p.opError("set", net.ErrClosed)
	}
	p.rd.setDeadline(t)
	return nil
}

// SetWriteDeadline sets that of writes.
func (p *PacketConn) SetWriteDeadline(t time.Time) error {
	if p.closed.Load() {
		return p.opError("set", net.ErrClosed)
	}
	p.wr.setDeadline(t)
	return nil
}

// Close ends the socket. What was written is sent.
func (p *PacketConn) Close() error {
	if p.closed.Swap(true) {
		return p.opError("close", net.ErrClosed)
	}
	p.rd.wake()
	p.wr.wake()
	p.rd.end()
	p.wr.end()
	n := p.n
	var err error
	for _, o := range p.ports {
		o.ask(wantClose)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sockets, p)
	if !p.connected() && !n.down.Load() {
		for _, o := range p.ports { // what was written goes before the end
			_ = o.b.w.Do(nothing)
		}
		err = n.app.Unlisten(transport.UDP, transport.Endpoint{Addr: p.local})
		n.unbind(p)
	}
	if err != nil {
		return p.opError("close", err)
	}
	return nil
}

// shut ends p when the Net has ended.
func (p *PacketConn) shut() {
	p.down.Store(true)
	p.rd.wake()
	p.wr.wake()
	p.rd.end()
	p.wr.end()
}
