package dpdk

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"vpphost/dataplane/pkt"
)

// field is one member of the buffer as Go sees it.
type field struct {
	name       string
	off, bytes uintptr
}

// layout lists pkt.Buf in the order of dp_layout (mempool.c).
func layout() []field {
	var b pkt.Buf
	var m pkt.Meta
	return []field{
		{"buf_addr", unsafe.Offsetof(b.BufAddr), unsafe.Sizeof(b.BufAddr)},
		{"buf_iova", unsafe.Offsetof(b.BufIova), unsafe.Sizeof(b.BufIova)},
		{"data_off", unsafe.Offsetof(b.DataOff), unsafe.Sizeof(b.DataOff)},
		{"refcnt", unsafe.Offsetof(b.RefCnt), unsafe.Sizeof(b.RefCnt)},
		{"nb_segs", unsafe.Offsetof(b.NbSegs), unsafe.Sizeof(b.NbSegs)},
		{"port", unsafe.Offsetof(b.Port), unsafe.Sizeof(b.Port)},
		{"ol_flags", unsafe.Offsetof(b.OlFlags), unsafe.Sizeof(b.OlFlags)},
		{"packet_type", unsafe.Offsetof(b.PacketType), unsafe.Sizeof(b.PacketType)},
		{"pkt_len", unsafe.Offsetof(b.PktLen), unsafe.Sizeof(b.PktLen)},
		{"data_len", unsafe.Offsetof(b.DataLen), unsafe.Sizeof(b.DataLen)},
		{"vlan_tci", unsafe.Offsetof(b.VlanTCI), unsafe.Sizeof(b.VlanTCI)},
		{"hash.rss", unsafe.Offsetof(b.RSS), unsafe.Sizeof(b.RSS)},
		{"vlan_tci_outer", unsafe.Offsetof(b.VlanOuter), unsafe.Sizeof(b.VlanOuter)},
		{"buf_len", unsafe.Offsetof(b.BufLen), unsafe.Sizeof(b.BufLen)},
		{"pool", unsafe.Offsetof(b.Pool), unsafe.Sizeof(b.Pool)},
		{"next", unsafe.Offsetof(b.Next), unsafe.Sizeof(b.Next)},
		{"tx_offload", unsafe.Offsetof(b.TxOffload), unsafe.Sizeof(b.TxOffload)},
		{"shinfo", unsafe.Offsetof(b.ShInfo), unsafe.Sizeof(b.ShInfo)},
		{"priv_size", unsafe.Offsetof(b.PrivSize), unsafe.Sizeof(b.PrivSize)},
		{"timesync", unsafe.Offsetof(b.TimeSync), unsafe.Sizeof(b.TimeSync)},
		{"meta arrived", unsafe.Offsetof(m.Arrived), unsafe.Sizeof(m.Arrived)},
		{"meta iface", unsafe.Offsetof(m.Iface), unsafe.Sizeof(m.Iface)},
		{"meta hash", unsafe.Offsetof(m.Hash), unsafe.Sizeof(m.Hash)},
		{"meta trace", unsafe.Offsetof(m.Trace), unsafe.Sizeof(m.Trace)},
		{"meta conn", unsafe.Offsetof(m.Conn), unsafe.Sizeof(m.Conn)},
		{"meta l3", unsafe.Offsetof(m.L3), unsafe.Sizeof(m.L3)},
		{"meta l4", unsafe.Offsetof(m.L4), unsafe.Sizeof(m.L4)},
		{"meta l4 length", unsafe.Offsetof(m.L4Len), unsafe.Sizeof(m.L4Len)},
		{"meta flags", unsafe.Offsetof(m.Flags), unsafe.Sizeof(m.Flags)},
		{"meta proto", unsafe.Offsetof(m.Proto), unsafe.Sizeof(m.Proto)},
		{"meta scratch", unsafe.Offsetof(m.Scratch), unsafe.Sizeof(m.Scratch)},
	}
}

// CheckLayout compares pkt.Buf with the rte_mbuf of the DPDK that this program was
// built with. Init calls it: a program whose buffers differ must not run.
func CheckLayout() error {
	var b pkt.Buf
	next := uint32(0)
	check := func(what string, want uintptr) error {
		got := uint32(C.dp_layout(C.uint32_t(next)))
		next++
		if uintptr(got) != want {
			return fmt.Errorf("dpdk: packet buffer does not match %s: %s is %d, want %d",
				Version(), what, got, want)
		}
		return nil
	}
	list := []struct {
		what string
		want uintptr
	}{
		{"sizeof(struct rte_mbuf)", unsafe.Offsetof(b.Meta)},
		{"size of pkt.Meta", unsafe.Sizeof(b.Meta)},
	}
	for _, f := range layout() {
		list = append(list, struct {
			what string
			want uintptr
		}{"offset of " + f.name, f.off}, struct {
			what string
			want uintptr
		}{"size of " + f.name, f.bytes})
	}
	list = append(list, struct {
		what string
		want uintptr
	}{"headroom", pkt.Headroom}, struct {
		what string
		want uintptr
	}{"mask of foreign buffers", 3 << (61 - 32)})
	for _, l := range list {
		if err := check(l.what, l.want); err != nil {
			return err
		}
	}
	if end := uint32(C.dp_layout(C.uint32_t(next))); end != math.MaxUint32 {
		return fmt.Errorf("dpdk: packet buffer has more fields than are checked")
	}
	return nil
}
