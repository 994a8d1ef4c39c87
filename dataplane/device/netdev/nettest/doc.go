// Package nettest helps to test devices against the Linux kernel: namespaces that go
// with the test, and UDP datagrams in Ethernet frames. Only tests import it.
package nettest
