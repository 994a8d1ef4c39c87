package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// arrows are the imports between layers that the design allows: a package whose path
// starts with the key may import those whose path starts with one of the values, and
// packages of its own key. The longest key wins. What is not listed may import
// nothing of the module.
var arrows = map[string][]string{
	"":                    {""}, // main wires everything
	"scripts":             {"cli", "dataplane/worker"},
	"apps":                {"hoststack/session", "hoststack/netconn", "hoststack/http", "hoststack/transport", "hoststack/fifo", "hoststack/datagram", "dataplane/worker", "dataplane/mem", "cli"},
	"hoststack/http":      {"hoststack/session", "hoststack/transport", "hoststack/fifo", "dataplane/worker", "dataplane/mem", "cli"},
	"hoststack/netconn":   {"hoststack/session", "hoststack/transport", "hoststack/fifo", "hoststack/datagram", "dataplane/worker", "cli"},
	"hoststack/session":   {"hoststack/transport", "hoststack/fifo", "hoststack/datagram", "hoststack/flow", "dataplane/worker", "dataplane/pkt", "dataplane/mem", "dataplane/stats", "dataplane/hdr", "cli"},
	"hoststack/tcp":       {"hoststack/transport", "hoststack/fifo", "hoststack/flow", "dataplane/pkt", "dataplane/hdr", "dataplane/worker", "dataplane/ip", "dataplane/mem", "dataplane/stats", "cli"},
	"hoststack/tcp/cc":    {},
	"hoststack/udp":       {"hoststack/transport", "hoststack/fifo", "hoststack/datagram", "hoststack/flow", "dataplane/pkt", "dataplane/hdr", "dataplane/worker", "dataplane/ip", "dataplane/mem", "dataplane/stats", "cli"},
	"hoststack/datagram":  {"hoststack/fifo", "dataplane/hdr"},
	"hoststack/ct":        {"hoststack/transport", "hoststack/flow", "dataplane/worker", "dataplane/hdr", "dataplane/mem"},
	"hoststack/flow":      {"hoststack/transport", "dataplane/mem", "dataplane/hdr", "dataplane/pkt", "dataplane/worker"},
	"hoststack/transport": {"hoststack/fifo", "dataplane/pkt", "dataplane/worker", "dataplane/mem"},
	"hoststack/fifo":      {"dataplane/pkt", "dataplane/worker", "dataplane/mem"},
	"hoststack/simtest":   {"hoststack", "dataplane", "cli"},
	"dataplane/ports":     {"dataplane", "cli"},
	"dataplane/ip":        {"dataplane/iface", "dataplane/fib", "dataplane/neigh", "dataplane/trace", "dataplane/pkt", "dataplane/hdr", "dataplane/device", "dataplane/worker", "dataplane/stats", "dataplane/mem", "cli"},
	"dataplane/fib":       {"dataplane/iface", "dataplane/neigh", "dataplane/trace", "dataplane/pkt", "dataplane/hdr", "dataplane/device", "dataplane/worker", "dataplane/stats", "dataplane/mem", "cli"},
	"dataplane/neigh":     {"dataplane/iface", "dataplane/trace", "dataplane/pkt", "dataplane/hdr", "dataplane/device", "dataplane/worker", "dataplane/stats", "dataplane/mem", "cli"},
	"dataplane/iface":     {"dataplane/trace", "dataplane/pkt", "dataplane/hdr", "dataplane/device", "dataplane/worker", "dataplane/stats", "dataplane/mem", "cli"},
	"dataplane/trace":     {"dataplane/pkt", "dataplane/hdr", "dataplane/device", "dataplane/worker", "dataplane/stats", "dataplane/mem", "cli"},
	"dataplane/device":    {"dataplane/pkt", "dataplane/dpdk", "dataplane/stats", "dataplane/mem"},
	"dataplane/dpdk":      {"dataplane/pkt", "dataplane/mem", "dataplane/device"},
	"dataplane/worker":    {"dataplane/pkt", "dataplane/hdr", "dataplane/mem", "dataplane/stats", "cli"},
	"dataplane/stats":     {"dataplane/pkt", "dataplane/hdr", "dataplane/mem", "dataplane/worker", "cli"},
	"dataplane/pkt":       {"dataplane/mem", "dataplane/hdr"},
	"dataplane/hdr":       {"dataplane/mem"},
	"dataplane/mem":       {},
	"cli":                 {},
}

// thirdParty names the libraries that only one package may import: each stays
// replaceable.
var thirdParty = map[string]string{
	"github.com/c-bata/go-prompt":       "cli/shell",
	"github.com/olekukonko/tablewriter": "cli/table",
	"github.com/guptarohit/asciigraph":  "cli/plot",
}

type goPackage struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func modulePackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func under(path, prefix string) bool {
	return prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestImportDirection(t *testing.T) {
	for _, p := range modulePackages(t) {
		own := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "vpphost"), "/")
		key, found := "", own == ""
		for k := range arrows {
			if k != "" && under(own, k) && len(k) > len(key) {
				key, found = k, true
			}
		}
		if !found {
			t.Errorf("%s belongs to no layer: add it to the arrows, and to the design", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			for lib, only := range thirdParty {
				if under(imp, lib) && own != only {
					t.Errorf("%s imports %s, which belongs behind %s", p.ImportPath, imp, only)
				}
			}
			to, inside := strings.CutPrefix(imp, "vpphost/")
			if !inside || under(to, key) && key != "" {
				continue
			}
			ok := false
			for _, v := range arrows[key] {
				ok = ok || under(to, v)
			}
			if !ok {
				t.Errorf("%s may not import %s", p.ImportPath, imp)
			}
		}
	}
}

func TestEveryPackageHasDoc(t *testing.T) {
	for _, p := range modulePackages(t) {
		if p.ImportPath == "vpphost" || len(p.GoFiles) == 0 {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", p.ImportPath)
		}
	}
}
