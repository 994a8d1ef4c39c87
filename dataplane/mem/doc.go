// Package mem hands out memory that the Go runtime neither scans nor moves.
//
// Everything that a worker touches per packet lives here: packet buffers,
// burst arrays, connections, sessions, timers, FIFO bytes. Such memory costs
// the garbage collector nothing, keeps its address, may be passed to C without
// a check, and goes back to the kernel when it is no longer used.
//
// A Region is one anonymous mapping, reserved at its maximum size but backed
// by the kernel only where it is touched (MAP_NORESERVE). A Pool divides a
// Region into equal slots of one pointer-free type, named by a 32-bit index;
// index 0 is never given out, so that zero can mean "none". It fills from below, and
// gives back the pages of what has become empty. Usage tells how much of all that is in
// memory. A Ring is a queue of such indexes.
//
// Ownership: a Region belongs to whoever made it and is unmapped by Close. A
// Pool has one user, its worker; nothing here is safe for concurrent use.
package mem
