// Package ports makes and deletes the interfaces that stand for devices: memif,
// host-interface (af_packet) and tap, with VPP's commands, names, defaults and limits.
//
//	command line ──cli_*.go──► options ──Manager──► Openers ──► device ──► iface.Manager
//
// It knows no driver. Whoever wires the program hands in Openers, functions that open a
// device from checked options; tests hand in fakes. The Manager remembers what it made:
// the memif sockets by id, and the options behind each interface.
//
// A command either succeeds or changes nothing: a device that opens but cannot be
// started or named is closed again.
package ports
