package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pair is two instances of ours joined by memif, each pinned to a core.
type pair struct {
	dir  string
	cpu  [2]int
	proc [2]*exec.Cmd
}

const (
	ourServer = "6.0.1.1"
	ourClient = "6.0.1.2"
)

func newPair(cpu [2]int) (*pair, error) {
	dir, err := os.MkdirTemp("", "vpphost-bench-")
	if err != nil {
		return nil, err
	}
	p := &pair{dir: dir, cpu: cpu}
	for i, role := range []string{"master", "slave"} {
		script := filepath.Join(dir, fmt.Sprintf("setup%d", i))
		text := fmt.Sprintf("create memif socket id 1 filename %s/memif.sock\n"+
			"create interface memif id 0 socket-id 1 %s\n"+
			"set interface state memif1/0 up\nset interface ip address memif1/0 6.0.1.%d/24\nsession enable\n", dir, role, i+1)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			return nil, err
		}
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("log%d", i)))
		if err != nil {
			return nil, err
		}
		words := fmt.Sprintf("unix { nodaemon cli-listen %s runtime-dir %s/run%d exec %s } cpu { corelist-workers %d }",
			p.sock(i), dir, i, script, cpu[i])
		args := append([]string{"-c", fmt.Sprint(cpu[i]), "bin/vpphost"}, strings.Fields(words)...)
		c := exec.Command("taskset", args...)
		c.Stdout, c.Stderr = log, log
		if err := c.Start(); err != nil {
			p.close()
			return nil, err
		}
		p.proc[i] = c
	}
	if err := p.ready(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pair) sock(i int) string { return filepath.Join(p.dir, fmt.Sprintf("cli%d.sock", i)) }

// ready waits until the two see each other.
func (p *pair) ready() error {
	var err error
	for range 50 {
		if _, err = p.ctl(1, "ping "+ourServer+" repeat 1"); err == nil {
			for i := range 2 { // the client has one for cut-through
				if _, err := p.ctl(i, "test echo server uri tcp://0.0.0.0/1234"); err != nil {
					return err
				}
			}
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("the instances do not see each other: %w", err)
}

// ctl runs a command on instance i and returns the objects that it printed.
func (p *pair) ctl(i int, line string) ([]map[string]any, error) {
	out, err := exec.Command("bin/vppctl", append([]string{"-s", p.sock(i), "-o", "json"}, strings.Fields(line)...)...).Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			return nil, fmt.Errorf("%s: %w: %s%s", line, err, out, e.Stderr)
		}
		return nil, err
	}
	var objs []map[string]any
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var o map[string]any
		if err := d.Decode(&o); err == io.EOF {
			return objs, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		objs = append(objs, o)
	}
}

// throughput runs a client test and returns bits per second of one direction.
func (p *pair) throughput(args string) (float64, error) {
	objs, err := p.ctl(1, "test echo client uri tcp://"+ourServer+"/1234 "+args)
	if err != nil {
		return 0, err
	}
	for _, o := range objs {
		peer, _ := o["peerReceived"].(float64)
		tx, _ := o["tx"].(float64)
		if v, ok := o["bytesPerSecond"].(float64); ok {
			if peer != tx {
				return 0, fmt.Errorf("the server received %.0f bytes of %.0f", peer, tx)
			}
			return v * 8, nil
		}
	}
	return 0, fmt.Errorf("no result in %v", objs)
}

// connects opens n connections at once and returns how many a second.
func (p *pair) connects(n int) (float64, error) {
	objs, err := p.ctl(1, fmt.Sprintf("test echo client uri tcp://%s/1234 nclients %d bytes 1 fifo-size 4k test-timeout 60", ourServer, n))
	if err != nil {
		return 0, err
	}
	for _, o := range objs {
		if v, ok := o["perSecond"].(float64); ok {
			return v, nil
		}
	}
	return 0, fmt.Errorf("no result in %v", objs)
}

// stalls are the longest gaps between two Steps of either side, in ms.
func (p *pair) stalls() (worst float64) {
	for i := range 2 {
		objs, err := p.ctl(i, "show runtime")
		if err == nil {
			for _, o := range objs {
				worst = max(worst, find(o, "maxNs")/1e6)
			}
		}
	}
	return worst
}

// find is the largest number named key anywhere in v.
func find(v any, key string) (m float64) {
	switch x := v.(type) {
	case map[string]any:
		for k, y := range x {
			if f, ok := y.(float64); ok && k == key {
				m = max(m, f)
			}
			m = max(m, find(y, key))
		}
	case []any:
		for _, y := range x {
			m = max(m, find(y, key))
		}
	}
	return m
}

func (p *pair) close() {
	for _, c := range p.proc {
		if c != nil && c.Process != nil {
			_ = c.Process.Signal(os.Interrupt)
			done := make(chan struct{})
			go func() { _ = c.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				_ = c.Process.Kill()
				<-done
			}
		}
	}
	_ = os.RemoveAll(p.dir)
}
