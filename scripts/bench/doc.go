// Command bench measures two vpphost instances over memif, and beside them, in the
// same run, the Linux kernel over a veth pair. "make bench" runs it.
//
// Each side is one process pinned to one core. Every row is measured several times,
// ours and the kernel's in turn, and the median is printed with the ratio of the two
// (above 1 is better for us). Shared machines move virtual cores about: before and
// after each run the time that a cache line takes between the two cores is probed, and
// a run counts as near or far by it. Medians are taken over the runs of one class, the
// one that both sides have most of, and the class is printed.
//
// The table goes to standard output, and to bench-out/bench.csv with every single run.
package main
