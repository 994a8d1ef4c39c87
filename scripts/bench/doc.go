// Command bench measures vpphost beside VPP's own C stack and the Linux kernel, all in
// one run. "make bench" runs it; with PEER_VPP=<prefix> it finds bin/vpp there.
//
// A row is one thing that is measured, a contender is who is measured: two instances of
// vpphost; two of VPP, in its default and in its best configuration; two network
// namespaces of the kernel, with segmentation offloads and without. Each side is one
// process on one core. The contenders take turns within a row, and only the one whose
// turn it is runs: the others are stopped (SIGSTOP).
//
//	main.go     flags, the order of things
//	rows.go     what is measured
//	stack.go    a contender that speaks VPP's command line: pairs of instances
//	host.go     one instance: process, socket, what it used
//	measure.go  how a pair is measured
//	ours.go     what is special about vpphost's configuration, and
//	vpp.go      about VPP's
//	words.go    what both print, read by the same code
//	web.go      HTTP: requests and objects
//	relay.go    through a proxy
//	start.go    start to prompt
//	veth.go     namespaces joined by veth
//	kernel.go   the kernel as a contender
//	peer.go     the programs that it is measured with, beside iperf3
//	probe.go    how far the cores are from each other
//	usage.go    CPU time and memory of a process
//	report.go   samples, medians, CSV
//	table.go    the tables on standard output
//	chart.go    the chart
//
// Every ratio is written so that above 1 is better for us. Shared machines move virtual
// cores about: before and after each run the time that a cache line takes between the two
// cores is probed, and a run counts as near or far by it. A ratio is of medians over runs
// of one class, the one that both have most of. Runs whose process waited for its core
// more than 5 % of the time are set aside while there are others.
//
// The figures are what the tests print themselves. VPP's bytes/second wraps at 2^32 and is
// put right by bytes and seconds (words.go). Where a VPP hangs, as it does when it echoes
// on ten streams, the run counts as stuck after its time-out and the pair is started anew.
//
// The table goes to standard output, every single run to bench-out/bench.csv, and a chart
// drawn from that file to bench-out/bench.svg.
package main
