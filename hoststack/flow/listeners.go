package flow

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"vpphost/dataplane/hdr"
	"vpphost/hoststack/transport"
)

type listenKey struct {
	addr hdr.Addr
	port uint16
}

// Listeners is the listening endpoints of one transport. All workers look up in an
// immutable snapshot; control code replaces it. The zero value is empty.
type Listeners struct {
	mu   sync.Mutex
	snap atomic.Pointer[map[listenKey]uint32]
}

// wildcards of both families. As in VPP they are apart: "::" does not take IPv4
// connections.
var (
	any4 = hdr.Addr4([]byte{0, 0, 0, 0})
	any6 hdr.Addr
)

// Add makes addr:port name listener. An unspecified address is a wildcard of its
// family. The error is transport.ErrInUse when the pair is taken; a wildcard and an
// address of the same port go together.
func (l *Listeners) Add(addr *hdr.Addr, port uint16, listener uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := listenKey{*addr, port}
	m := map[listenKey]uint32{}
	if p := l.snap.Load(); p != nil {
		if _, ok := (*p)[k]; ok {
			return fmt.Errorf("%v port %d: %w", addr, port, transport.ErrInUse)
		}
		m = maps.Clone(*p)
	}
	m[k] = listener
	l.snap.Store(&m)
	return nil
}

// Remove forgets addr:port and returns what it named.
func (l *Listeners) Remove(addr *hdr.Addr, port uint16) (listener uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := listenKey{*addr, port}
	p := l.snap.Load()
	if p != nil {
		var ok bool
		if listener, ok = (*p)[k]; ok {
			m := maps.Clone(*p)
			delete(m, k)
			l.snap.Store(&m)
			return listener, nil
		}
	}
	return 0, fmt.Errorf("%v port %d: %w", addr, port, transport.ErrNoListener)
}

// Lookup is the listener for a connection to addr:port: the one on exactly that
// address, else the wildcard of its family. Any worker.
func (l *Listeners) Lookup(addr *hdr.Addr, port uint16) (listener uint32, ok bool) {
	p := l.snap.Load()
	if p == nil {
		return 0, false
	}
	k := listenKey{*addr, port}
	if listener, ok = (*p)[k]; ok {
		return listener, true
	}
	if k.addr.Is4() {
		k.addr = any4
	} else {
		k.addr = any6
	}
	listener, ok = (*p)[k]
	return listener, ok
}

// Exact is the listener on exactly addr:port, no wildcard. Any worker.
func (l *Listeners) Exact(addr *hdr.Addr, port uint16) (listener uint32, ok bool) {
	if p := l.snap.Load(); p != nil {
		listener, ok = (*p)[listenKey{*addr, port}]
	}
	return listener, ok
}

// Len is the number of listeners.
func (l *Listeners) Len() int {
	if p := l.snap.Load(); p != nil {
		return len(*p)
	}
	return 0
}
