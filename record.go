package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"vpphost/cli"
)

// engine runs lines: the registry, or a recorder around it.
type engine interface {
	Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error
	Complete(ctx context.Context, line string) []cli.Word
}

// recorder appends every line to a file before it runs, with the time and the session
// it came from.
type recorder struct {
	engine
	mu   sync.Mutex
	file *os.File
}

// record opens the file of unix { log FILE }.
func record(e engine, path string) (*recorder, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	r := &recorder{engine: e, file: f}
	r.write(fmt.Sprintf("--- start pid %d", os.Getpid()))
	return r, nil
}

func (r *recorder) write(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.file, "%s %s\n", time.Now().Format("2006-01-02T15:04:05.000"), text)
}

func (r *recorder) Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error {
	name := "-"
	if o.Session != nil {
		name = o.Session.Name()
	}
	r.write(name + ": " + line)
	return r.engine.Exec(ctx, line, out, o)
}
