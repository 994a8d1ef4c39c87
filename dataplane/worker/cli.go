package worker

import (
	"errors"

	"vpphost/cli"
)

// Commands are the commands about the threads of an instance and the process they run in.
func Commands(workers []*Worker) []*cli.Command {
	return []*cli.Command{
		showRuntime(workers), showThreads(workers), showBuffers(workers),
		showMemory(workers), showClock(workers), showCPU(),
		{
			Path: "clear runtime",
			Help: "Clear the counters of show runtime",
			Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
				return nil, onAll(workers, func(w *Worker) { w.ClearNodes() })
			},
		},
	}
}

// onAll runs f on every worker in turn.
func onAll(workers []*Worker, f func(*Worker)) error {
	var errs []error
	for _, w := range workers {
		errs = append(errs, w.Do(f))
	}
	return errors.Join(errs...)
}
