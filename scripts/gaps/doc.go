// Command gaps is a worker that does nothing: it reads the clock on one core and prints
// the gaps between two readings as "show runtime" does. What it sees is taken from every
// program on that core: by the kernel, or by a hypervisor that lends its core to somebody
// else, of which the kernel below knows nothing.
//
//	gaps <core> <seconds>
package main
