package dpdk

// #include "shim.h"
import "C"

import (
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// mark is a place in EAL's log.
type mark uint64

// logMark is the end of the log as it is now.
func logMark() *mark {
	m := new(mark)
	m.read()
	return m
}

// read returns what was logged since m and moves m to the end.
func (m *mark) read() string {
	var out []byte
	b := make([]byte, 4096)
	for {
		n := C.dp_log_read((*C.uint64_t)(unsafe.Pointer(m)), (*C.char)(unsafe.Pointer(&b[0])), C.uint32_t(len(b)))
		out = append(out, b[:n]...)
		if int(n) < len(b) {
			return string(out)
		}
	}
}

// chatter is what DPDK logs along with every failure, or always.
var chatter = []string{"Driver cannot attach the device", "Failed to attach device on primary process",
	"Failed to register mp action callback"}

// failure is what was logged since m, on one line: the last lines say why.
func (m *mark) failure() string {
	var lines []string
	for l := range strings.Lines(m.read()) {
		l = strings.TrimSpace(l)
		if l != "" && !slices.ContainsFunc(chatter, func(c string) bool { return strings.Contains(l, c) }) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines[max(0, len(lines)-2):], "; ")
}

// logLines is how many lines Log keeps.
const logLines = 200

var logTail struct {
	sync.Mutex
	at    mark
	part  string
	lines []string
}

// Log returns the last lines that DPDK has logged, oldest first.
func Log() []string {
	t := &logTail
	t.Lock()
	defer t.Unlock()
	text := t.part + t.at.read()
	t.part = ""
	for l := range strings.Lines(text) {
		if !strings.HasSuffix(l, "\n") {
			t.part = l
			break
		}
		if l = strings.TrimSpace(l); l != "" {
			t.lines = append(t.lines, l)
		}
	}
	t.lines = t.lines[max(0, len(t.lines)-logLines):]
	return append([]string(nil), t.lines...)
}
