package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"vpphost/cli"
)

// record has every command line appended to the file of unix { log FILE } before it
// runs, with the time and the session that it came from.
func (in *instance) record(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("unix: log: %w", err)
	}
	var mu sync.Mutex
	write := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(f, "%s %s\n", time.Now().Format("2006-01-02T15:04:05.000"), text)
	}
	write(fmt.Sprintf("--- start pid %d", os.Getpid()))
	in.reg.LogLine = func(s *cli.Session, line string) {
		name := "-"
		if s != nil {
			name = s.Name()
		}
		write(name + ": " + line)
	}
	in.undo = append(in.undo, func() { _ = f.Close() })
	return nil
}
