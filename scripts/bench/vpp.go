package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// newVPPs are the contenders of a VPP that is installed below prefix: as it is when
// nothing is said, and in the configuration that was found to be its best.
func newVPPs(prefix string, cpu [2]int, huge bool) ([]contender, error) {
	bin := filepath.Join(prefix, "bin", "vpp")
	if _, err := os.Stat(bin); err != nil {
		return nil, fmt.Errorf("PEER_VPP: %w", err)
	}
	plugins := ""
	for _, pattern := range []string{"lib/*/vpp_plugins", "lib/vpp_plugins", "lib64/vpp_plugins"} {
		if m, _ := filepath.Glob(filepath.Join(prefix, pattern)); len(m) > 0 {
			plugins = m[0]
		}
	}
	var out []contender
	for _, best := range []bool{false, true} {
		v := vppProgram(bin, plugins, best, huge)
		// VPP's client has no requests: its server answers ours.
		asker := ourProgram(huge)
		s := &stack{label: "VPP", cpu: cpu, programs: func(r *row) [2]*program {
			switch {
			case r.kind == request || r.kind == relay:
				return [2]*program{v, asker}
			case r.wrk:
				return [2]*program{v, nil}
			case r.inside || r.fresh: // its scopes are of another grammar, its client keeps connections
				return [2]*program{}
			}
			return [2]*program{v, v}
		}}
		if best {
			s.label = "VPP best"
		}
		s.start = func() (float64, error) {
			var shared string
			defer func() { removeShared(shared) }()
			return startToPrompt(func(dir string) []string {
				shared = filepath.Base(dir)
				conf := filepath.Join(dir, "startup.conf")
				_ = os.WriteFile(conf, []byte(fmt.Sprintf("unix { interactive runtime-dir %s/run cli-listen %s/cli.sock }\n", dir, dir)+
					v.config(&row{mtu: 1500}, cpu[0], filepath.Base(dir))), 0o600)
				return []string{bin, "-c", conf}
			})
		}
		out = append(out, s)
	}
	return out, nil
}

// vppProgram runs everything on the main thread, which polls. It gets no DPDK, for which
// there is no device here, and pages like ours.
func vppProgram(bin, plugins string, best, huge bool) *program {
	p := &program{bin: bin, ready: func(ifc string) []string {
		return []string{"set interface rx-mode " + ifc + " polling"}
	}}
	page := "default"
	if huge {
		page = "default-hugepage"
	}
	p.config = func(r *row, cpu int, id string) string {
		buffers, tcp := "", ""
		if best {
			buffers = " buffers-per-numa 65536"
			if r.mtu > 1500 && huge { // VPP's buffers must fit a page
				buffers += " default data-size 9216"
			}
		}
		if r.mtu > 1500 {
			tcp = fmt.Sprintf("tcp { mtu %d }\n", r.mtu)
		}
		if r.large {
			tcp = "tcp { tso }\n"
		}
		return fmt.Sprintf("cpu { main-core %d }\nmemory { main-heap-page-size %s }\nbuffers { page-size %s%s }\n"+
			"%sapi-segment { prefix %s }\nplugins { path %s plugin dpdk_plugin.so { disable } }\n",
			cpu, page, page, buffers, tcp, id, plugins)
	}
	if best {
		p.memifWords = func(r *row) string {
			if r.mtu > 1500 && huge {
				return " no-zero-copy buffer-size 9216"
			}
			return " no-zero-copy"
		}
	}
	return p
}
