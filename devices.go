package main

import (
	"vpphost/dataplane/device"
	"vpphost/dataplane/device/memif"
	"vpphost/dataplane/ports"
)

// openers are the drivers behind the commands that create interfaces.
func (in *instance) openers() ports.Openers {
	return ports.Openers{
		MemifSocket: memifSocket(),
		Memif: func(o ports.MemifOptions) (device.Device, error) {
			return memif.Open(memif.Options{ID: o.ID, SocketPath: o.SocketPath, Master: o.Master,
				RingSize: o.RingSize, BufferSize: o.BufferSize, ZeroCopy: o.ZeroCopy, Secret: o.Secret,
				MAC: o.MAC, RxQ: o.RxQueues, TxQ: o.TxQueues}, in.pool)
		},
	}
}
