// Package sim is a simulated wire: two device ends in memory, joined by a link
// that delays, limits, loses, reorders, duplicates and corrupts frames as told.
//
//	end 0 ──TxBurst──► lane 0: hook, queue, line rate, loss, delay ──RxBurst──► end 1
//	end 1 ──TxBurst──► lane 1: the same with settings of its own  ──RxBurst──► end 0
//
// A Net holds the clock of any number of wires. Tests set it by hand (SetNow) and
// jump to the next thing that happens (Next), so that a minute of slow link costs
// microseconds; RealTime has the wires follow a clock instead, for workers on
// threads of their own. All chance comes from the seed of the Net: the same calls
// in the same order give the same frames.
//
// Ownership: TxBurst copies what it accepts and frees it to the pool of the sending
// end; RxBurst hands out buffers of the receiving end's pool. No buffer crosses, so a
// stack that keeps using what it gave away sees it. Pool in this package poisons and
// checks what is freed.
//
// The ends may be polled from different threads; everything else is for the test
// that drives them. In steady state nothing is allocated on the Go heap.
package sim
