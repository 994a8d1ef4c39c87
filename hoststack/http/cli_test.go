package http

import (
	"bytes"
	"errors"
	"testing"

	"vpphost/cli"
)

// show runs a command of the engine.
func show(t *testing.T, e *Engine, path, rest string) (string, error) {
	t.Helper()
	for _, c := range Commands(e) {
		if c.Path == path {
			r, err := c.Run(nil, cli.NewInput(rest))
			var b bytes.Buffer
			if r != nil {
				_ = r.Text(&b, cli.Layout{})
			}
			return b.String(), err
		}
	}
	t.Fatalf("no %q", path)
	return "", nil
}

func TestCommands(t *testing.T) {
	l := newLab(t, labOptions{})
	for _, path := range []string{"show http", "show http stats", "clear http stats"} {
		if _, err := show(t, l.ce, path, ""); !errors.Is(err, ErrDisabled) {
			t.Errorf("%s before use: %v", path, err)
		}
		if _, err := show(t, l.e, path, "nonsense"); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%s nonsense: %v", path, err)
		}
	}
	l.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1<<20)
	l.ask("GET / HTTP/1.1\r\n\r\n", 1<<20)
	for path, want := range map[string]string{
		"show http":       "Thread 0: ctx pool 2/65536\n",
		"show http stats": "Thread 0:\n 1 connections protocol error\n 2 connections accepted\n 1 requests received\n 2 responses sent\n",
	} {
		if got, err := show(t, l.e, path, ""); err != nil || got != want {
			t.Errorf("%s: %q %v", path, got, err)
		}
	}
	if _, err := show(t, l.e, "clear http stats", ""); err != nil {
		t.Error(err)
	}
	if got, _ := show(t, l.e, "show http stats", ""); got != "Thread 0:\n" {
		t.Errorf("cleared: %q", got)
	}
}
