package main

import "fmt"

// newOurs is vpphost, bin/vpphost.
func newOurs(cpu [2]int, huge bool) *stack {
	p := ourProgram(huge)
	return &stack{label: "vpphost", cpu: cpu,
		programs: func(r *row) [2]*program {
			if r.wrk {
				return [2]*program{p, nil}
			}
			return [2]*program{p, p}
		},
		start: func() (float64, error) {
			return startToPrompt(func(dir string) []string {
				return []string{p.bin, "unix", "{", "interactive", "runtime-dir", dir, "cli-listen", dir + "/cli.sock", "}"}
			})
		}}
}

func ourProgram(huge bool) *program {
	return &program{bin: "bin/vpphost", ours: true, config: func(r *row, cpu int, _ string) string {
		conf := fmt.Sprintf("cpu { corelist-workers %d }\n", cpu)
		if !huge {
			conf += "dpdk { no-hugetlb }\n"
		}
		if r.mtu > 1500 {
			conf += "buffers { default data-size 9216 }\n"
		}
		return conf
	}}
}
