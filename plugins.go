package main

import (
	"fmt"
	"io"
	"strings"

	"vpphost/cli"
)

// plugin is a part of the program that is a plugin in VPP. Here all are built in.
type plugin struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

// plugins are the parts, under the names that VPP's plugins have.
var plugins = [...][2]string{
	{"af_packet", "af_packet: kernel interfaces, by a driver of our own or DPDK's"},
	{"dpdk", "DPDK: network cards and virtual devices"},
	{"memif", "memif: packet rings in shared memory, between processes"},
	{"ping", "ping"},
	{"tap", "tap: interfaces of the kernel, by DPDK's driver"},
	{"vperf", "test echo server and client (vperf)"},
}

type pluginList []plugin

// Text writes VPP's layout.
func (l pluginList) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	b.WriteString(" All plugins are built in\n\n")
	fmt.Fprintf(&b, "     %-40s %-32s %s\n", "Plugin", "Version", "Description")
	for i, p := range l {
		fmt.Fprintf(&b, "%3d. %-40s %-32s %s\n", i+1, p.Name, p.Version, p.Description)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// pluginsCommand is "show plugins".
func pluginsCommand() *cli.Command {
	return &cli.Command{
		Path: "show plugins",
		Help: "Show what is built in of what VPP has as plugins",
		Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
			var l pluginList
			for _, p := range plugins {
				l = append(l, plugin{p[0], version, p[1]})
			}
			return l, nil
		},
	}
}
