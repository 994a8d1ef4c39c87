package simtest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/mem"
	"vpphost/dataplane/pkt"
	"vpphost/hoststack/session"
	"vpphost/hoststack/tcp"
)

// ScriptHost is one Host for packet scripts (hoststack/tcp/pkt): the far end of its wire
// is the script itself. Settings of scripts are:
//
//	mtu N           of the interface
//	rx N, tx N      bytes of the application's FIFOs
//	tcp KEY VALUE   a setting of startup.conf's tcp section, of those in Options.set
//
// and actions:
//
//	listen                     on script.ListenPort
//	connect                    to the peer
//	connected [why]            the active open has ended: well, or with that error
//	accept [[n]]               a session with the peer's connection n was accepted
//	write N, read N            N bytes, all at once; what is read is compared
//	available N                that many bytes wait to be read, no more
//	shutdown, close, reset     end our direction, both, at once
//	open                       the session has not ended
//	closed                     the peer has closed its side
//	gone [why]                 the session has ended, and how
//	state NAME                 of the connection: ESTABLISHED
//
// where "[n]" after the action means another connection than the first, and why is one
// of reset, refused, timeout, aborted, noroute.
type ScriptHost struct {
	V6 bool

	world *World
	host  *Host
	end   *sim.End
	pool  pkt.Pool
	mac   hdr.MAC // of the stack

	options       Options
	smallSYN      bool
	local, remote netip.Addr
	app           scriptApp
	handle        *session.AppHandle
	out           []outPacket
	burst         []*pkt.Buf
}

type outPacket struct {
	at int64
	b  []byte
}

// peerMAC is the script's Ethernet address.
var peerMAC = hdr.MAC{0x02, 0, 0, 0, 0, 2}

// Set takes a setting of a script.
func (h *ScriptHost) Set(name, value string) error {
	n, err := strconv.Atoi(value)
	switch name {
	case "mtu":
		h.options.MTU = n
	case "rx":
		h.options.RxFIFO = uint32(n)
	case "tx":
		h.options.TxFIFO = uint32(n)
	case "tcp":
		key, v, _ := strings.Cut(value, " ")
		h.smallSYN = h.smallSYN || key == "min-rx-fifo"
		return h.options.set(key, strings.TrimSpace(v))
	default:
		return fmt.Errorf("unknown setting %q", name)
	}
	return err
}

// Start builds the host.
func (h *ScriptHost) Start() (local, peer netip.Addr, err error) {
	if h.options.RxFIFO == 0 {
		h.options.RxFIFO = 128 << 10
	}
	if !h.smallSYN {
		// The SYN offers what the FIFO holds: no window update follows the handshake.
		h.options.change(func(c *tcp.Config) { c.MinRxFIFO = h.options.RxFIFO })
	}
	h.world = NewWorld(1)
	h.world.also = h.receive
	if h.host, err = h.world.NewHost("stack", h.options); err != nil {
		return local, peer, err
	}
	if h.pool, err = takePool(1024, pkt.DefaultRoom, false); err != nil {
		return local, peer, err
	}
	if h.burst, err = mem.Slice[*pkt.Buf](pkt.MaxBurst); err != nil {
		return local, peer, err
	}
	mtu := h.options.MTU
	if mtu == 0 {
		mtu = 1500
	}
	if h.V6 {
		mtu += hdr.IP6Len - hdr.IP4Len // so that scripts see the same MSS
	}
	c := sim.Config{MTU: mtu}
	c.Pools[0], c.Pools[1] = h.host.Pool, h.pool
	wire, err := h.world.Net.NewWire(c)
	if err != nil {
		return local, peer, err
	}
	h.end = wire.End(1)
	if err := h.host.attach(wire.End(0), 0, 1, mtu); err != nil {
		return local, peer, err
	}
	h.mac = wire.End(0).MAC()
	h.local, h.remote = Addr4(0, 1), Addr4(0, 2)
	if h.V6 {
		h.local, h.remote = Addr6(0, 1), Addr6(0, 2)
	}
	h.app.ends = map[uint16]*scriptEnd{}
	h.handle, err = h.host.Sessions.Attach("script", &h.app, session.Options{RxFIFO: h.options.RxFIFO, TxFIFO: h.options.TxFIFO})
	return h.local, h.remote, err
}

// Now is the time since the start, ns.
func (h *ScriptHost) Now() int64 { return h.world.Now() - Start }

// Inject puts a packet on the wire.
func (h *ScriptHost) Inject(packet []byte) {
	t := hdr.EtherIP4
	if packet[0]>>4 == 6 {
		t = hdr.EtherIP6
	}
	h.transmit(h.mac, t, packet)
}

func (h *ScriptHost) transmit(to hdr.MAC, t hdr.EtherType, payload []byte) {
	if h.pool.Alloc(h.burst[:1]) != 1 {
		panic("simtest: the script's pool is empty")
	}
	b := h.burst[0]
	hdr.Ether(b.Append(hdr.EtherLen)).Put(to, peerMAC, t)
	copy(b.Append(len(payload)), payload)
	if h.end.TxBurst(h.burst[:1]) != 1 {
		panic("simtest: the wire refuses a script's packet")
	}
}

// Run has the stack work until it has sent a packet or time is up.
func (h *ScriptHost) Run(until int64) ([]byte, int64) {
	if len(h.out) == 0 {
		h.world.Run(Start+until, func() bool { return len(h.out) > 0 })
	}
	if len(h.out) == 0 {
		return nil, 0
	}
	p := h.out[0]
	h.out = h.out[1:]
	return p.b, p.at
}

// receive takes what the stack has sent: neighbour discovery is answered, the rest is for
// the script.
func (h *ScriptHost) receive() {
	for {
		n := h.end.RxBurst(h.burst)
		if n == 0 {
			return
		}
		var frames [][]byte
		for _, b := range h.burst[:n] {
			frames = append(frames, append([]byte(nil), b.Data()...))
		}
		h.pool.Free(h.burst[:n])
		for _, f := range frames {
			h.frame(f)
		}
	}
}

func (h *ScriptHost) frame(f []byte) {
	eth := hdr.Ether(f)
	if !eth.Valid() {
		panic("simtest: the stack sent a short frame")
	}
	p := eth.Payload()
	switch eth.Type() {
	case hdr.EtherARP:
		h.answerARP(p)
		return
	case hdr.EtherIP6:
		if ip := hdr.IP6(p); ip.Valid() && ip.Next() == hdr.ProtoICMPv6 {
			h.answerND(ip)
			return
		}
	}
	h.out = append(h.out, outPacket{h.Now(), p})
}

// answerARP replies to a request for the peer's address (RFC 826).
func (h *ScriptHost) answerARP(p []byte) {
	if len(p) < 28 || p[7] != 1 || h.V6 || [4]byte(p[24:28]) != h.remote.As4() {
		return
	}
	reply := make([]byte, 28)
	copy(reply, p[:6])
	reply[7] = 2
	copy(reply[8:], peerMAC[:])
	copy(reply[14:], p[24:28])
	copy(reply[18:], p[8:18])
	h.transmit(hdr.MAC(p[8:14]), hdr.EtherARP, reply)
}

// answerND replies to a neighbour solicitation for the peer's address (RFC 4861 section
// 7.2.4).
func (h *ScriptHost) answerND(ip hdr.IP6) {
	m := ip.Payload()
	if len(m) < 24 || m[0] != 135 || [16]byte(m[8:24]) != h.remote.As16() {
		return
	}
	b := make([]byte, hdr.IP6Len+32)
	src, dst := hdr.AddrOf(h.remote), ip.Src()
	hdr.IP6(b).Put(&hdr.IP6Fields{PayloadLen: 32, Next: hdr.ProtoICMPv6, HopLimit: 255, Src: src, Dst: dst})
	a := b[hdr.IP6Len:]
	a[0], a[4] = 136, 0x60 // solicited, override
	copy(a[8:], src[:])
	a[24], a[25] = 2, 1 // target link-layer address
	copy(a[26:], peerMAC[:])
	sum := hdr.Checksum(a, hdr.Pseudo(&src, &dst, hdr.ProtoICMPv6).Long(uint32(len(a)))).Fold()
	a[2], a[3] = byte(sum>>8), byte(sum)
	h.transmit(h.mac, hdr.EtherIP6, b)
}

// Close ends the application and makes sure that nothing is left.
func (h *ScriptHost) Close() error {
	if h.host == nil {
		return nil
	}
	var err error
	if h.handle != nil {
		err = h.handle.Detach()
	}
	err = errors.Join(err, h.world.Close())
	if n := givePool(h.pool); n != 0 {
		err = errors.Join(err, fmt.Errorf("the script's own pool misses %d buffers", n))
	}
	return err
}
