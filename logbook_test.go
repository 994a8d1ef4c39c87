package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"testing"

	"vpphost/cli"
)

func TestShowLogging(t *testing.T) {
	var passed bytes.Buffer
	book := newLogbook(slog.NewTextHandler(&passed, &slog.HandlerOptions{Level: slog.LevelWarn}), slog.LevelInfo, 2)
	reg := cli.NewRegistry()
	if err := reg.Add(book.commands()...); err != nil {
		t.Fatal(err)
	}
	log := slog.New(book)
	log.Debug("below the level")
	log.Error("pushed out by the others")
	log.Info("up", "sockets", 3)
	log.With("client", 7).Warn("cli socket", "error", errors.New("a\nb"))
	var out bytes.Buffer
	show := func() string {
		out.Reset()
		if err := reg.Exec(context.Background(), "show logging", &out, cli.Options{}); err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^\S+ \d\d:\d\d:\d\d:\d{3} `).ReplaceAllString(out.String(), "")
	}
	if got := show(); got != "notice     up sockets=3\nwarn       cli socket client=7 error=\"a\\nb\"\n" {
		t.Errorf("got %q", got)
	}
	if n := bytes.Count(passed.Bytes(), []byte("\n")); n != 2 {
		t.Errorf("%d entries were passed on:\n%s", n, passed.String())
	}
	if err := reg.Exec(context.Background(), "clear logging", &out, cli.Options{}); err != nil {
		t.Error(err)
	}
	if got := show(); got != "" {
		t.Errorf("after clear: %q", got)
	}
}
