package worker

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"vpphost/cli"
)

// CPUInfo is what "show cpu" shows.
type CPUInfo struct {
	Model  string   `json:"model"`
	Micro  string   `json:"microarchitecture"`
	Flags  []string `json:"flags"`
	Hz     float64  `json:"baseHz"`
	Number int      `json:"cpus"`
}

// readCPU reads /proc/cpuinfo once.
var readCPU = sync.OnceValue(func() *CPUInfo {
	data, _ := os.ReadFile("/proc/cpuinfo")
	return parseCPU(string(data))
})

func parseCPU(text string) *CPUInfo {
	c := &CPUInfo{Flags: []string{}}
	first := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "processor" {
			c.Number++
		}
		if _, ok := first[name]; !ok {
			first[name] = value
		}
	}
	hex := func(s string) string {
		n, _ := strconv.Atoi(s)
		return fmt.Sprintf("0x%02x", n)
	}
	c.Model = first["model name"]
	c.Micro = fmt.Sprintf("%s (family %s model %s stepping %s)", first["vendor_id"], hex(first["cpu family"]), hex(first["model"]), hex(first["stepping"]))
	c.Flags = append(c.Flags, strings.Fields(first["flags"])...)
	mhz, _ := strconv.ParseFloat(first["cpu MHz"], 64)
	c.Hz = mhz * 1e6
	return c
}

// clocksPerNs turns our nanoseconds into the clocks that VPP prints.
func clocksPerNs() float64 {
	if hz := readCPU().Hz; hz > 0 {
		return hz / 1e9
	}
	return 1
}

// Text writes VPP's layout.
func (c *CPUInfo) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintf(w, "%-25s %s\n%-25s %s\n%-25s %s\n%-25s %.4f GHz\n", "Model name:", c.Model,
		"Microarch model (family):", c.Micro, "Flags:", strings.Join(c.Flags, " "), "Base frequency:", c.Hz/1e9)
	return err
}

func showCPU() *cli.Command {
	return &cli.Command{
		Path: "show cpu",
		Help: "Show CPU information",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			return readCPU(), nil
		},
	}
}

// Build says what program this is and how it was made.
type Build struct {
	Program  string `json:"program"`
	Version  string `json:"version"`
	User     string `json:"compiledBy"`
	Host     string `json:"compileHost"`
	Date     string `json:"compileDate"`
	Location string `json:"compileLocation"`
	Compiler string `json:"compiler"`
}

// version is what "show version" shows.
type version struct {
	Build
	PID     int      `json:"pid"`
	Args    []string `json:"args"`
	verbose bool
	cmdline bool
}

// Line is the program's version in one line, as -v prints it.
func (b *Build) Line() string {
	s := b.Program + " v" + strings.TrimPrefix(b.Version, "v")
	for _, x := range [...]struct{ word, value string }{{"by", b.User}, {"on", b.Host}, {"at", b.Date}} {
		if x.value == "" {
			continue
		}
		if !strings.Contains(s, " built ") {
			s += " built"
		}
		s += " " + x.word + " " + x.value
	}
	return s
}

// Text writes VPP's layout.
func (v *version) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if v.verbose {
		for _, x := range [...]struct{ label, value string }{{"Version:", "v" + strings.TrimPrefix(v.Version, "v")},
			{"Compiled by:", v.User}, {"Compile host:", v.Host}, {"Compile date:", v.Date},
			{"Compile location:", v.Location}, {"Compiler:", v.Compiler}, {"Current PID:", strconv.Itoa(v.PID)}} {
			if x.value != "" {
				fmt.Fprintf(&b, "%-25s %s\n", x.label, x.value)
			}
		}
	}
	if v.cmdline {
		b.WriteString("Command line arguments:\n")
		for _, a := range v.Args {
			fmt.Fprintf(&b, "  %s\n", a)
		}
	}
	if !v.verbose && !v.cmdline {
		b.WriteString(v.Line() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// VersionCommand is "show version".
func VersionCommand(b Build) *cli.Command {
	return &cli.Command{
		Path:  "show version",
		Usage: "[verbose] [cmdline]",
		Help:  "Show version information",
		Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
			v := &version{Build: b, PID: os.Getpid(), Args: os.Args}
			for !in.Done() {
				switch {
				case in.Match("verbose"):
					v.verbose = true
				case in.Match("cmdline"):
					v.cmdline = true
				default:
					return nil, in.Unknown()
				}
			}
			return v, nil
		},
	}
}
