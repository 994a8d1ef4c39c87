package sock

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

func TestReadTelnet(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []telnetEvent
	}{
		{"a", []telnetEvent{{data: 'a'}}},
		{"\xff\xff", []telnetEvent{{data: 0xff}}},
		{"\xff\xfd\x01b", []telnetEvent{{kind: telnetOther}, {data: 'b'}}},
		{"\xff\xfa\x18\x00xterm\xff\xf0", []telnetEvent{{kind: telnetTTYPE, text: "xterm"}}},
		{"\xff\xfa\x18\x01\xff\xf0", []telnetEvent{{kind: telnetAsk}}},
		{"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0", []telnetEvent{{kind: telnetNAWS, width: 80, height: 24}}},
		{"\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0", []telnetEvent{{kind: telnetNAWS, width: 255, height: 24}}},
		{"\xff\xfa\x1f\x00\x50\xff\xf0", []telnetEvent{{kind: telnetOther}}},
		{"\xff\xf4\xff\xf3\xff\xf6", []telnetEvent{{kind: telnetInterrupt}, {kind: telnetInterrupt}, {kind: telnetAYT}}},
	} {
		r := bufio.NewReader(bytes.NewReader([]byte(tc.in)))
		for _, want := range tc.want {
			if got, err := readTelnet(r); err != nil || got != want {
				t.Errorf("%q: %+v, %v; want %+v", tc.in, got, err, want)
			}
		}
		if _, err := readTelnet(r); err != io.EOF {
			t.Errorf("%q: %v at the end", tc.in, err)
		}
		for n := 1; n < len(tc.in); n++ { // cut short
			r := bufio.NewReader(bytes.NewReader([]byte(tc.in[:n])))
			var err error
			for err == nil {
				_, err = readTelnet(r)
			}
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Errorf("%q: %v", tc.in[:n], err)
			}
		}
	}
}

func TestTelnetWriter(t *testing.T) {
	var b bytes.Buffer
	if n, err := (telnetWriter{w: &b, crlf: true}).Write([]byte("a\n\xffb\n")); n != 5 || err != nil {
		t.Error(n, err)
	}
	if got, want := b.String(), "a\r\n\xff\xffb\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzReadTelnet(f *testing.F) {
	f.Add([]byte("a\xff\xff\xff\xfa\x18\x00vppctl\xff\xf0\xff\xfb\x01"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		for n := 0; ; n++ {
			ev, err := readTelnet(r)
			if err != nil {
				return
			}
			if len(ev.text) > maxOption || n > len(in) {
				t.Fatalf("event %+v", ev)
			}
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	writeJSON(&b, frameLine, lineFrame{Line: "show version"})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		for {
			kind, payload, err := readFrame(r)
			if err != nil {
				return
			}
			var out bytes.Buffer
			writeFrame(&out, kind, payload)
			if !bytes.Contains(in, out.Bytes()) {
				t.Fatalf("frame %q %q is not in %q", kind, payload, in)
			}
		}
	})
}
