package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"vpphost/cli"
)

// logbook is a slog.Handler that keeps the last entries for "show logging" and passes
// them on: standard error of a daemon leads nowhere, and that of a shell is its screen.
type logbook struct {
	next  slog.Handler
	least slog.Level
	with  string // what With has added
	*pages
}

// pages are what all handlers made from one logbook share.
type pages struct {
	mu      sync.Mutex
	size    int
	entries []logEntry
}

type logEntry struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
}

func newLogbook(next slog.Handler, least slog.Level, size int) *logbook {
	return &logbook{next: next, least: least, pages: &pages{size: size}}
}

func (b *logbook) Enabled(_ context.Context, l slog.Level) bool { return l >= b.least }

func (b *logbook) Handle(ctx context.Context, r slog.Record) error {
	text := r.Message + b.with
	r.Attrs(func(a slog.Attr) bool { text += attr(a); return true })
	b.mu.Lock()
	b.entries = append(b.entries, logEntry{r.Time, levelName(r.Level), text})
	if over := len(b.entries) - b.size; over > 0 {
		b.entries = slices.Delete(b.entries, 0, over)
	}
	b.mu.Unlock()
	if !b.next.Enabled(ctx, r.Level) {
		return nil
	}
	return b.next.Handle(ctx, r)
}

func (b *logbook) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *b
	c.next = b.next.WithAttrs(attrs)
	for _, a := range attrs {
		c.with += attr(a)
	}
	return &c
}

func (b *logbook) WithGroup(name string) slog.Handler {
	c := *b
	c.next = b.next.WithGroup(name)
	return &c
}

// attr is " key=value" on one line.
func attr(a slog.Attr) string {
	v := a.Value.String()
	if v == "" || strings.ContainsAny(v, " \n\t\"") {
		v = fmt.Sprintf("%q", v)
	}
	return " " + a.Key + "=" + v
}

// levelName is VPP's word for a level.
func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "notice"
	}
	return "debug"
}

// commands are "show logging" and "clear logging"; b may be nil: nothing is logged.
func (b *logbook) commands() []*cli.Command {
	return []*cli.Command{{
		Path: "show logging",
		Help: "Show the last entries of the log",
		Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			out := logEntries{}
			if b != nil {
				b.mu.Lock()
				defer b.mu.Unlock()
				out = append(out, b.entries...)
			}
			return out, nil
		},
	}, {
		Path: "clear logging",
		Help: "Forget the entries of the log",
		Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			if b != nil {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.entries = nil
			}
			return nil, nil
		},
	}}
}

type logEntries []logEntry

// Text is VPP's layout, without the class.
func (l logEntries) Text(w io.Writer, _ cli.Layout) error {
	for _, e := range l {
		t := e.Time.Format("2006/01/02 15:04:05") + fmt.Sprintf(":%03d", e.Time.Nanosecond()/1e6)
		if _, err := fmt.Fprintf(w, "%s %s %s\n", t, cli.Left(e.Level, 10), e.Message); err != nil {
			return err
		}
	}
	return nil
}
