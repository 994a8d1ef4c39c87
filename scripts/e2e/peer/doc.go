// Command peer is the Linux kernel's side of the end-to-end tests: a plain Go program
// that sends, receives and hashes streams over ordinary sockets.
//
//	peer serve ADDR        echoes every connection; prints bytes and SHA-256 of each
//	peer sink ADDR         reads every connection; prints bytes and SHA-256 of each
//	peer dgrams ADDR       sends every datagram back
//	peer echo ADDR N       sends N random bytes, reads them back, compares SHA-256
//	peer hash N            SHA-256 of the first N bytes of the echo client's pattern
package main
