package memif

import (
	"fmt"
	"math/bits"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/vdev"
	"vpphost/dataplane/dpdk"
	"vpphost/dataplane/pkt"
)

// Defaults, VPP's where it has one.
const (
	DefaultSocket   = "/run/vpp/memif.sock"
	DefaultRingSize = 1024
	maxRingSize     = 1 << 14
	maxQueues       = 255
	maxSecret       = 23
)

// Options of a memif device.
type Options struct {
	ID         uint32 // told apart by it on one socket
	SocketPath string // DefaultSocket when empty
	Master     bool   // listens; a slave connects
	RingSize   int    // descriptors of each ring, a power of two up to 16384; DefaultRingSize when 0
	// BufferSize is the largest frame of the connection in bytes, chosen by the slave;
	// 0 is what fits a packet buffer (2048 with default buffers, as in VPP).
	BufferSize int
	Secret     string  // both sides must have the same, up to 23 bytes
	MAC        [6]byte // random when all zero
	RxQ, TxQ   int     // queues, 1 when 0
}

// Device is one memif interface. It is a device.Device.
type Device struct {
	*vdev.Device
	o      Options
	guard  *dpdk.Memif
	socket *socket
	pool   *dpdk.Pool
	bells  []*bell // one a receive queue

	mu   sync.Mutex
	quit chan struct{} // closes to end the keeper, nil while stopped
	done chan struct{}
}

var _ device.Device = (*Device)(nil)

// seq numbers the driver's devices; a name is never used twice.
var seq atomic.Uint32

// complete checks o and fills in defaults.
func (o *Options) complete(pool *dpdk.Pool) error {
	if o.SocketPath == "" {
		o.SocketPath = DefaultSocket
	}
	if err := checkPath(o.SocketPath); err != nil {
		return err
	}
	if o.RingSize == 0 {
		o.RingSize = DefaultRingSize
	}
	if o.RingSize < 2 || bits.OnesCount(uint(o.RingSize)) != 1 {
		return fmt.Errorf("memif: ring size %d: ring size must be power of 2", o.RingSize)
	}
	if o.RingSize > maxRingSize {
		return fmt.Errorf("memif: ring size %d: maximum ring size is %d", o.RingSize, maxRingSize)
	}
	room := pool.Room() - pkt.Headroom
	if o.BufferSize == 0 {
		o.BufferSize = room
	}
	if o.BufferSize < 64 || o.BufferSize > 65535 {
		return fmt.Errorf("memif: buffer size %d is not between 64 and 65535", o.BufferSize)
	}
	o.RxQ, o.TxQ = max(o.RxQ, 1), max(o.TxQ, 1)
	if o.RxQ > maxQueues || o.TxQ > maxQueues {
		return fmt.Errorf("memif: %d receive and %d transmit queues: must be between 1 - %d", o.RxQ, o.TxQ, maxQueues)
	}
	if len(o.Secret) > maxSecret || strings.ContainsAny(o.Secret, ",[]\"'\\=") {
		return fmt.Errorf("memif: the secret must have at most %d bytes and none of ,[]\"'\\=", maxSecret)
	}
	return nil
}

// args are the driver's.
func (o *Options) args() string {
	a := []string{
		"role=" + map[bool]string{true: "server", false: "client"}[o.Master],
		fmt.Sprintf("id=%d", o.ID),
		"socket=" + o.SocketPath, "socket-abstract=no",
		fmt.Sprintf("bsize=%d", o.BufferSize),
		fmt.Sprintf("rsize=%d", bits.TrailingZeros(uint(o.RingSize))),
	}
	if o.Secret != "" {
		a = append(a, "secret="+o.Secret)
	}
	if o.MAC != [6]byte{} {
		a = append(a, "mac="+net.HardwareAddr(o.MAC[:]).String())
	}
	return strings.Join(a, ",")
}

// Open makes a device. A master listens from now on, but accepts a slave only after
// Start.
func Open(o Options, pool *dpdk.Pool) (*Device, error) {
	if err := o.complete(pool); err != nil {
		return nil, err
	}
	sockets.Lock()
	defer sockets.Unlock()
	s, err := claim(o.SocketPath, o.Master, o.ID)
	if err != nil {
		return nil, err
	}
	d, err := open(o, pool, s)
	if err != nil {
		s.release(o.ID)
		return nil, fmt.Errorf("memif: socket %s id %d: %w", o.SocketPath, o.ID, err)
	}
	return d, nil
}

func open(o Options, pool *dpdk.Pool, s *socket) (*Device, error) {
	port, err := dpdk.Attach(fmt.Sprintf("net_memif%d", seq.Add(1)), o.args())
	if err != nil {
		return nil, err
	}
	if o.Master && s.fd < 0 {
		s.fd = listenerFD(o.SocketPath)
	}
	frame := min(pool.Room()-pkt.Headroom, o.BufferSize)
	d := &Device{o: o, socket: s, pool: pool}
	d.Device, err = vdev.New(port, dpdk.PortConfig{RxQ: o.RxQ, TxQ: o.TxQ, Pool: pool, MaxFrame: frame})
	if err == nil {
		d.guard, err = port.Memif(dpdk.MemifConfig{ID: o.ID, Server: o.Master,
			Path: o.SocketPath, Log2Ring: bits.TrailingZeros(uint(o.RingSize)), BufferSize: o.BufferSize})
	}
	for err == nil && len(d.bells) < o.RxQ {
		var b *bell
		if b, err = newBell(); err == nil {
			d.bells = append(d.bells, b)
		}
	}
	if err != nil {
		d.closeBells()
		_ = port.Close()
		return nil, err
	}
	return d, nil
}

// Options are those the device was made with, defaults filled in.
func (d *Device) Options() Options { return d.o }

// State is the present connection.
func (d *Device) State() dpdk.MemifState { return d.guard.State() }

// Start makes the queues usable and keeps the device connected from now on.
func (d *Device) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quit != nil {
		return nil
	}
	if d.o.Master {
		if err := d.guard.Connect(maxQueues); err != nil {
			return fmt.Errorf("memif: %w", err)
		}
	}
	d.guard.Bind()
	d.quit, d.done = make(chan struct{}), make(chan struct{})
	go d.keep(d.quit, d.done)
	return nil
}

// Stop ends the connection. No worker may be in a queue call.
func (d *Device) Stop() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quit == nil {
		return nil
	}
	close(d.quit)
	<-d.done
	d.quit = nil
	d.silenceBells()
	if err := d.guard.Unbind(); err != nil {
		return fmt.Errorf("memif: %w", err)
	}
	return nil
}

// Close stops the device and removes it, and the socket with the last device on it. No
// worker may be in a queue call, then or later.
func (d *Device) Close() error {
	err := d.Stop()
	sockets.Lock()
	defer sockets.Unlock()
	if d.socket == nil {
		return err
	}
	if e := d.Device.Close(); e != nil {
		err = fmt.Errorf("memif: %w", e)
	}
	d.socket.release(d.o.ID)
	d.socket = nil
	d.closeBells()
	return err
}

// Link is up while the peer is connected.
func (d *Device) Link() device.Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quit == nil {
		return device.Link{}
	}
	return device.Link{Up: d.guard.State().Connected}
}

// SetMAC is refused: the driver cannot change the address, and needs none.
func (d *Device) SetMAC([6]byte) error {
	return fmt.Errorf("memif: set mac address: %w", device.ErrUnsupported)
}

// Details are the facts of "show memif".
func (d *Device) Details() []device.Detail {
	s := dpdk.MemifState{}
	if d.socket != nil {
		s = d.guard.State()
	}
	list := []device.Detail{
		{Name: "socket", Value: d.o.SocketPath},
		{Name: "id", Value: d.o.ID},
		{Name: "role", Value: role(d.o.Master)},
		{Name: "connected", Value: s.Connected},
		{Name: "remote-name", Value: s.RemoteName},
		{Name: "remote-interface", Value: s.RemoteIf},
		{Name: "ring-size", Value: d.o.RingSize},
		{Name: "buffer-size", Value: d.o.BufferSize},
		{Name: "num-s2m-rings", Value: s.C2S},
		{Name: "num-m2s-rings", Value: s.S2C},
		{Name: "num-regions", Value: s.Regions},
	}
	if s.Connected {
		list[6].Value, list[7].Value = s.RingSize, s.BufferSize
	}
	if s.LocalReason != "" {
		list = append(list, device.Detail{Name: "local-disc-reason", Value: s.LocalReason})
	}
	if s.RemoteReason != "" {
		list = append(list, device.Detail{Name: "remote-disc-reason", Value: s.RemoteReason})
	}
	return append(list, d.Drops()...)
}
