package echo

import "bytes"

// pattern is the test pattern, long enough to compare a whole chunk at once.
var pattern = func() (p [64<<10 + 256]byte) {
	for i := range p {
		p[i] = byte(i)
	}
	return p
}()

// fill writes the pattern of stream position pos to p.
func fill(p []byte, pos uint64) {
	for len(p) > 0 {
		n := copy(p, pattern[byte(pos):])
		p, pos = p[n:], pos+uint64(n)
	}
}

// mismatch is the offset of the first byte of p that differs from the pattern at
// stream position pos, or -1.
func mismatch(p []byte, pos uint64) int {
	done := 0
	for len(p) > 0 {
		want := pattern[byte(pos):]
		n := min(len(p), len(want))
		if !bytes.Equal(p[:n], want[:n]) {
			for i := range n {
				if p[i] != want[i] {
					return done + i
				}
			}
		}
		p, pos, done = p[n:], pos+uint64(n), done+n
	}
	return -1
}
