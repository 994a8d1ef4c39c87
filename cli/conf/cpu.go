package conf

import (
	"errors"
	"fmt"
	"slices"
)

// CPU says on which cores the threads run.
type CPU struct {
	MainCore    int   // core of everything but the workers; -1 is any
	Workers     int   // how many workers, on the cores behind MainCore; 0 is one worker, on MainCore
	WorkerCores []int // one worker on each of these cores; nil leaves it to Workers
	SkipCores   int   // cores to leave out before the first that is chosen; 0
	Relative    bool  // cores are counted among those that the process may use; off
}

func defaultCPU() CPU { return CPU{MainCore: -1} }

// maxWorkers bounds the number of workers.
const maxWorkers = 255

func (c *CPU) section() Section {
	keys := []Key{
		{"main-core", "<n>", "core of everything but the workers named below (any)", num(&c.MainCore, 0, maxCore)},
		{"workers", "<n>", "workers, on the cores after main-core by turns (1, on main-core)", num(&c.Workers, 0, maxWorkers)},
		{"corelist-workers", "<list>", "one worker on each of these cores, 2-3,18", cores(&c.WorkerCores)},
		{"coremask-workers", "<hex>", "the same as a mask", coreMask(&c.WorkerCores)},
		{"skip-cores", "<n>", "leave the first cores out (0)", num(&c.SkipCores, 0, maxCore)},
		{"relative", "", "count cores among those that the process may use", turnOn(&c.Relative)},
	}
	keys = append(keys, unusedKeys(1, "thread-prefix", "scheduler-policy", "scheduler-priority", "numa-heap-size")...)
	keys = append(keys, unused("use-pthreads", 0))
	return Section{Name: "cpu", Help: "cores", Keys: keys, Check: c.check}
}

func (c *CPU) check() error {
	switch {
	case c.WorkerCores != nil && c.Workers != 0:
		return errors.New("workers and corelist-workers exclude each other")
	case c.WorkerCores != nil && c.SkipCores != 0:
		return errors.New("skip-cores and corelist-workers exclude each other")
	case len(c.WorkerCores) > maxWorkers:
		return fmt.Errorf("%d workers: at most %d are possible", len(c.WorkerCores), maxWorkers)
	}
	return nil
}

// Place chooses cores from those that the process may use (ascending). main is the
// main core, workers the core of each worker; -1 is a thread that is not pinned. When
// there are more workers than cores they share them by turns. It is an error when a core
// is named that may not be used, or when none is left.
func (c *CPU) Place(allowed []int) (main int, workers []int, err error) {
	pick := func(n int) (int, error) {
		if c.Relative {
			if n >= len(allowed) {
				return 0, fmt.Errorf("cpu: relative core %d: the process may use %d cores", n, len(allowed))
			}
			return allowed[n], nil
		}
		if !slices.Contains(allowed, n) {
			return 0, fmt.Errorf("cpu: the process may not use core %d", n)
		}
		return n, nil
	}
	free := allowed[min(c.SkipCores, len(allowed)):]
	main = -1
	if c.MainCore >= 0 {
		if main, err = pick(c.MainCore); err != nil {
			return 0, nil, err
		}
		free = slices.DeleteFunc(slices.Clone(free), func(n int) bool { return n <= main })
	}
	switch {
	case c.WorkerCores != nil:
		for _, n := range c.WorkerCores {
			core, err := pick(n)
			if err != nil {
				return 0, nil, err
			}
			workers = append(workers, core)
		}
	case c.Workers == 0: // all on one core, as VPP without workers
		workers = []int{main}
	default:
		if len(free) == 0 {
			return 0, nil, fmt.Errorf("cpu: no core is left for %d workers", c.Workers)
		}
		for k := range c.Workers {
			workers = append(workers, free[k%len(free)])
		}
	}
	return main, workers, nil
}
