package netconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"vpphost/hoststack/transport"
)

// Dialer opens connections, as net.Dialer does.
type Dialer struct {
	Net       *Net
	Timeout   time.Duration // of a Dial, 0: what the transport allows
	Deadline  time.Time     // zero: none
	LocalAddr net.Addr      // source to use, nil: chosen
}

// Dial opens a connection. For "udp" networks it is a *PacketConn that knows one peer.
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialContext is Dial until ctx ends; it is what http.Transport wants.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&Dialer{Net: n}).DialContext(ctx, network, address)
}

// DialTimeout is Dial with a time limit.
func (n *Net) DialTimeout(network, address string, d time.Duration) (net.Conn, error) {
	return (&Dialer{Net: n, Timeout: d}).Dial(network, address)
}

// Dial opens a connection.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext opens a connection; when ctx ends before that, it is given up. The
// addresses of a name are tried one after the other. All errors are *net.OpError.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	if !d.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, d.Deadline)
		defer cancel()
	}
	p, list, err := d.Net.resolve(ctx, network, address)
	if err != nil {
		return nil, opError("dial", network, nil, nil, err)
	}
	var first error
	for _, a := range list {
		c, err := d.dialOne(ctx, p, a)
		if err == nil {
			return c, nil
		}
		err = opError("dial", network, d.LocalAddr, addrOf(p, a), err)
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func (d *Dialer) dialOne(ctx context.Context, p transport.Proto, a netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ep := transport.Endpoint{Addr: a}
	if a.Port() == 0 {
		return nil, &failure{"connect", transport.ErrBadAddress}
	}
	if a.Addr().IsUnspecified() { // as the kernel has it: this host
		if ep.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()); a.Addr().Is6() {
			ep.Addr = netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
		}
	}
	if d.LocalAddr != nil {
		local, ok := addrPort(d.LocalAddr)
		if !ok {
			return nil, &net.AddrError{Err: "mismatched local address type", Addr: d.LocalAddr.String()}
		}
		ep.Local = local
	}
	if p == transport.UDP {
		return d.Net.dialDatagrams(ctx, ep)
	}
	c, err := d.Net.newConn(d.Net.bridge(), p)
	if err != nil {
		return nil, err
	}
	c.target = ep
	c.ask(wantOpen)
	for {
		switch {
		case c.status.Load() == statusOpen:
			d.Net.counts.dialed.Add(1)
			return c, nil
		case c.down.Load():
			return nil, net.ErrClosed
		case c.status.Load() == statusGone:
			if c.localAddr.IsValid() { // it was open; what has ended it is for Read to tell
				d.Net.counts.dialed.Add(1)
				return c, nil
			}
			c.giveUp()
			if errors.Is(c.why, transport.ErrAborted) && d.Net.down.Load() {
				return nil, net.ErrClosed
			}
			return nil, &failure{"connect", c.why}
		case ctx.Err() != nil:
			c.giveUp()
			return nil, ctx.Err()
		}
		select {
		case <-c.rd.note.C:
		case <-ctx.Done():
		}
	}
}

// giveUp ends a connection that nobody has got.
func (c *Conn) giveUp() {
	c.closed.Store(true)
	c.ask(wantCancel)
}
