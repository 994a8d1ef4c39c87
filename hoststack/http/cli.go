package http

import (
	"fmt"
	"io"

	"vpphost/cli"
	"vpphost/dataplane/worker"
)

// Commands are those of the engine itself; servers and clients have their own.
func Commands(e *Engine) []*cli.Command {
	return []*cli.Command{{
		Path: "show http",
		Help: "Show how many HTTP connections each thread has",
		Run:  e.show,
	}, {
		Path: "show http stats",
		Help: "Show the HTTP counters of each thread",
		Run:  e.showStats,
	}, {
		Path: "clear http stats",
		Help: "Clear the HTTP counters",
		Run:  e.clearStats,
	}}
}

// ThreadPool is one thread's part of "show http".
type ThreadPool struct {
	Thread int `json:"thread"`
	Used   int `json:"used"`
	Max    int `json:"max"`
}

// PoolResult is the result of "show http".
type PoolResult []ThreadPool

// Text writes VPP's layout.
func (r PoolResult) Text(w io.Writer, _ cli.Layout) error {
	for _, t := range r {
		if _, err := fmt.Fprintf(w, "Thread %d: ctx pool %d/%d\n", t.Thread, t.Used, t.Max); err != nil {
			return err
		}
	}
	return nil
}

// ThreadStats is one thread's part of "show http stats".
type ThreadStats struct {
	Thread int `json:"thread"`
	Stats
}

// StatsResult is the result of "show http stats".
type StatsResult []ThreadStats

// Text writes VPP's layout: what is zero is not shown.
func (r StatsResult) Text(w io.Writer, _ cli.Layout) error {
	for _, t := range r {
		fmt.Fprintf(w, "Thread %d:\n", t.Thread)
		for _, l := range t.lines() {
			if l.n == 0 {
				continue
			}
			if _, err := fmt.Fprintf(w, " %d %s\n", l.n, l.text); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stats are the counters of all workers. Control path.
func (e *Engine) Stats() (out StatsResult, err error) {
	for i, sh := range e.shards {
		t := ThreadStats{Thread: i}
		if err := sh.sw.Do(func(*worker.Worker) { t.Stats = sh.stats }); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// begun refuses commands before anything has used the engine, as VPP does.
func (e *Engine) begun(in *cli.Input) error {
	if err := in.End(); err != nil {
		return err
	}
	if !e.used.Load() {
		return ErrDisabled
	}
	return nil
}

func (e *Engine) show(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := e.begun(in); err != nil {
		return nil, err
	}
	var out PoolResult
	for i, sh := range e.shards {
		t := ThreadPool{Thread: i, Max: sh.conns.Max()}
		if err := sh.sw.Do(func(*worker.Worker) { t.Used = sh.conns.Used() }); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (e *Engine) showStats(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := e.begun(in); err != nil {
		return nil, err
	}
	out, err := e.Stats()
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (e *Engine) clearStats(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	if err := e.begun(in); err != nil {
		return nil, err
	}
	for _, sh := range e.shards {
		if err := sh.sw.Do(func(*worker.Worker) { sh.stats = Stats{} }); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
