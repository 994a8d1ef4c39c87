package dpdk

// #include <stdlib.h>
// #include <rte_dev.h>
// #include "shim.h"
import "C"

import (
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control serialises what creates, configures and removes ports.
var control sync.Mutex

// Attach creates the virtual device of the given name (its beginning names the
// driver: net_null0) with the driver's arguments, and returns its port. Workers may be
// polling other ports. EAL has room for 32 ports.
func Attach(name, args string) (*Port, error) {
	if !Running() {
		return nil, ErrNotInitialized
	}
	control.Lock()
	defer control.Unlock()
	bus, cname, cargs := C.CString("vdev"), C.CString(name), C.CString(args)
	defer C.free(unsafe.Pointer(bus))
	defer C.free(unsafe.Pointer(cname))
	defer C.free(unsafe.Pointer(cargs))
	var id C.uint16_t
	if C.rte_eth_dev_get_port_by_name(cname, &id) == 0 {
		return nil, &Error{Op: "create " + name, Errno: unix.EEXIST}
	}
	m := logMark()
	if r := C.rte_eal_hotplug_add(bus, cname, cargs); r != 0 {
		// Some drivers leave a half-made port behind.
		C.dp_port_forget(cname)
		return nil, &Error{Op: "create " + name, Errno: unix.Errno(-r), Detail: m.failure()}
	}
	if r := C.rte_eth_dev_get_port_by_name(cname, &id); r != 0 {
		C.rte_eal_hotplug_remove(bus, cname)
		return nil, &Error{Op: "create " + name, Errno: unix.Errno(-r),
			Detail: strings.TrimSpace("the driver made no port; " + m.failure())}
	}
	return openPort(uint16(id), name, true)
}

// Find returns a port that EAL found or made at start (PCI device, --vdev), by its
// device name: 0000:00:05.0.
func Find(name string) (*Port, error) {
	if !Running() {
		return nil, ErrNotInitialized
	}
	control.Lock()
	defer control.Unlock()
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var id C.uint16_t
	if r := C.rte_eth_dev_get_port_by_name(cname, &id); r != 0 {
		return nil, &Error{Op: "port " + name, Errno: unix.Errno(-r)}
	}
	return openPort(uint16(id), name, false)
}

// Ports lists the device names of all ports.
func Ports() []string {
	if !Running() {
		return nil
	}
	control.Lock()
	defer control.Unlock()
	var out []string
	for id := C.rte_eth_find_next(0); id < C.RTE_MAX_ETHPORTS; id = C.rte_eth_find_next(C.uint16_t(id) + 1) {
		var name [C.RTE_ETH_NAME_MAX_LEN]C.char
		if C.rte_eth_dev_get_name_by_port(C.uint16_t(id), &name[0]) == 0 {
			out = append(out, C.GoString(&name[0]))
		}
	}
	return out
}
