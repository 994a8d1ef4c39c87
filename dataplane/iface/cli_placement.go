package iface

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"vpphost/cli"
)

// Placed is one line of "show interface rx-placement".
type Placed struct {
	Thread int    `json:"thread"`
	Name   string `json:"name"`
	Node   string `json:"node"`
	Iface  string `json:"interface"`
	Queue  int    `json:"queue"`
	Mode   string `json:"mode"`
}

type placedList []Placed

// Text writes VPP's layout: by thread, by node.
func (l placedList) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	thread, node := -1, ""
	for _, p := range l {
		if p.Thread != thread {
			fmt.Fprintf(&b, "Thread %d (%s):\n", p.Thread, p.Name)
			thread, node = p.Thread, ""
		}
		if p.Node != node {
			fmt.Fprintf(&b, " node %s:\n", p.Node)
			node = p.Node
		}
		fmt.Fprintf(&b, "    %s queue %d (%s)\n", p.Iface, p.Queue, p.Mode)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func showPlacement(m *Manager) *cli.Command {
	return &cli.Command{
		Path: "show interface rx-placement",
		Help: "Show which thread polls which receive queue",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			out := placedList{}
			all := m.Placements()
			for _, s := range m.stations {
				var kinds []string
				byKind := map[string]placedList{}
				for _, p := range all {
					if p.Worker != s.w {
						continue
					}
					k := p.Iface.Kind
					if byKind[k] == nil {
						kinds = append(kinds, k)
					}
					byKind[k] = append(byKind[k], Placed{Thread: s.w.Index, Name: s.w.Name, Node: k + "-input",
						Iface: p.Iface.Name, Queue: p.Queue, Mode: p.Mode.String()})
				}
				for _, k := range kinds {
					out = append(out, byKind[k]...)
				}
			}
			return out, nil
		},
	}
}

// RxModeStatus is one line of "show interface rx-mode".
type RxModeStatus struct {
	Iface string `json:"interface"`
	Mode  string `json:"mode"`
	Wakes bool   `json:"wakes"` // the device wakes a sleeping worker
}

type rxModes []RxModeStatus

// Text says for each interface what its first packet after silence waits for.
func (l rxModes) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	for _, s := range l {
		how := "sleeps when idle; the device wakes the worker"
		switch {
		case s.Mode == PollingMode.String():
			how = "never sleeps"
		case !s.Wakes:
			how = "naps when idle; the first packet may wait for the end of a nap, up to 8 ms"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", s.Iface, s.Mode, how)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func showRxMode(m *Manager) *cli.Command {
	return &cli.Command{
		Path: "show interface rx-mode",
		Help: "Show how workers wait for the packets of each interface",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			out := rxModes{}
			for _, i := range m.All() {
				if i.Dev != nil {
					out = append(out, RxModeStatus{Iface: i.Name, Mode: m.Mode(i).String(), Wakes: i.wakes()})
				}
			}
			return out, nil
		},
	}
}

// queueArg consumes "queue N" and checks it against the interface.
func queueArg(in *cli.Input, i *Interface, q *int) error {
	if !number(in, q, 0, max(1, i.info.RxQ)-1) {
		return in.Expect(fmt.Sprintf("a queue of %s", i.Name))
	}
	return nil
}

func setRxMode(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "set interface rx-mode",
		Usage:    "<interface> [queue <n>] polling|interrupt|adaptive",
		Help:     "Set how the worker waits for packets; one mode holds for all queues of an interface",
		Complete: completeThen(m, "polling", "interrupt", "adaptive"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.Parse(in)
			if err != nil {
				return nil, err
			}
			var q int
			if in.Match("queue") {
				if err := queueArg(in, i, &q); err != nil {
					return nil, err
				}
			}
			var mode RxMode
			switch {
			case in.Match("polling"):
				mode = PollingMode
			case in.Match("interrupt"):
				mode = InterruptMode
			case in.Match("adaptive"):
			default:
				return nil, in.Expect("polling, interrupt or adaptive")
			}
			if err := in.End(); err != nil {
				return nil, err
			}
			return nil, m.SetMode(i, mode)
		},
	}
}

func setRxPlacement(m *Manager) *cli.Command {
	return &cli.Command{
		Path:     "set interface rx-placement",
		Usage:    "<interface> [queue <n>] worker <n> | main",
		Help:     "Set which thread polls a receive queue",
		Complete: completeThen(m, "queue", "worker", "main"),
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			i, err := m.Parse(in)
			if err != nil {
				return nil, err
			}
			q, thread := 0, -1
			for !in.Done() {
				switch {
				case in.Match("queue"):
					if err := queueArg(in, i, &q); err != nil {
						return nil, err
					}
				case in.Match("main"):
					if thread = m.threadNamed("vpp_main"); thread < 0 {
						return nil, cli.Usagef("there are workers: main polls no queue")
					}
				case in.Match("worker"):
					probe, n := *in, 0
					if !probe.Int(&n) || m.threadNamed(fmt.Sprintf("vpp_wk_%d", n)) < 0 {
						return nil, in.Expect("the number of a worker")
					}
					*in, thread = probe, m.threadNamed(fmt.Sprintf("vpp_wk_%d", n))
				default:
					return nil, in.Unknown()
				}
			}
			if thread < 0 {
				return nil, in.Expect("worker <n> or main")
			}
			return nil, m.Place(i, q, thread)
		},
	}
}

// threadNamed is the index of the worker with that name, -1 when there is none.
func (m *Manager) threadNamed(name string) int {
	return slices.IndexFunc(m.stations, func(s *station) bool { return s.w.Name == name })
}
