package memif

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// bell is a descriptor that becomes readable when the peer has signalled a receive
// queue. It is an epoll set, which stays the same while connections come and go with
// an eventfd each, and in which there is an eventfd of ours to say that there is a new
// connection: a slave must then poll once to give the master buffers to fill.
type bell struct {
	epfd  int
	news  int // our eventfd
	rung  atomic.Bool
	owned int // our duplicate of the connection's eventfd, -1 for none
}

func newBell() (*bell, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	news, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(ep)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	b := &bell{epfd: ep, news: news, owned: -1}
	if err := b.watch(news); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bell) watch(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(b.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// hang watches the eventfd of a connection. It is duplicated because the driver closes
// its own when it likes, while the peer's copy would keep it in the set.
func (b *bell) hang(fd int) bool {
	if fd < 0 {
		return false
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return false
	}
	// The peer may have made it; a blocking one must not stop the worker.
	_ = unix.SetNonblock(own, true)
	if b.watch(own) != nil {
		_ = unix.Close(own)
		return false
	}
	b.owned = own
	b.ring()
	return true
}

// ring makes the descriptor readable until the next Arm.
func (b *bell) ring() {
	b.rung.Store(true)
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(b.news, one[:])
}

// heard tells whether there was news since the last call.
func (b *bell) heard() bool {
	if !b.rung.Swap(false) {
		return false
	}
	var n [8]byte
	_, _ = unix.Read(b.news, n[:])
	return true
}

// silence forgets the connection's eventfd.
func (b *bell) silence() {
	if b.owned >= 0 {
		_ = unix.EpollCtl(b.epfd, unix.EPOLL_CTL_DEL, b.owned, nil)
		_ = unix.Close(b.owned)
		b.owned = -1
	}
}

func (b *bell) close() {
	b.silence()
	_ = unix.Close(b.news)
	_ = unix.Close(b.epfd)
}

func (d *Device) hangBells() bool {
	for i, b := range d.bells {
		if !b.hang(d.guard.WakeFD(i)) {
			d.silenceBells()
			return false
		}
	}
	return true
}

func (d *Device) silenceBells() {
	for _, b := range d.bells {
		b.silence()
	}
}

func (d *Device) closeBells() {
	for _, b := range d.bells {
		b.close()
	}
}

// Arm asks the peer to make the queue's descriptor (Bells) readable when it sends next.
// It returns false when packets wait already: then the worker must poll, not sleep.
// It costs about a microsecond, on the worker.
func (q *rxQueue) Arm() bool { return !q.bell.heard() && q.q.Arm() }

// Bells are the descriptors, one for each receive queue, that become readable when
// packets come to a queue that was armed, or a peer has connected. A signal can be late
// by 100 ms in the first 100 ms of a connection.
func (d *Device) Bells() []int {
	var fds []int
	for _, b := range d.bells {
		fds = append(fds, b.epfd)
	}
	return fds
}
