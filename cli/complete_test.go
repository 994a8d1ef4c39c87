package cli

import (
	"context"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	r := testRegistry()
	r.Add(&Command{Path: "bad complete", Usage: "x", Help: "x",
		Run:      func(*Ctx, *Input) (Result, error) { return nil, nil },
		Complete: func(*Ctx, *Input) []Word { panic("boom") }})
	for line, want := range map[string]string{
		"":                           "bad comment define echo exit help history q quit set show test uncomment undefine vperf wait",
		"u":                          "uncomment undefine",
		"show ":                      "cli interface ip ip6 macro segment-manager session terminal version",
		"sh":                         "show",
		"sh se":                      "segment-manager session",
		"sh sess":                    "session",
		"sh sess ":                   "lookup proto stats verbose",
		"sh sess s":                  "stats",
		"sh sess p":                  "proto",
		"sh session proto ":          "tcp udp",
		"sh session proto u":         "udp",
		"show ip":                    "ip ip6",
		"show ip ":                   "fib neighbor neighbors",
		"show version ":              "",
		"show nosuch ":               "",
		"show s ":                    "",
		"help sh":                    "show",
		"help show se":               "segment-manager session",
		"help nosuch ":               "",
		"show { ":                    "",
		"show version | ":            "count exclude include json",
		"show version | in":          "include",
		"show version | include ":    "",
		"show version | json | ex":   "exclude",
		"show version | json | inc ": "",
		"bad complete ":              "",
		"set interface i":            "ip",
	} {
		var got []string
		for _, w := range r.Complete(context.Background(), line) {
			if w.Help == "" {
				t.Errorf("%q: %s has no help", line, w.Text)
			}
			got = append(got, w.Text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: got %q, want %q", line, s, want)
		}
	}
}

// TestCompleteUsage: a command that suggests nothing has the keywords of its usage.
func TestCompleteUsage(t *testing.T) {
	r := testRegistry()
	for line, want := range map[string]string{
		"wait ":                     "",
		"echo ":                     "",
		"comment ":                  "",
		"show cli ":                 "clear-hit hit",
		"set terminal pager ":       "limit off on",
		"set terminal pager on ":    "limit off",
		"set terminal pager limit ": "",
		"set terminal pager l":      "limit",
		"set terminal ansi o":       "off on",
	} {
		var got []string
		for _, w := range r.Complete(context.Background(), line) {
			got = append(got, w.Text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: got %q, want %q", line, s, want)
		}
	}
}
