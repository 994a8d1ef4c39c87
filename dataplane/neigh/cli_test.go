package neigh

import (
	"net/netip"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
)

// TestLayout compares with what VPP prints for one neighbour.
func TestLayout(t *testing.T) {
	l := Listing{[]Info{{Age: 2.7929, IP: netip.MustParseAddr("192.168.11.2"), MAC: hdr.MAC{2, 0xfe, 0x85, 0x2e, 0x42, 0x19}, Interface: "memif1/0"}}}
	want := "     Age                       IP                    Flags      Ethernet              Interface       \n" +
		"      2.7929              192.168.11.2                 D    02:fe:85:2e:42:19 memif1/0\n"
	var b strings.Builder
	if err := l.Text(&b, cli.Layout{}); err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}
