package iface

import (
	"fmt"
	"io"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/device"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
)

// Hardware is one interface as "show hardware-interfaces" shows it.
type Hardware struct {
	Name    string          `json:"name"`
	Index   uint32          `json:"index"`
	Kind    string          `json:"kind"`
	LinkUp  bool            `json:"linkUp"`
	Mbps    uint32          `json:"mbps"`
	MAC     hdr.MAC         `json:"mac"`
	Driver  string          `json:"driver"`
	Device  string          `json:"device"`
	RxQ     []RxQueueStatus `json:"rxQueues"`
	TxQ     []TxQueueStatus `json:"txQueues"`
	Details []device.Detail `json:"details"`
	brief   bool
}

// RxQueueStatus tells who polls a queue, and how.
type RxQueueStatus struct {
	Queue  int    `json:"queue"`
	Thread string `json:"thread"`
	Mode   string `json:"mode"`
}

// TxQueueStatus tells whose packets go through a queue.
type TxQueueStatus struct {
	Queue   int   `json:"queue"`
	Threads []int `json:"threads"`
}

// threadName is how VPP names a worker in tables: "main (0)", "vpp_wk_0 (1)".
func threadName(w *worker.Worker) string {
	name := w.Name
	if name == "vpp_main" {
		name = "main"
	}
	return fmt.Sprintf("%s (%d)", name, w.Index)
}

func (m *Manager) hardware(i *Interface, brief bool) Hardware {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := Hardware{Name: i.Name, Index: i.Index, Kind: i.Kind, MAC: i.MAC(), Driver: i.info.Driver, Device: i.info.Name, brief: brief,
		RxQ: []RxQueueStatus{}, TxQ: []TxQueueStatus{}, Details: []device.Detail{}}
	if i.Kind == kindLocal || m.ByIndex(i.Index) != i {
		return h
	}
	i.pollLink()
	h.LinkUp, h.Mbps = i.LinkUp(), i.mbps.Load()
	for q, w := range i.rx {
		h.RxQ = append(h.RxQ, RxQueueStatus{Queue: q, Thread: threadName(w), Mode: i.mode.String()})
	}
	if i.Dev == nil {
		return h
	}
	for q := range max(1, i.info.TxQ) {
		t := TxQueueStatus{Queue: q, Threads: []int{}}
		for k := q; k < len(m.stations); k += max(1, i.info.TxQ) {
			t.Threads = append(t.Threads, k)
		}
		h.TxQ = append(h.TxQ, t)
	}
	h.Details = append(h.Details, i.Dev.Details()...)
	return h
}

func showHardware(m *Manager) *cli.Command {
	return &cli.Command{
		Path:  "show hardware-interfaces",
		Usage: "[brief|verbose|detail] [<interface>|<index> [<interface> ...]]",
		Help:  "Show the devices behind interfaces",
		Complete: func(c *cli.Ctx, in *cli.Input) []cli.Word {
			return append(m.Words(), cli.Word{Text: "brief"}, cli.Word{Text: "verbose"}, cli.Word{Text: "detail"})
		},
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			level := "verbose"
			list, err := m.some(in, func(in *cli.Input) bool { return in.OneOf(&level, "brief", "verbose", "detail") })
			if err != nil {
				return nil, err
			}
			out := hardwareList{}
			for _, i := range list {
				out = append(out, m.hardware(i, level == "brief"))
			}
			return out, nil
		},
	}
}

type hardwareList []Hardware

// Text writes VPP's layout.
func (l hardwareList) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	b.WriteString(cli.Center("Name", 32) + cli.Center("Idx", 6) + cli.Center("Link", 8) + "Hardware\n")
	for k := range l {
		l[k].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (h *Hardware) text(b *strings.Builder) {
	link := "down"
	if h.LinkUp {
		link = "up"
	}
	b.WriteString(cli.Left(h.Name, 32) + cli.Center(fmt.Sprint(h.Index), 6) + cli.Center(link, 8) + h.Name + "\n")
	if h.brief {
		return
	}
	fmt.Fprintf(b, "  Link speed: %s\n", speed(h.Mbps))
	if h.Kind == kindLocal {
		b.WriteString("  local\n")
		return
	}
	if len(h.RxQ) > 0 {
		b.WriteString("  RX Queues:\n    " + cli.Left("queue", 6) + cli.Left("thread", 15) + cli.Left("mode", 10) + "\n")
		for _, q := range h.RxQ {
			b.WriteString("    " + cli.Left(fmt.Sprint(q.Queue), 6) + cli.Left(q.Thread, 15) + cli.Left(q.Mode, 10) + "\n")
		}
	}
	if len(h.TxQ) > 0 {
		b.WriteString("  TX Queues:\n    " + cli.Left("queue", 6) + cli.Left("shared", 7) + cli.Left("thread(s)", 15) + "\n")
		for _, q := range h.TxQ {
			shared := "no"
			if len(q.Threads) > 1 {
				shared = "yes"
			}
			b.WriteString("    " + cli.Left(fmt.Sprint(q.Queue), 6) + cli.Left(shared, 7) +
				strings.Trim(strings.ReplaceAll(fmt.Sprint(q.Threads), " ", ","), "[]") + "\n")
		}
	}
	fmt.Fprintf(b, "  Ethernet address %s\n", h.MAC)
	if h.Driver == "" || h.Kind == kindLoopback {
		return
	}
	fmt.Fprintf(b, "  %s %s\n", h.Driver, h.Device)
	for _, d := range h.Details {
		fmt.Fprintf(b, "    %s: %v\n", d.Name, d.Value)
	}
}

func speed(mbps uint32) string {
	switch {
	case mbps == 0:
		return "unknown"
	case mbps%1000 == 0:
		return fmt.Sprintf("%d Gbps", mbps/1000)
	case mbps >= 1000:
		return fmt.Sprintf("%.1f Gbps", float64(mbps)/1000)
	}
	return fmt.Sprintf("%d Mbps", mbps)
}
