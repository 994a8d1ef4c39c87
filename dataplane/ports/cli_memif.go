package ports

import (
	"fmt"
	"io"
	"math"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/device"
	"vpphost/dataplane/iface"
)

// id consumes a number that is not all ones.
func id(in *cli.Input, what string, v *uint32) error {
	probe := *in
	if !probe.Uint32(v) || *v == math.MaxUint32 {
		return in.Expect(what)
	}
	*in = probe
	return nil
}

func createMemif(m *Manager) *cli.Command {
	return &cli.Command{
		Path: "create interface memif",
		Usage: "[id <id>] [socket-id <socket-id>] [secret <string>] [ring-size <size>] [rx-queues <n>] [tx-queues <n>] " +
			"[buffer-size <size>] [master|slave] [no-zero-copy] [hw-addr <mac-addr>] [mode ethernet]",
		Help: "Create a shared memory interface",
		Complete: keywords(map[string]func() []cli.Word{"id": nil, "socket-id": m.socketWords, "secret": nil, "ring-size": nil,
			"rx-queues": nil, "tx-queues": nil, "buffer-size": nil, "hw-addr": nil,
			"mode": func() []cli.Word { return []cli.Word{{Text: "ethernet"}} }},
			"id", "socket-id", "secret", "ring-size", "rx-queues", "tx-queues", "buffer-size", "master", "slave",
			"no-zero-copy", "hw-addr", "mode"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			o, err := parseMemif(in)
			if err != nil {
				return nil, err
			}
			return created(m.Memif(o))
		},
	}
}

func parseMemif(in *cli.Input) (o MemifOptions, err error) {
	o = MemifOptions{RingSize: defaultRingSize, RxQueues: 1, TxQueues: 1}
	for err == nil && !in.Done() {
		switch {
		case in.Match("id"):
			err = id(in, "an id", &o.ID)
		case in.Match("socket-id"):
			err = id(in, "a socket id", &o.SocketID)
		case in.Match("secret"):
			if !in.Word(&o.Secret) || o.Secret == "" || len(o.Secret) > maxSecret {
				err = cli.Usagef("a secret has 1 to %d characters", maxSecret)
			}
		case in.Match("ring-size"):
			err = ringSize(in, &o.RingSize, maxRingSize)
		case in.Match("rx-queues"):
			err = number(in, "a number of queues", &o.RxQueues, 1, maxQueues)
		case in.Match("tx-queues"):
			err = number(in, "a number of queues", &o.TxQueues, 1, maxQueues)
		case in.Match("buffer-size"):
			err = number(in, "a buffer size", &o.BufferSize, 64, math.MaxUint16)
		case in.Match("master"):
			o.Master = true
		case in.Match("slave"):
			o.Master = false
		case in.Match("no-zero-copy"): // as it is: frames are always copied
		case in.Match("hw-addr"):
			err = macAddr(in, &o.MAC)
		case in.Match("mode"):
			if !in.Match("ethernet") {
				err = cli.Usagef("only mode ethernet is supported, got %s", cli.Quote(in.Rest()))
			}
		default:
			err = in.Unknown()
		}
	}
	return o, err
}

func deleteMemif(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "delete interface memif",
		Usage:    "<interface>",
		Help:     "Delete a shared memory interface",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word { return m.names(KindMemif)() },
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.one(in, KindMemif)
			if err == nil {
				err = in.End()
			}
			if err != nil {
				return nil, err
			}
			return nil, m.Delete(i, KindMemif)
		},
	}
}

func (m *Manager) socketWords() (words []cli.Word) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range m.socketIDs() {
		words = append(words, cli.Word{Text: fmt.Sprint(id), Help: m.sockets[id]})
	}
	return words
}

func createSocket(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "create memif socket",
		Usage:    "id <id> filename <path>",
		Help:     "Name a socket for shared memory interfaces",
		Complete: keywords(map[string]func() []cli.Word{"id": nil, "filename": nil}, "id", "filename"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			n, path := uint32(0), ""
			for !in.Done() {
				switch {
				case in.Match("id"):
					probe := *in
					if err := id(&probe, "a socket id", &n); err != nil || n == 0 {
						return nil, in.Expect("a socket id above 0")
					}
					*in = probe
				case in.Match("filename"):
					if !in.Word(&path) || path == "" || len(path) > 107 {
						return nil, in.Expect("a path of at most 107 characters")
					}
				default:
					return nil, in.Unknown()
				}
			}
			if n == 0 {
				return nil, in.Expect("id <id>")
			}
			if path == "" {
				return nil, in.Expect("filename <path>")
			}
			return nil, m.AddSocket(n, path)
		},
	}
}

func deleteSocket(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "delete memif socket",
		Usage:    "id <id>",
		Help:     "Forget a socket for shared memory interfaces",
		Complete: keywords(map[string]func() []cli.Word{"id": m.socketWords}, "id"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var n uint32
			if !in.Match("id") {
				return nil, in.Expect("id <id>")
			}
			if err := id(in, "a socket id", &n); err != nil {
				return nil, err
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			return nil, m.DeleteSocket(n)
		},
	}
}

// MemifList is what "show memif" shows.
type MemifList struct {
	Sockets    []SocketStatus `json:"sockets"`
	Interfaces []MemifStatus  `json:"interfaces"`
}

// SocketStatus is one memif socket and how many masters listen on it.
type SocketStatus struct {
	ID        uint32 `json:"id"`
	Path      string `json:"filename"`
	Listeners int    `json:"listeners"`
}

// MemifStatus is one memif interface: its options and what its device says.
type MemifStatus struct {
	Name    string          `json:"name"`
	Up      bool            `json:"up"`
	LinkUp  bool            `json:"linkUp"`
	Options MemifOptions    `json:"options"`
	Details []device.Detail `json:"details"`
}

func showMemif(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "show memif",
		Usage:    "[<interface> ...]",
		Help:     "Show shared memory interfaces and their sockets",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word { return m.names(KindMemif)() },
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			var only []*iface.Interface
			for !in.Done() {
				i, err := m.one(in, KindMemif)
				if err != nil {
					return nil, err
				}
				only = append(only, i)
			}
			return m.memifList(only), nil
		},
	}
}

func (m *Manager) memifList(only []*iface.Interface) *MemifList {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &MemifList{Interfaces: []MemifStatus{}}
	listeners := map[uint32]int{}
	for _, o := range m.memifs {
		if o.Master {
			listeners[o.SocketID]++
		}
	}
	for _, id := range m.socketIDs() {
		l.Sockets = append(l.Sockets, SocketStatus{ID: id, Path: m.sockets[id], Listeners: listeners[id]})
	}
	if only == nil {
		only = m.ifs.All()
	}
	for _, i := range only {
		if o, ok := m.memifs[i]; ok {
			l.Interfaces = append(l.Interfaces, MemifStatus{Name: i.Name, Up: i.Up(), LinkUp: i.Dev.Link().Up, Options: o, Details: details(i)})
		}
	}
	return l
}

// Text writes VPP's layout.
func (l *MemifList) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	b.WriteString("sockets\n  id  listener    filename\n")
	for _, s := range l.Sockets {
		listener := "no"
		if s.Listeners > 0 {
			listener = fmt.Sprintf("yes (%d)", s.Listeners)
		}
		fmt.Fprintf(&b, "  %-3d %-11s %s\n", s.ID, listener, s.Path)
	}
	for k := range l.Interfaces {
		l.Interfaces[k].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// memifLines are the details that VPP prints on lines of their own.
var memifLines = []string{"num-s2m-rings", "num-m2s-rings", "buffer-size", "num-regions"}

func (s *MemifStatus) text(b *strings.Builder) {
	d := map[string]any{}
	for _, x := range s.Details {
		d[x.Name] = x.Value
	}
	fmt.Fprintf(b, "\ninterface %s\n", s.Name)
	for _, name := range []string{"remote-name", "remote-interface"} {
		if v, ok := d[name]; ok && v != "" {
			fmt.Fprintf(b, "  %s \"%v\"\n", name, v)
		}
		delete(d, name)
	}
	fmt.Fprintf(b, "  socket-id %d id %d mode ethernet\n  flags", s.Options.SocketID, s.Options.ID)
	for _, f := range []struct {
		on   bool
		name string
	}{{s.Up, "admin-up"}, {!s.Options.Master, "slave"}, {s.LinkUp, "connected"}} {
		if f.on {
			b.WriteString(" " + f.name)
		}
	}
	b.WriteByte('\n')
	sep := "  "
	for _, name := range memifLines {
		if v, ok := d[name]; ok {
			fmt.Fprintf(b, "%s%s %v", sep, name, v)
			sep = " "
			delete(d, name)
		}
	}
	if sep == " " {
		b.WriteByte('\n')
	}
	// What the lines above say already.
	for _, name := range []string{"socket", "id", "role", "connected"} {
		delete(d, name)
	}
	for _, x := range s.Details {
		if v, ok := d[x.Name]; ok {
			fmt.Fprintf(b, "  %s %v\n", x.Name, v)
		}
	}
}
