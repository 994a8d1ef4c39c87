package netdev

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func run(t *testing.T, line string) string {
	t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// needKernel leaves a test out where scripts/test.sh has said that it cannot run.
func needKernel(t *testing.T) {
	t.Helper()
	if os.Getenv("VPPHOST_NO_KERNEL") != "" {
		t.Skip("VPPHOST_NO_KERNEL is set: no root or no namespaces here")
	}
}

// namespace makes a network namespace of a unique name that goes with the test.
func namespace(t *testing.T) string {
	t.Helper()
	needKernel(t)
	ns := fmt.Sprintf("netdev%d-%s", os.Getpid(), strings.ToLower(t.Name()))
	run(t, "ip netns add "+ns)
	t.Cleanup(func() { run(t, "ip netns del "+ns) })
	return ns
}

func TestLink(t *testing.T) {
	ns := namespace(t)
	run(t, "ip -n "+ns+" link add va type veth peer name vb")
	err := In(ns, func() error {
		a, err := Find("va")
		if err != nil {
			return err
		}
		b, err := FindIndex(a.Peer)
		if err != nil {
			return err
		}
		if a.Kind != "veth" || b.Name != "vb" || a.PeerAway || a.Up || a.MTU != 1500 {
			t.Errorf("va: %+v", a)
		}
		w, err := a.Watch()
		if err != nil {
			return err
		}
		defer w.Close()
		if w.Carrier() {
			t.Error("carrier while down")
		}
		for _, err := range []error{a.SetMAC([6]byte{2, 1, 2, 3, 4, 5}), a.SetMTU(9000), a.SetUp(true), b.SetUp(true),
			a.AddAddr(netip.MustParsePrefix("10.9.8.7/24")), a.AddAddr(netip.MustParsePrefix("fd00::7/64")),
			a.AddDefaultRoute(netip.MustParseAddr("10.9.8.1")), a.AddDefaultRoute(netip.MustParseAddr("fd00::1"))} {
			if err != nil {
				return err
			}
		}
		// The kernel tells of it a moment later.
		for end := time.Now().Add(5 * time.Second); !w.Carrier(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				return errors.New("no carrier while up")
			}
		}
		if a, err = Find("va"); err != nil {
			return err
		}
		if !a.Up || !a.Running || a.MTU != 9000 || a.MAC != [6]byte{2, 1, 2, 3, 4, 5} {
			t.Errorf("va: %+v", a)
		}
		if err := a.AddAddr(netip.MustParsePrefix("10.9.8.7/24")); err == nil || !strings.Contains(err.Error(), "10.9.8.7/24") {
			t.Errorf("the same address twice: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, "ip -n "+ns+" addr show va") + run(t, "ip -n "+ns+" route") + run(t, "ip -n "+ns+" -6 route")
	for _, want := range []string{"10.9.8.7/24", "fd00::7/64", "default via 10.9.8.1 dev va", "default via fd00::1 dev va"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestPeerInAnotherNamespace(t *testing.T) {
	ns := namespace(t)
	run(t, "ip -n "+ns+" link add va type veth peer name vb")
	other := ns + "2"
	run(t, "ip netns add "+other)
	defer run(t, "ip netns del "+other)
	run(t, "ip -n "+ns+" link set vb netns "+other)
	if err := In(ns, func() error {
		l, err := Find("va")
		if err == nil && !l.PeerAway {
			t.Errorf("the peer is not away: %+v", l)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestOffloads(t *testing.T) {
	ns := namespace(t)
	run(t, "ip -n "+ns+" link add va type veth peer name vb")
	read := func() (o Offloads) {
		if err := In(ns, func() error {
			l, err := Find("va")
			if err != nil {
				return err
			}
			o, err = l.Offloads()
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := read(); !o.TxCsum || !o.TSO || !o.GSO {
		t.Errorf("a fresh veth: %+v", o)
	}
	run(t, "ip netns exec "+ns+" ethtool -K va tx off tso off gso off gro on")
	if o := read(); o.TxCsum || o.TSO || o.GSO || !o.GRO {
		t.Errorf("switched off: %+v", o)
	}
}

func TestErrors(t *testing.T) {
	if _, err := Find("nosuchdevice"); !errors.Is(err, ErrNoInterface) {
		t.Errorf("Find: %v", err)
	}
	for _, name := range []string{"", "a-name-that-is-too-long"} {
		if _, err := Find(name); !errors.Is(err, ErrNoInterface) {
			t.Errorf("Find %q: %v", name, err)
		}
	}
	if err := In("nosuchnamespace", func() error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("In: %v", err)
	}
	needKernel(t)
	if err := In(fmt.Sprintf("pid:%d", os.Getpid()), func() error { return os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("In pid: %v", err)
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add(make([]byte, 40))
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 3, 0, 'v', 'a', 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = parseLink(b) })
}
