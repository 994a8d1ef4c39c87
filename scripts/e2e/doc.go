// Package e2e tests the real programs, bin/vpphost and bin/vppctl, from outside.
//
// TestMain builds both into a temporary folder. An instance is started with a
// configuration in its argument words and driven through vppctl, as a user would. Two
// instances meet over memif; the Linux kernel is a peer over veth (af_packet) and tap,
// in network namespaces that each test makes for itself and removes in any case.
//
// Kernel tests need root and namespaces. Where VPPHOST_NO_KERNEL is set (scripts/test.sh
// sets it, and says so, when they cannot run) they are left out.
package e2e
