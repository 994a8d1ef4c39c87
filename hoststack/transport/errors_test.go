package transport

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// TestErrors: VPP's words, and nothing of the system's, which mean the same.
func TestErrors(t *testing.T) {
	err := fmt.Errorf("connect: %w", ErrRefused)
	if err.Error() != "connect: refused" || !errors.Is(err, ErrRefused) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	if errors.Is(ErrNoPort, ErrNoSource) {
		t.Error("errors of the same number are the same")
	}
}
