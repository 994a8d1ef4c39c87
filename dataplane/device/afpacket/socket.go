package afpacket

import (
	"fmt"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpphost/dataplane/device/netdev"
)

const (
	// bytesPerFrame is the room that a waiting packet gets in the kernel: one of 64 kB
	// every four, or many small ones.
	bytesPerFrame = 16 << 10
	// sendBuffer is how many bytes may be under way in the kernel. Over veth it is
	// empty between two bursts.
	sendBuffer = 16 << 20
)

// openSocket makes the socket of one pair of queues. fanout is nil for a device with one
// pair; else it is -1 for the first pair and what that made of it for the others.
func openSocket(l *netdev.Link, o *Options, fanout *int) (fd int, err error) {
	// Without a protocol: it hears nothing until it is bound.
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	// As much as we may have: the limits of rmem_max and wmem_max take net_admin to pass.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.Frames*bytesPerFrame) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.Frames*bytesPerFrame)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
	if !o.QueueingDiscipline {
		// It delays, and its drops are not seen.
		_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	}
	// Not what the kernel itself sends (Linux 4.20).
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	// A gso.Header in front of each packet, both ways.
	if err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return -1, fmt.Errorf("packet socket: virtio-net header: %w", err)
	}
	// The VLAN tag, which is not in the packet.
	if err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return -1, fmt.Errorf("packet socket: auxiliary data: %w", err)
	}
	at := &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(unix.ETH_P_ALL), Ifindex: l.Index}
	if err = unix.Bind(fd, at); err != nil {
		return -1, fmt.Errorf("bind packet socket: %w", err)
	}
	all := &unix.PacketMreq{Ifindex: int32(l.Index), Type: unix.PACKET_MR_PROMISC}
	if err = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, all); err != nil {
		return -1, fmt.Errorf("packet socket: promiscuous mode: %w", err)
	}
	if fanout != nil {
		if err = joinFanout(fd, fanout); err != nil {
			return -1, fmt.Errorf("packet socket: fanout: %w", err)
		}
	}
	return fd, nil
}

// joinFanout has the kernel deal out flows by their hash among the sockets of a group.
// The first of a group has the kernel choose its number.
func joinFanout(fd int, group *int) error {
	how := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_ROLLOVER | unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	if *group < 0 {
		how |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, how<<16|max(*group, 0)&0xffff); err != nil {
		return err
	}
	v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	*group = v & 0xffff
	return err
}

// message is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type message struct {
	unix.Msghdr
	n uint32 // bytes that came or went
	_ uint32
}

const _ = -(64 - unsafe.Sizeof(message{})) // as the kernel has it on 64-bit machines

// The calls below never wait, so that the Go scheduler need not know of them.

func recvmmsg(fd int, m []message) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(m))),
		uintptr(len(m)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

func sendmmsg(fd int, m []message) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(m))),
		uintptr(len(m)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}
