package ports

import (
	"fmt"
	"io"
	"math/bits"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/device"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/iface"
)

// Commands are the commands of this package.
func Commands(m *Manager) []*cli.Command {
	return []*cli.Command{
		createMemif(m), deleteMemif(m), createSocket(m), deleteSocket(m), showMemif(m),
		createHost(m), deleteHost(m),
		createTap(m), deleteTap(m), showTap(m),
	}
}

// number consumes a number of at least lo and at most hi.
func number(in *cli.Input, what string, v *int, lo, hi int) error {
	probe := *in
	if !probe.Int(v) || *v < lo || *v > hi {
		return in.Expect(fmt.Sprintf("%s of %d to %d", what, lo, hi))
	}
	*in = probe
	return nil
}

// ringSize consumes a power of two.
func ringSize(in *cli.Input, v *int, limit int) error {
	probe := *in
	if err := number(&probe, "a ring size", v, 2, limit); err != nil {
		return err
	}
	if bits.OnesCount(uint(*v)) != 1 {
		return in.Expect("a ring size that is a power of 2")
	}
	*in = probe
	return nil
}

// macAddr consumes the address of one station.
func macAddr(in *cli.Input, v *hdr.MAC) error {
	probe := *in
	if !probe.MAC((*[6]byte)(v)) || v.IsGroup() || v.IsZero() {
		return in.Expect("the MAC address of one station")
	}
	*in = probe
	return nil
}

// linuxName consumes the name of a Linux network interface.
func linuxName(in *cli.Input, v *string) error {
	probe := *in
	if !probe.Word(v) || *v == "" || len(*v) > maxIfName || strings.ContainsAny(*v, "/ \t:") || *v == "." || *v == ".." {
		return in.Expect(fmt.Sprintf("the name of a network interface, at most %d characters", maxIfName))
	}
	*in = probe
	return nil
}

// keywords suggests words that are not there yet, or what a keyword that waits for its
// value wants.
func keywords(values map[string]func() []cli.Word, words ...string) func(*cli.Ctx, *cli.Input) []cli.Word {
	return func(c *cli.Ctx, in *cli.Input) (out []cli.Word) {
		typed := strings.Fields(in.Rest())
		if n := len(typed); n > 0 {
			if f, ok := values[typed[n-1]]; ok {
				if f == nil {
					return nil
				}
				return f()
			}
		}
	next:
		for _, w := range words {
			for _, t := range typed {
				if t == w {
					continue next
				}
			}
			out = append(out, cli.Word{Text: w})
		}
		return out
	}
}

// names suggests the interfaces of a kind.
func (m *Manager) names(kind string) func() []cli.Word {
	return func() (words []cli.Word) {
		for _, i := range m.ifs.All() {
			if i.Kind == kind {
				words = append(words, cli.Word{Text: i.Name})
			}
		}
		return words
	}
}

// one parses the name of an interface of a kind.
func (m *Manager) one(in *cli.Input, kind string) (*iface.Interface, error) {
	i, err := m.ifs.Parse(in)
	if err != nil {
		return nil, err
	}
	if i.Kind != kind {
		return nil, cli.Usagef("%s: %w", i.Name, ErrWrongKind)
	}
	return i, nil
}

// Warner is a device that found something at creation that the user should know.
type Warner interface {
	// Warnings are sentences, each with what to do.
	Warnings() []string
}

// Created is a new interface.
type Created struct {
	Name     string   `json:"name"`
	Warnings []string `json:"warnings,omitempty"`
}

// Text prints the name, as VPP does, and what the user should know.
func (c Created) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	fmt.Fprintln(&b, c.Name)
	for _, t := range c.Warnings {
		fmt.Fprintln(&b, "warning:", t)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// created tells of a new interface.
func created(i *iface.Interface, err error) (cli.Result, error) {
	if err != nil {
		return nil, err
	}
	c := Created{Name: i.Name}
	if d, ok := i.Dev.(Warner); ok {
		c.Warnings = d.Warnings()
	}
	return c, nil
}

// details are what the device says, never nil.
func details(i *iface.Interface) []device.Detail {
	return append([]device.Detail{}, i.Dev.Details()...)
}
