package dpdk

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"os"
	"time"
	"unsafe"
)

// MemifConfig repeats what a memif port was created with, to recognise the driver's
// private data by.
type MemifConfig struct {
	ID         uint32
	Server     bool // listens; VPP's master
	Path       string
	Log2Ring   int
	BufferSize int
}

// Memif is the part of a memif port that other ports have not.
type Memif struct {
	port   *Port
	c      *C.struct_dp_memif
	server bool
}

// MemifState is the present connection of a memif port.
type MemifState struct {
	Connected, Connecting bool
	RingSize, BufferSize  int    // of the connection
	C2S, S2C              int    // rings from client to server and back
	Regions               int    // of shared memory
	RemoteName, RemoteIf  string // what the peer calls itself and its interface
	LocalReason           string // why we disconnected last
	RemoteReason          string // why the peer did
}

// Memif gives a configured port of the memif driver a data path that is safe while peers
// come and go, whatever they write. It must be called before Start, and fails when the driver is not the one of
// DPDK 22.11 that memif.c knows.
func (p *Port) Memif(c MemifConfig) (*Memif, error) {
	name, path := C.CString(p.name), C.CString(c.Path)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(path))
	m := C.dp_memif_new(name, C.uint32_t(c.ID), C.bool(c.Server), path,
		C.uint32_t(c.Log2Ring), C.uint32_t(c.BufferSize), C.uint32_t(len(p.rx)), C.uint32_t(len(p.tx)))
	if m == nil {
		return nil, fmt.Errorf("dpdk: %s: this memif driver (%s) is not the one known to be safe", p.name, Version())
	}
	p.memif = &Memif{port: p, c: m, server: c.Server}
	return p.memif, nil
}

// Connect lets a server accept its client, or a client connect to its server. A client
// whose server is not there fails and may try again; workers may poll the queues all
// the while. A client uses at most so many queues of each direction; the others then have
// no ring.
func (m *Memif) Connect(queues int) error {
	control.Lock()
	defer control.Unlock()
	p := m.port
	if p.started {
		if err := m.hangup(); err != nil {
			return err
		}
		if err := p.stop(); err != nil {
			return err
		}
	}
	if !m.server {
		C.dp_memif_limit(m.c, C.uint32_t(min(queues, len(p.tx))), C.uint32_t(min(queues, len(p.rx))))
	}
	if r := C.dp_memif_start(p.id); r != 0 {
		return p.fail("connect", r, nil)
	}
	p.started = true
	return nil
}

// Bind makes the queues usable, connected or not.
func (m *Memif) Bind() {
	control.Lock()
	defer control.Unlock()
	for _, q := range m.port.rx {
		q.bind(m.port)
	}
	for _, q := range m.port.tx {
		q.bind(m.port)
	}
}

// Unbind is the opposite of Bind, and ends the connection. No worker may be in a
// queue.
func (m *Memif) Unbind() error {
	control.Lock()
	defer control.Unlock()
	p := m.port
	for _, q := range p.rx {
		C.dp_rxq_unbind(q.c)
	}
	for _, q := range p.tx {
		C.dp_txq_unbind(q.c)
	}
	if !p.started {
		return nil
	}
	C.dp_memif_refuse(m.c)
	if err := m.hangup(); err != nil {
		return err
	}
	return p.stop()
}

// hangup ends a connection and waits until the driver has cleaned up behind it.
func (m *Memif) hangup() error {
	C.dp_memif_hangup(m.c)
	for end := time.Now().Add(3 * time.Second); !bool(C.dp_memif_idle(m.c)); time.Sleep(time.Millisecond / 2) {
		if time.Now().After(end) {
			return fmt.Errorf("dpdk: disconnect %s: %w", m.port.name, os.ErrDeadlineExceeded)
		}
	}
	return nil
}

// Idle tells whether there is neither a connection nor one in the making.
func (m *Memif) Idle() bool { return bool(C.dp_memif_idle(m.c)) }

// State reads the connection.
func (m *Memif) State() MemifState {
	var s C.struct_dp_memif_state
	C.dp_memif_state(m.c, &s)
	return MemifState{
		Connected: bool(s.connected), Connecting: bool(s.connecting),
		RingSize: int(s.ring_size), BufferSize: int(s.buffer_size),
		C2S: int(s.c2s), S2C: int(s.s2c), Regions: int(s.regions),
		RemoteName: C.GoString(&s.remote_name[0]), RemoteIf: C.GoString(&s.remote_if[0]),
		LocalReason: C.GoString(&s.local_reason[0]), RemoteReason: C.GoString(&s.remote_reason[0]),
	}
}

// Connection is a number that the present connection has and the next one has not; 0 when
// there is none. It may take a moment while workers are busy with the port, and !ok says
// that it took too long.
func (m *Memif) Connection() (n uint64, ok bool) {
	n = uint64(C.dp_memif_connection(m.c))
	return n, n != math.MaxUint64
}

// WakeFD is the descriptor that the peer signals on queue i in the present connection
// after RxQueue.Arm, or -1. The driver closes it when the connection ends.
func (m *Memif) WakeFD(i int) int {
	q := m.port.rx[i]
	if !q.memif {
		return -1
	}
	return int(C.dp_memif_wake_fd(m.c, q.c))
}

func (m *Memif) free(p *Port) {
	if m == nil {
		return
	}
	C.dp_memif_free(m.c)
	m.c = nil
}
