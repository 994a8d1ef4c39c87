package dpdk

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
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
	cname, cargs := C.CString(name), C.CString(args)
	defer C.free(unsafe.Pointer(cname))
	defer C.free(unsafe.Pointer(cargs))
	if C.dp_port_find(cname) >= 0 {
		return nil, &Error{Op: "create " + name, Errno: unix.EEXIST}
	}
	m := logMark()
	id := C.dp_port_attach(cname, cargs)
	if id < 0 {
		return nil, &Error{Op: "create " + name, Errno: unix.Errno(-id), Detail: m.failure()}
	}
	return openPort(id, name, true)
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
	id := C.dp_port_find(cname)
	if id < 0 {
		return nil, &Error{Op: "port " + name, Errno: unix.Errno(-id)}
	}
	return openPort(id, name, false)
}

// Ports lists the device names of all ports.
func Ports() []string {
	if !Running() {
		return nil
	}
	control.Lock()
	defer control.Unlock()
	var out []string
	var name [64]C.char
	for id := C.dp_port_next(0, &name[0]); id >= 0; id = C.dp_port_next(C.uint32_t(id)+1, &name[0]) {
		out = append(out, C.GoString(&name[0]))
	}
	return out
}
