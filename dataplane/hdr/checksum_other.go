//go:build !amd64

package hdr

// Checksum adds the bytes of b to s.
func Checksum(b []byte, s Sum) Sum { return checksumGo(b, s) }

// CopyChecksum copies src to dst, which must be as long, and adds the bytes to s: one pass
// over memory.
func CopyChecksum(dst, src []byte, s Sum) Sum { return copyChecksumGo(dst, src, s) }
