package tcp

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"vpphost/dataplane/hdr"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestDispatchGolden walks every cell of the table. A change of the file is a change of
// the protocol: read the diff.
func TestDispatchGolden(t *testing.T) {
	var b strings.Builder
	for s := Closed; s < numStates; s++ {
		fmt.Fprintf(&b, "%v\n", s)
		for f := range len(dispatch[s]) {
			name := hdr.TCPFlags(f).String()
			if name == "" {
				name = "-"
			}
			fmt.Fprintf(&b, "  %-24s %v\n", name, dispatch[s][f])
		}
	}
	const file = "testdata/dispatch.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the dispatch table differs from %s; run with -update and look", file)
	}
}

// TestDispatchSanity checks properties that no golden file can get wrong.
func TestDispatchSanity(t *testing.T) {
	for s := Closed; s < numStates; s++ {
		for i := range len(dispatch[s]) {
			f, v := hdr.TCPFlags(i), dispatch[s][i]
			if f&hdr.RST != 0 && (v == vReset || v == vOpen) {
				t.Errorf("%v: a reset is answered (%v)", s, f)
			}
			if f&(hdr.SYN|hdr.FIN) == hdr.SYN|hdr.FIN && s != Closed && s != Listen && v != vDrop {
				t.Errorf("%v: SYN with FIN is taken (%v)", s, f)
			}
			if s > SynSent && f&(hdr.ACK|hdr.SYN|hdr.RST) == 0 && v != vDrop {
				t.Errorf("%v: a segment without ACK is taken (%v)", s, f)
			}
			if v != dispatch[s][f^hdr.PSH] || v != dispatch[s][f^hdr.URG] {
				t.Errorf("%v: PSH or URG decides (%v)", s, f)
			}
		}
	}
}
