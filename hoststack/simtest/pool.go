package simtest

import (
	"fmt"
	"sync"

	"vpphost/dataplane/device/sim"
	"vpphost/dataplane/pkt"
)

// Making a pool costs more than most tests, as every page of it is touched for the first
// time. Pools that came back whole are kept for the next World.
var spare struct {
	sync.Mutex
	pools map[poolKey][]pkt.Pool
}

type poolKey struct {
	n, room int
	trust   bool
}

// takePool makes a pool of n buffers. Unless it is to trust its users, it catches misuse
// (see sim.Pool), which costs as much as all the rest.
func takePool(n, room int, trust bool) (pkt.Pool, error) {
	spare.Lock()
	defer spare.Unlock()
	key := poolKey{n, room, trust}
	list := spare.pools[key]
	switch {
	case len(list) > 0:
		spare.pools[key] = list[:len(list)-1]
		return list[len(list)-1], nil
	case trust:
		return pkt.NewMapPool(fmt.Sprintf("trust-%d", n), n, room)
	}
	return sim.NewPool(fmt.Sprintf("sim-%d", n), n, room)
}

// givePool takes a pool back and tells how many buffers are missing.
func givePool(p pkt.Pool) (missing int) {
	total, free := p.Usage()
	if free != total {
		return total - free // who has them may still write into them
	}
	_, suspicious := p.(*sim.Pool)
	key := poolKey{total, p.Room(), !suspicious}
	spare.Lock()
	defer spare.Unlock()
	if spare.pools == nil {
		spare.pools = map[poolKey][]pkt.Pool{}
	}
	spare.pools[key] = append(spare.pools[key], p)
	return 0
}
