package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNoInterface is returned when the kernel knows no interface of a name.
var ErrNoInterface = errors.New("no such kernel interface")

// Link is a kernel interface as it was when asked.
type Link struct {
	Index   int
	Name    string
	MAC     [6]byte
	MTU     int
	Up      bool // administratively
	Running bool // has a carrier
	Promisc bool
	Kind    string // veth, bridge, tun, …; empty for a physical one
	// Peer is the index of the other end of a veth; PeerAway tells that the other end
	// lives in another namespace, where the index counts.
	Peer     int
	PeerAway bool
}

// Find looks an interface up by name.
func Find(name string) (*Link, error) {
	if name == "" || len(name) >= unix.IFNAMSIZ {
		return nil, fmt.Errorf("%w: %q", ErrNoInterface, name)
	}
	r := newRequest(unix.RTM_GETLINK, 0, bytesOf(&unix.IfInfomsg{Family: unix.AF_UNSPEC}))
	return getLink(r.attr(unix.IFLA_IFNAME, append([]byte(name), 0)), name)
}

// FindIndex looks an interface up by index.
func FindIndex(index int) (*Link, error) {
	r := newRequest(unix.RTM_GETLINK, 0, bytesOf(&unix.IfInfomsg{Family: unix.AF_UNSPEC, Index: int32(index)}))
	return getLink(r, fmt.Sprintf("index %d", index))
}

func getLink(r *request, what string) (*Link, error) {
	answers, err := r.do()
	if errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("%w: %s", ErrNoInterface, what)
	}
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", what, err)
	}
	if len(answers) != 1 {
		return nil, fmt.Errorf("interface %s: %d answers", what, len(answers))
	}
	return parseLink(answers[0])
}

func parseLink(b []byte) (*Link, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return nil, errors.New("rtnetlink: malformed answer")
	}
	flags := binary.NativeEndian.Uint32(b[8:])
	l := &Link{Index: int(int32(binary.NativeEndian.Uint32(b[4:]))),
		Up: flags&unix.IFF_UP != 0, Running: flags&unix.IFF_RUNNING != 0}
	attrs(b[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch {
		case kind == unix.IFLA_IFNAME:
			l.Name = text(v)
		case kind == unix.IFLA_ADDRESS && len(v) == 6:
			l.MAC = [6]byte(v)
		case kind == unix.IFLA_MTU && len(v) >= 4:
			l.MTU = int(binary.NativeEndian.Uint32(v))
		case kind == unix.IFLA_LINK && len(v) >= 4:
			l.Peer = int(int32(binary.NativeEndian.Uint32(v)))
		case kind == unix.IFLA_LINK_NETNSID:
			l.PeerAway = true
		case kind == unix.IFLA_PROMISCUITY && len(v) >= 4:
			l.Promisc = binary.NativeEndian.Uint32(v) != 0
		case kind == unix.IFLA_LINKINFO:
			attrs(v, func(k uint16, v []byte) {
				if k == unix.IFLA_INFO_KIND {
					l.Kind = text(v)
				}
			})
		}
	})
	return l, nil
}

func text(v []byte) string {
	s, _, _ := strings.Cut(string(v), "\x00")
	return s
}

func (l *Link) change(what string, m unix.IfInfomsg, kind uint16, value []byte) error {
	m.Family, m.Index = unix.AF_UNSPEC, int32(l.Index)
	r := newRequest(unix.RTM_NEWLINK, 0, bytesOf(&m))
	if value != nil {
		r.attr(kind, value)
	}
	if _, err := r.do(); err != nil {
		return fmt.Errorf("interface %s: %s: %w", l.Name, what, err)
	}
	return nil
}

// SetUp brings the interface up or takes it down.
func (l *Link) SetUp(up bool) error {
	m := unix.IfInfomsg{Change: unix.IFF_UP}
	if up {
		m.Flags = unix.IFF_UP
	}
	return l.change("set state", m, 0, nil)
}

// SetMTU changes the largest IP packet, in bytes.
func (l *Link) SetMTU(mtu int) error {
	return l.change(fmt.Sprintf("set mtu %d", mtu), unix.IfInfomsg{}, unix.IFLA_MTU,
		binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
}

// SetMAC changes the address.
func (l *Link) SetMAC(mac [6]byte) error {
	return l.change("set mac address", unix.IfInfomsg{}, unix.IFLA_ADDRESS, mac[:])
}

// AddAddr gives the interface an address.
func (l *Link) AddAddr(p netip.Prefix) error {
	family := uint8(unix.AF_INET)
	flags := uint8(0)
	if p.Addr().Is6() {
		family = unix.AF_INET6
		flags = unix.IFA_F_NODAD // usable at once: nobody else is on this wire
	}
	m := unix.IfAddrmsg{Family: family, Prefixlen: uint8(p.Bits()), Flags: flags, Index: uint32(l.Index)}
	a := p.Addr().AsSlice()
	r := newRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, bytesOf(&m))
	if _, err := r.attr(unix.IFA_LOCAL, a).attr(unix.IFA_ADDRESS, a).do(); err != nil {
		return fmt.Errorf("interface %s: add address %s: %w", l.Name, p, err)
	}
	return nil
}

// AddDefaultRoute sends what has no other route through gateway gw on the interface.
func (l *Link) AddDefaultRoute(gw netip.Addr) error {
	m := unix.RtMsg{Family: unix.AF_INET, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT,
		Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_UNICAST}
	if gw.Is6() {
		m.Family = unix.AF_INET6
	}
	r := newRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, bytesOf(&m))
	if _, err := r.attr(unix.RTA_GATEWAY, gw.AsSlice()).attr32(unix.RTA_OIF, uint32(l.Index)).do(); err != nil {
		return fmt.Errorf("interface %s: add default route via %s: %w", l.Name, gw, err)
	}
	return nil
}

// Watcher reads the state of one interface from any thread: it keeps a socket in the
// namespace where it was made.
type Watcher struct {
	fd  int
	req unix.Ifreq
}

// Watch makes a Watcher for the interface. Close it.
func (l *Link) Watch() (*Watcher, error) {
	req, err := unix.NewIfreq(l.Name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", l.Name, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", l.Name, err)
	}
	return &Watcher{fd: fd, req: *req}, nil
}

// Carrier tells whether the interface exists, is up and has a carrier.
func (w *Watcher) Carrier() bool {
	req := w.req
	if ioctl(w.fd, unix.SIOCGIFFLAGS, unsafe.Pointer(&req)) != nil {
		return false
	}
	const want = unix.IFF_UP | unix.IFF_RUNNING
	return req.Uint16()&want == want
}

// Close ends the watch.
func (w *Watcher) Close() { _ = unix.Close(w.fd) }

func ioctl(fd int, req uint, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(arg)); e != 0 {
		return e
	}
	return nil
}
