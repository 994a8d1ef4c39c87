package main

import (
	"errors"
	"fmt"
	"strings"

	"vpphost/dataplane/device"
	"vpphost/dataplane/device/afpacket"
	"vpphost/dataplane/device/memif"
	"vpphost/dataplane/device/tap"
	"vpphost/dataplane/device/vdev"
	"vpphost/dataplane/ports"
)

// openers are the drivers behind the commands that create interfaces.
func (in *instance) openers() ports.Openers {
	return ports.Openers{MemifSocket: memifSocket(), Memif: in.openMemif, Host: in.openHost, Tap: in.openTap}
}

func (in *instance) openMemif(o ports.MemifOptions) (device.Device, error) {
	return memif.Open(memif.Options{ID: o.ID, SocketPath: o.SocketPath, Master: o.Master,
		RingSize: o.RingSize, BufferSize: o.BufferSize, Secret: o.Secret,
		MAC: o.MAC, RxQ: o.RxQueues, TxQ: o.TxQueues}, in.pool)
}

// dpdkHost is an af_packet device of DPDK's with what was found when it was opened.
type dpdkHost struct {
	*afpacket.DPDK
	warnings []string
}

func (d dpdkHost) Warnings() []string { return d.warnings }

func (in *instance) openHost(o ports.HostOptions) (device.Device, error) {
	opts := afpacket.Options{Interface: o.Name, MAC: o.MAC,
		Queues: max(o.RxQueues, o.TxQueues), Frames: max(o.RxSize, o.TxSize),
		QueueingDiscipline: o.NoQdiscBypass, NoOffload: o.NoOffload}
	if !o.DPDK {
		// Not returned as it is: a nil *Device is not a nil device.Device.
		d, err := afpacket.Open(opts, in.pool)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	d, warnings, err := afpacket.OpenDPDK(opts, in.pool)
	if err != nil {
		return nil, err
	}
	return dpdkHost{d, warnings}, nil
}

func (in *instance) openTap(o ports.TapOptions) (device.Device, error) {
	return tap.Open(tap.Options{ID: uint32(o.ID), MAC: o.MAC, HostIfName: o.HostName, HostNS: o.HostNS,
		HostMAC: o.HostMAC, HostIP4: o.HostIP4, HostIP6: o.HostIP6, HostGW: o.HostGW4, HostGW6: o.HostGW6,
		HostMTU: o.HostMTU, Queues: max(o.RxQueues, o.TxQueues)}, in.pool)
}

// addConfigured makes interfaces of the devices that startup.conf names: virtual ones
// and network cards.
func (in *instance) addConfigured() error {
	d := &in.conf.DPDK
	for _, v := range d.Vdevs {
		name, _, _ := strings.Cut(v, ",")
		if err := in.addPort(name, vdev.Options{Name: name}); err != nil {
			return err
		}
	}
	for _, dev := range d.Devs {
		dev = d.Resolve(dev)
		name := dev.Name
		if name == "" {
			name = dev.PCI
		}
		err := in.addPort(name, vdev.Options{Name: dev.PCI, Args: dev.DevArgs, RxQ: dev.RxQueues,
			TxQ: dev.TxQueues, RxDesc: dev.RxDesc, TxDesc: dev.TxDesc})
		if err != nil {
			return err
		}
	}
	return nil
}

// addPort makes the interface name over a port that EAL has made at the start.
func (in *instance) addPort(name string, o vdev.Options) error {
	d, err := vdev.Open(o, in.pool)
	if err != nil {
		return fmt.Errorf("dpdk: %s: %w", o.Name, err)
	}
	if err := d.Start(); err != nil {
		return fmt.Errorf("dpdk: %s: %w", o.Name, errors.Join(err, d.Close()))
	}
	i, err := in.ifs.Add(name, "dpdk", d)
	if err != nil {
		return fmt.Errorf("dpdk: %s: %w", o.Name, errors.Join(err, d.Stop(), d.Close()))
	}
	in.undo = append(in.undo, func() { _ = in.ifs.Delete(i) })
	return nil
}
