package ip

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"vpphost/cli"
	"vpphost/dataplane/fib"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
	"vpphost/dataplane/neigh"
	"vpphost/dataplane/stats"
	"vpphost/dataplane/worker"
)

// maxHandlers is how many protocols can be registered, ICMP and ICMPv6 included.
const maxHandlers = 8

// Stack is the network layer of an instance.
type Stack struct {
	ifs      *iface.Manager
	fib      *fib.Table
	neigh    *neigh.Tables
	workers  []*worker.Worker
	states   [worker.MaxWorkers]*state
	handlers [maxHandlers + 1]protocol // from 1
	slots    [2][256]uint8             // protocol number to handler, for IPv4 and IPv6; 0 for none
	n        int
	pings    [maxPings]atomic.Pointer[pinger]

	mu    sync.Mutex            // guards what follows: control code only
	want  map[uint32]bool       // interfaces on which IPv6 was enabled by hand
	spans map[uint32][]hdr.Span // see AddSpan
}

// protocol is one registered Handler.
type protocol struct {
	Handler
	chains bool
}

// New makes the network layer of an instance, makes it the receiver of what the
// interfaces get, and follows their changes. Before workers run.
func New(workers []*worker.Worker, ifs *iface.Manager, set *stats.Set) (*Stack, error) {
	s := &Stack{ifs: ifs, fib: fib.New(), workers: workers, want: map[uint32]bool{}, spans: map[uint32][]hdr.Span{}}
	g, ng := newGroups(set, len(workers)), neigh.NewGroups(set, len(workers))
	var tables []*neigh.Table
	for _, w := range workers {
		st, err := newState(s, w, g.nodes(w.Index))
		if err != nil {
			return nil, fmt.Errorf("ip: %w", err)
		}
		if st.neigh, err = neigh.New(w, st, ng); err != nil {
			return nil, fmt.Errorf("ip: %w", err)
		}
		s.states[w.Index] = st
		tables = append(tables, st.neigh)
		w.Add(worker.Input, "ip-loop", worker.NodeFunc(st.stepLoop))
	}
	s.neigh = neigh.Join(tables)
	s.register(0, hdr.ProtoICMP, &icmp4{s})
	s.register(1, hdr.ProtoICMPv6, &icmp6{s})
	ifs.SetInput(s)
	ifs.Subscribe(s.changed)
	for _, i := range ifs.All() {
		s.setLink(i, true)
	}
	return s, nil
}

// Handle makes h the receiver of IP protocol number proto. Before workers run. ICMP
// and ICMPv6 belong to the stack itself.
func (s *Stack) Handle(proto uint8, h Handler) {
	s.register(0, proto, h)
	s.slots[1][proto] = s.slots[0][proto]
}

func (s *Stack) register(v int, proto uint8, h Handler) {
	if s.n == maxHandlers {
		panic("ip: too many protocols")
	}
	s.n++
	_, chains := h.(ChainHandler)
	s.handlers[s.n] = protocol{h, chains}
	s.slots[v][proto] = uint8(s.n)
}

// FIB is the forwarding table.
func (s *Stack) FIB() *fib.Table { return s.fib }

// Neighbors are the neighbour tables.
func (s *Stack) Neighbors() *neigh.Tables { return s.neigh }

// changed follows the changes of interfaces. It runs on the control goroutine that made
// the change.
func (s *Stack) changed(e iface.Event) {
	i := e.Iface
	switch e.Kind {
	case iface.Removed:
		s.setLink(i, false)
		_ = s.neigh.Flush(i.Index, true)
		return
	case iface.AdminDown:
		s.setLink(i, true)
		_ = s.neigh.Flush(i.Index, false)
		return
	}
	before := s.fib.Load().Link(i.Index)
	s.setLink(i, true)
	switch e.Kind {
	case iface.MACChanged:
		_ = s.neigh.Rewritten(i.Index)
		s.announce(i, nil)
	case iface.AdminUp, iface.LinkUp:
		s.announce(i, nil)
	case iface.AddrAdded:
		s.announce(i, before)
	}
}

// setLink tells the forwarding table the present state of an interface.
func (s *Stack) setLink(i *iface.Interface, exists bool) {
	if i.Index == 0 {
		return
	}
	s.mu.Lock() // held, so that what was read last is told last
	defer s.mu.Unlock()
	st := fib.LinkState{Exists: exists}
	if exists {
		st.IP6, st.Spans = s.want[i.Index], slices.Clone(s.spans[i.Index])
		st.Up, st.MAC, st.Addrs = i.Up(), i.MAC(), i.Addrs()
	} else {
		delete(s.want, i.Index)
		delete(s.spans, i.Index)
	}
	s.fib.SetLink(i.Index, st)
}

// EnableIP6 gives an interface a link-local address although it has no other IPv6
// address, or takes it away again.
func (s *Stack) EnableIP6(i *iface.Interface, on bool) {
	s.mu.Lock()
	s.want[i.Index] = on
	s.mu.Unlock()
	before := s.fib.Load().Link(i.Index)
	s.setLink(i, true)
	s.announce(i, before)
}

// announce tells the link of our addresses, of those only that were not there before
// when before is given.
func (s *Stack) announce(i *iface.Interface, before *fib.Link) {
	l := s.fib.Load().Link(i.Index)
	if l == nil || !l.Up || i.Dev == nil {
		return
	}
	var addrs []hdr.Addr
	add := func(a hdr.Addr) {
		if !slices.Contains(addrs, a) && (before == nil || !before.Owns(&a)) {
			addrs = append(addrs, a)
		}
	}
	if l.IP6 {
		add(l.LinkLocal)
	}
	for _, a := range l.Addrs {
		add(a.Addr)
	}
	if len(addrs) > 0 {
		s.neigh.Announce(i.Index, addrs)
	}
}

// names answers what the commands ask about interfaces.
type names struct{ s *Stack }

func (n names) Parse(in *cli.Input) (uint32, error) {
	i, err := n.s.ifs.Parse(in)
	if err != nil {
		return 0, err
	}
	return i.Index, nil
}

func (n names) Words() []cli.Word { return n.s.ifs.Words() }

func (n names) NameOf(index uint32) string {
	if i := n.s.ifs.ByIndex(index); i != nil {
		return i.Name
	}
	return "DELETED"
}

func (n names) Describe(index uint32) (string, hdr.MAC, int) {
	if i := n.s.ifs.ByIndex(index); i != nil {
		return i.Name, i.MAC(), i.MTU()
	}
	return "DELETED", hdr.MAC{}, 0
}

func (n names) Neighbor(index uint32, a hdr.Addr) (hdr.MAC, bool) {
	return n.s.neigh.Neighbor(index, a)
}

var _ iface.Input = (*Stack)(nil)
