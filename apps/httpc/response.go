package httpc

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"vpphost/cli"
	"vpphost/hoststack/http"
)

// Response is the answer to a single request.
type Response struct {
	URI       string  `json:"uri"`
	Status    int     `json:"status"`
	Reason    string  `json:"reason"`
	LatencyMs float64 `json:"latencyMs"` // from the request to the end of the answer
	Redirects int     `json:"redirects"`
	Fields    []Field `json:"fields"`
	Bytes     uint64  `json:"bytes"` // of the body
	Body      string  `json:"body,omitempty"`
	Binary    bool    `json:"binary,omitempty"` // the body is not text
	File      string  `json:"file,omitempty"`   // where the body was saved

	line    string // the status line
	next    string // where the answer sends us
	verbose bool
	silent  bool // no body is printed
}

// Field is one header field.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// newResponse is the head that f has received.
func newResponse(uri http.URI, f *fetch) *Response {
	r := &Response{URI: uri.String(), Status: f.status}
	lines := strings.Split(strings.TrimRight(string(f.head), "\r\n"), "\n")
	r.line = printable(strings.TrimRight(lines[0], "\r"))
	if parts := strings.SplitN(r.line, " ", 3); len(parts) == 3 {
		r.Reason = parts[2]
	}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(strings.TrimRight(l, "\r"), ":")
		r.Fields = append(r.Fields, Field{printable(name), printable(strings.Trim(value, " \t"))})
	}
	return r
}

// field is the value of the first field of that name, which is in lower case.
func (r *Response) field(name string) string {
	for _, f := range r.Fields {
		if strings.ToLower(f.Name) == name {
			return f.Value
		}
	}
	return ""
}

// setBody keeps a body that a terminal can show.
func (r *Response) setBody(s string) {
	if r.Binary = !isText(s); !r.Binary {
		r.Body = s
	}
}

// isText tells whether s is text that may go to a terminal: no control character can be
// obeyed there.
func isText(s string) bool {
	for i, c := range s {
		switch {
		case c == '\t', c == '\n', c == '\r', c == '\f':
		case c < ' ', c >= 0x7f && c < 0xa0:
			return false
		case c == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

func (r *Response) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	if r.verbose {
		fmt.Fprintf(&b, "* latency: %sms\n* redirect count: %d\n", cli.FormatFloat(r.LatencyMs, 4), r.Redirects)
	}
	if r.verbose || r.File != "" {
		fmt.Fprintf(&b, "< %s\n", r.line)
		for _, f := range r.Fields {
			fmt.Fprintf(&b, "< %s: %s\n", f.Name, f.Value)
		}
		fmt.Fprintln(&b)
	}
	switch {
	case r.File != "":
		fmt.Fprintf(&b, "* %d bytes saved to file (%s)\n", r.Bytes, r.File)
	case r.silent:
	case r.Binary:
		fmt.Fprintf(&b, "* binary body of %d bytes is not shown: use save-to\n", r.Bytes)
	default:
		b.WriteString(r.Body)
		if r.Body != "" && !strings.HasSuffix(r.Body, "\n") {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
