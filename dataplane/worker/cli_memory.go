package worker

import (
	"fmt"
	"io"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/pkt"
)

// PoolStatus is one pool of packet buffers as "show buffers" shows it.
type PoolStatus struct {
	Name     string `json:"name"`
	Index    int    `json:"index"`
	NUMA     int    `json:"numa"`
	Size     int    `json:"size"`     // bytes of a buffer with its header and headroom
	DataSize int    `json:"dataSize"` // bytes of data that fit
	Total    int    `json:"total"`
	Avail    int    `json:"avail"`
	Cached   int    `json:"cached"` // free, in the caches of threads
	Used     int    `json:"used"`
	Failed   uint64 `json:"failed"` // buffers asked for in vain
}

type pools []PoolStatus

// bufHeader is what precedes the data room of a buffer.
const bufHeader = 128 + pkt.MetaSize

// poolStatus looks at the pools of all workers, each once.
func poolStatus(workers []*Worker) (pools, error) {
	out, index := pools{}, map[pkt.Pool]int{}
	err := onAll(workers, func(w *Worker) {
		p := w.Bufs.Pool()
		k, ok := index[p]
		if !ok {
			k = len(out)
			index[p] = k
			out = append(out, PoolStatus{Name: p.Name(), Index: k, Size: p.Room() + bufHeader, DataSize: p.Room() - pkt.Headroom})
		}
		out[k].Cached += w.Bufs.Len()
		out[k].Failed += w.Bufs.Exhausted
	})
	for p, k := range index {
		s := &out[k]
		s.Total, s.Avail = p.Usage()
		s.Used = max(0, s.Total-s.Avail-s.Cached)
	}
	return out, err
}

// Text writes VPP's layout.
func (l pools) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	row := func(name string, cells ...any) {
		b.WriteString(cli.Left(name, 20))
		for k, width := range [...]int{6, 6, 6, 11, 6, 8, 8, 8} {
			c := fmt.Sprint(cells[k])
			b.WriteString(cli.Center(c, max(width, len(c)+1)))
		}
		b.WriteByte('\n')
	}
	row("Pool Name", "Index", "NUMA", "Size", "Data Size", "Total", "Avail", "Cached", "Used")
	for _, p := range l {
		row(p.Name, p.Index, p.NUMA, p.Size, p.DataSize, p.Total, p.Avail, p.Cached, p.Used)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func showBuffers(workers []*Worker) *cli.Command {
	return &cli.Command{
		Path: "show buffers",
		Help: "Show packet buffer allocation",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			return poolStatus(workers)
		},
	}
}

// Memory is what "show memory" shows, in bytes.
type Memory struct {
	Process *ProcessMemory `json:"process,omitempty"`
	Heap    HeapMemory     `json:"goHeap"`
	Pools   pools          `json:"pools,omitempty"`
	Workers []PoolMemory   `json:"workers,omitempty"`
}

// ProcessMemory is the kernel's account of the process.
type ProcessMemory struct {
	Resident     uint64 `json:"resident"`
	PeakResident uint64 `json:"peakResident"`
	Virtual      uint64 `json:"virtual"`
	HugePages    uint64 `json:"hugePages"` // resident in 2 MB pages
}

// HeapMemory is the Go runtime's account of its heap.
type HeapMemory struct {
	Live        uint64 `json:"live"`   // objects
	Mapped      uint64 `json:"mapped"` // got from the kernel and not given back
	Limit       uint64 `json:"limit"`  // size at which the next collection starts
	Collections uint64 `json:"collections"`
	Goroutines  uint64 `json:"goroutines"`
}

func showMemory(workers []*Worker) *cli.Command {
	return &cli.Command{
		Path:  "show memory",
		Usage: "[main-heap] [verbose]",
		Help:  "Show memory of the process, the Go heap, packet buffers and the pools of each thread",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			heapOnly := false
			for !in.Done() {
				switch {
				case in.Match("main-heap"):
					heapOnly = true
				case in.Match("verbose"):
				default:
					return nil, in.Unknown()
				}
			}
			m := &Memory{Heap: heapMemory()}
			if heapOnly {
				return m, nil
			}
			m.Process = processMemory()
			var err error
			if m.Pools, err = poolStatus(workers); err != nil {
				return nil, err
			}
			m.Workers, err = Accounts(workers)
			return m, err
		},
	}
}

// heapMemory reads the runtime's counters, which unlike ReadMemStats stops nothing.
func heapMemory() HeapMemory {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/heap/goal:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(s)
	v := func(k int) uint64 {
		if s[k].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return s[k].Value.Uint64()
	}
	return HeapMemory{Live: v(0), Mapped: v(1) - v(2), Limit: v(3), Collections: v(4), Goroutines: v(5)}
}

// processMemory reads /proc (proc(5)); what cannot be read is 0.
func processMemory() *ProcessMemory {
	var p ProcessMemory
	fields := map[string]*uint64{"VmRSS": &p.Resident, "VmHWM": &p.PeakResident, "VmSize": &p.Virtual, "AnonHugePages": &p.HugePages}
	for _, file := range []string{"/proc/self/status", "/proc/self/smaps_rollup"} {
		data, _ := os.ReadFile(file)
		for line := range strings.Lines(string(data)) {
			name, rest, _ := strings.Cut(line, ":")
			if v := fields[name]; v != nil {
				kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				*v = kb << 10
			}
		}
	}
	return &p
}

// Text writes a paragraph for each.
func (m *Memory) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if p := m.Process; p != nil {
		fmt.Fprintf(&b, "process: resident %s, at most %s, in huge pages %s, address space %s\n", cli.FormatSize(p.Resident),
			cli.FormatSize(p.PeakResident), cli.FormatSize(p.HugePages), cli.FormatSize(p.Virtual))
	}
	h := &m.Heap
	fmt.Fprintf(&b, "go heap: live %s, mapped %s, next collection at %s, %d collections, %d goroutines\n", cli.FormatSize(h.Live),
		cli.FormatSize(h.Mapped), cli.FormatSize(h.Limit), h.Collections, h.Goroutines)
	for _, p := range m.Pools {
		fmt.Fprintf(&b, "packet buffers '%s': size %s, used %s, free %s\n", p.Name, cli.FormatSize(uint64(p.Total*p.Size)),
			cli.FormatSize(uint64(p.Used*p.Size)), cli.FormatSize(uint64((p.Total-p.Used)*p.Size)))
	}
	for k, p := range m.Workers {
		if k == 0 || p.Thread != m.Workers[k-1].Thread {
			fmt.Fprintf(&b, "Thread %d:\n%s%10s%12s%12s%12s\n", p.Thread, cli.Left("Pool", 24), "Slot", "Used", "Capacity", "Resident")
		}
		fmt.Fprintf(&b, "%s%10d%12d%12d%12s\n", cli.Left(p.Name, 24), p.Slot, p.Used, p.Max, cli.FormatSize(p.Resident))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
