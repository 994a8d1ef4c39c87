package sock

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"vpphost/cli"
)

// clientName is the terminal type by which our client asks for frames. The number
// is the protocol's version.
const clientName = "vpphost-ctl/1"

// A frame is one byte of type, the length of the payload in four bytes, big endian,
// and the payload. No type is 255, so that a client can tell the first frame from
// the telnet options before it.
//
//	server                              client
//	hello {version, prompt, banner}
//	                                    line {line, json, layout, terminal}
//	output bytes …
//	                                    interrupt          (cancels the line)
//	end {status, error, json, quit, terminal}
//	                                    complete {id, line}
//	words {id, words}
//
// A client sends one line and waits for its end before the next.
const (
	frameHello     = 'H'
	frameLine      = 'L'
	frameOutput    = 'O'
	frameInterrupt = 'I'
	frameEnd       = 'E'
	frameComplete  = 'C'
	frameWords     = 'W'
)

const (
	maxLine  = 64 << 10         // of a command line, in bytes
	maxFrame = 8*maxLine + 1024 // of any frame; JSON may need six bytes for one
)

type helloFrame struct {
	Version int    `json:"version"`
	Prompt  string `json:"prompt"`
	Banner  string `json:"banner,omitempty"`
}

// lineFrame is a line to run. An interactive client sends the state of its terminal
// along, for "show terminal" and "set terminal".
type lineFrame struct {
	Line     string        `json:"line"`
	JSON     bool          `json:"json,omitempty"`
	Layout   cli.Layout    `json:"layout"`
	Terminal *cli.Terminal `json:"terminal,omitempty"`
}

// endFrame tells how a line ended, and the state of the terminal if it changed.
type endFrame struct {
	Status   int           `json:"status"`
	Error    string        `json:"error,omitempty"`
	JSON     bool          `json:"json,omitempty"` // the error is to be printed as JSON
	Quit     bool          `json:"quit,omitempty"`
	Terminal *cli.Terminal `json:"terminal,omitempty"`
}

type completeFrame struct {
	ID   uint64 `json:"id"`
	Line string `json:"line"`
}

type wordsFrame struct {
	ID    uint64      `json:"id"`
	Words [][2]string `json:"words"` // text, help
}

// writeFrame writes a frame with one Write.
func writeFrame(w io.Writer, kind byte, payload []byte) error {
	b := make([]byte, 5, 5+len(payload))
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(len(payload)))
	_, err := w.Write(append(b, payload...))
	return err
}

func writeJSON(w io.Writer, kind byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, kind, payload)
}

// readFrame reads a frame. The payload is the caller's.
func readFrame(r *bufio.Reader) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", n)
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, unexpected(err)
	}
	return head[0], payload, nil
}

// outputFrames writes output as frames.
type outputFrames struct{ w io.Writer }

func (o outputFrames) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		m := min(len(p)-n, spoolChunk)
		if err := writeFrame(o.w, frameOutput, p[n:n+m]); err != nil {
			return n, err
		}
		n += m
	}
	return len(p), nil
}
