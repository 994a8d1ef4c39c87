package device

// Ringer is a Device without WakeFDs whose receive queues, each a Bell, can be asked to
// wake a sleeping worker. Bells are the descriptors, one for each receive queue, that
// become readable when packets come to a queue that was armed, or when something else
// has happened that a poll should look at.
type Ringer interface {
	Bells() []int
}

// Bell is a receive queue of a Ringer. Arm asks for the signal; the next RxBurst takes
// the request back. It returns false when packets wait already: then the worker must
// poll, not sleep. It is called on the worker of the queue, just before it sleeps.
type Bell interface {
	RxQueue
	Arm() bool
}
