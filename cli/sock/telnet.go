package sock

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// Telnet commands and options.
const (
	iac  = 255
	dont = 254
	do   = 253
	wont = 252
	will = 251
	sb   = 250 // subnegotiation, ended by IAC SE
	ayt  = 246 // are you there
	ip   = 244 // interrupt process
	brk  = 243
	se   = 240

	optEcho     = 1
	optSGA      = 3 // suppress go-ahead
	optTTYPE    = 24
	optNAWS     = 31 // window size
	optLinemode = 34

	ttypeIs, ttypeSend = 0, 1
)

// greeting is what a server sends first, byte for byte what VPP sends: character at
// a time, the server echoes, and two questions. The stock vppctl reads 100 bytes at
// a time and cannot take an option in two pieces.
var greeting = []byte{
	iac, wont, optLinemode, iac, dont, optLinemode,
	iac, will, optSGA, iac, do, optSGA,
	iac, will, optEcho, iac, dont, optEcho,
	iac, do, optTTYPE, iac, sb, optTTYPE, ttypeSend, iac, se,
	iac, do, optNAWS, iac, sb, optNAWS, ttypeSend, iac, se,
}

// maxOption bounds the data of a subnegotiation.
const maxOption = 256

type telnetKind uint8

const (
	telnetData      telnetKind = iota
	telnetTTYPE                // text is the terminal type
	telnetNAWS                 // width, height
	telnetInterrupt            // the interrupt key of the client's terminal
	telnetAYT
	telnetAsk   // the server asks for the terminal type
	telnetOther // an option that means nothing to us
)

// telnetEvent is a byte of data, or something that the peer's telnet says.
type telnetEvent struct {
	kind          telnetKind
	data          byte
	text          string
	width, height int
}

// readTelnet reads the next event.
func readTelnet(r *bufio.Reader) (telnetEvent, error) {
	b, err := r.ReadByte()
	if err != nil || b != iac {
		return telnetEvent{data: b}, err
	}
	if b, err = r.ReadByte(); err != nil {
		return telnetEvent{}, unexpected(err)
	}
	switch b {
	case iac:
		return telnetEvent{data: iac}, nil
	case do, dont, will, wont:
		_, err = r.ReadByte()
	case sb:
		return readOption(r)
	case ip, brk:
		return telnetEvent{kind: telnetInterrupt}, nil
	case ayt:
		return telnetEvent{kind: telnetAYT}, nil
	}
	return telnetEvent{kind: telnetOther}, unexpected(err)
}

// readOption reads a subnegotiation up to IAC SE.
func readOption(r *bufio.Reader) (telnetEvent, error) {
	ev := telnetEvent{kind: telnetOther}
	var data []byte
	for {
		b, err := r.ReadByte()
		if err == nil && b == iac {
			if b, err = r.ReadByte(); err == nil && b != iac { // IAC IAC is a data byte
				break
			}
		}
		if err != nil {
			return ev, unexpected(err)
		}
		if len(data) < maxOption {
			data = append(data, b)
		}
	}
	switch {
	case len(data) >= 2 && data[0] == optTTYPE && data[1] == ttypeIs:
		ev.kind, ev.text = telnetTTYPE, string(data[2:])
	case len(data) == 2 && data[0] == optTTYPE && data[1] == ttypeSend:
		ev.kind = telnetAsk
	case len(data) == 5 && data[0] == optNAWS:
		ev.kind = telnetNAWS
		ev.width = int(binary.BigEndian.Uint16(data[1:]))
		ev.height = int(binary.BigEndian.Uint16(data[3:]))
	}
	return ev, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// answerTTYPE is how a client tells its terminal type.
func answerTTYPE(name string) []byte {
	b := append([]byte{iac, sb, optTTYPE, ttypeIs}, name...)
	return append(b, iac, se)
}

// telnetWriter escapes what telnet would take for a command, and ends lines with
// CR LF if crlf is set.
type telnetWriter struct {
	w    io.Writer
	crlf bool
}

func (t telnetWriter) Write(p []byte) (int, error) {
	out := p
	if bytes.IndexByte(p, iac) >= 0 {
		out = bytes.ReplaceAll(out, []byte{iac}, []byte{iac, iac})
	}
	if t.crlf {
		out = bytes.ReplaceAll(out, []byte{'\n'}, []byte{'\r', '\n'})
	}
	if _, err := t.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
