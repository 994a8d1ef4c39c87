package pkt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpphost/hoststack/simtest"
	"vpphost/hoststack/tcp/pkt"
)

// TestScripts plays every script against the whole stack, over IPv4 and IPv6; one whose
// name ends in -ip4 or -ip6 over that only.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("../testdata/pkt/*.pkt")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(name)
		s, err := pkt.Parse(base, string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v6 := range []bool{false, true} {
			family, other := "ip4", "-ip6.pkt"
			if v6 {
				family, other = "ip6", "-ip4.pkt"
			}
			if strings.HasSuffix(base, other) {
				continue
			}
			t.Run(strings.TrimSuffix(base, ".pkt")+"/"+family, func(t *testing.T) {
				if err := pkt.Run(s, &simtest.ScriptHost{V6: v6}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
