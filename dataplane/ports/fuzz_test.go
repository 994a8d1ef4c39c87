package ports

import (
	"errors"
	"math/bits"
	"testing"

	"vpphost/cli"
)

// Whatever is typed, the parsers fail as usage errors or give options within bounds.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"id 1 socket-id 2 secret x ring-size 64 rx-queues 2 master hw-addr 02:00:00:00:00:01",
		"name eth0 rx-size 16 mode ethernet", "id 3 host-ip4-addr 10.0.0.1/8 gso gro-coalesce host-mtu-size 9000 if-name x"} {
		f.Add(s)
	}
	power := func(n int) bool { return n >= 2 && bits.OnesCount(uint(n)) == 1 }
	f.Fuzz(func(t *testing.T, s string) {
		check := func(what string, err error, ok bool) {
			if err != nil && !errors.Is(err, cli.ErrUsage) || err == nil && !ok {
				t.Errorf("%s %q: %v", what, s, err)
			}
		}
		m, err := parseMemif(cli.NewInput(s))
		check("memif", err, power(m.RingSize) && m.RingSize <= maxRingSize && m.RxQueues >= 1 && m.TxQueues <= maxQueues &&
			len(m.Secret) <= maxSecret && !m.MAC.IsGroup() && m.BufferSize <= 65535)
		h, err := parseHost(cli.NewInput(s))
		check("host", err, h.Name != "" && len(h.Name) <= maxIfName && h.RxQueues >= 1)
		p, err := parseTap(cli.NewInput(s))
		check("tap", err, power(p.RxRing) && power(p.TxRing) && p.ID >= -1 && p.ID < maxTapID && len(p.HostName) <= maxIfName &&
			(!p.HostIP4.IsValid() || p.HostIP4.Addr().Is4()) && (!p.GROCoalesce || p.GSO))
	})
}
