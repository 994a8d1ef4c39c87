// Package simtest runs several whole stacks over simulated wires on virtual time.
//
//	World                     one virtual clock
//	  Host  Host  …           each a stack as main.go builds it: workers, interfaces,
//	    │     │               ip, sessions, tcp; stepped by hand, on one thread
//	    └─────┴─ sim.Wire     delay, rate, loss, reordering, duplication, corruption
//	          │
//	        Checker           looks at every frame from outside
//
// World.Run lets every worker make Steps until none has anything to do, then jumps to
// the next thing that happens: a frame arrives, a timer fires. An hour of connection
// costs what its packets cost. All chance comes from one seed, so that the same
// test does the same in every run, and figures (goodput, fairness) can be compared
// exactly with tables in testdata.
//
// Applications are Plans: what one end of a session sends, expects and when it closes;
// App plays them and verifies every byte that comes. When a World is closed it makes sure
// that nothing is left: no session, connection, timer, FIFO chunk or packet buffer.
//
// A difference to testdata/*.txt is a change of behaviour: look at it, and run with
// -update when it is meant. -seeds and -from have the sweeps look further.
//
// ScriptHost (scripthost.go, scriptapp.go) puts one Host behind the interface that packet scripts (hoststack/tcp/pkt)
// drive.
package simtest
