package httpc

import (
	"fmt"
	"io"
	"os"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/mem"
	"vpphost/hoststack/http"
)

// builder gathers the field lines of a request.
type builder struct {
	text strings.Builder
	seen map[string]bool // in lower case
}

// framing are the fields that say where a message ends (RFC 9112 6), which only who sends
// the message can know.
var framing = map[string]bool{"content-length": true, "transfer-encoding": true, "connection": true, "te": true, "trailer": true,
	"upgrade": true, "expect": true, "keep-alive": true}

// header reads Key:Value, in braces when there are blanks in it.
func (b *builder) header(in *cli.Input) error {
	var word string
	start := *in
	if !in.Word(&word) {
		return in.Expect("Key:Value after header, in braces when it holds blanks")
	}
	name, value, ok := strings.Cut(word, ":")
	value = strings.Trim(value, " \t")
	switch {
	case !ok || !isToken(name):
		return start.Expect("Key:Value after header, in braces when it holds blanks")
	case framing[strings.ToLower(name)]:
		return cli.Usagef("header: `%s' is for the client to say", name)
	case !isFieldValue(value):
		return cli.Usagef("header: the value of `%s' holds a control character", name)
	}
	b.add(name, value)
	return nil
}

func (b *builder) add(name, value string) {
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	b.seen[strings.ToLower(name)] = true
	fmt.Fprintf(&b.text, "%s: %s\r\n", name, value)
}

// missing adds a field unless the user has given one of that name.
func (b *builder) missing(name, value string) {
	if !b.seen[strings.ToLower(name)] {
		b.add(name, value)
	}
}

// lines are the user's fields and those that a request of o needs besides.
func (b *builder) lines(o *options) string {
	b.missing("User-Agent", "vpphost")
	b.missing("Accept", "*/*")
	switch {
	case o.file != "":
		b.missing("Content-Type", "application/octet-stream")
	case o.data != "":
		b.missing("Content-Type", "application/x-www-form-urlencoded") // as VPP
	}
	return b.text.String()
}

// isToken tells whether s may be the name of a field (RFC 9110 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isFieldValue tells whether s may be the value of a field (RFC 9110 5.5).
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// upload is the body of a request, off the Go heap when it comes from a file.
type upload struct {
	body   []byte
	region *mem.Region
}

// newUpload reads what the options name. Close it when no connection uses it any more.
func (o *options) newUpload() (*upload, error) {
	if o.file == "" {
		return &upload{body: []byte(o.data)}, nil
	}
	f, err := os.Open(o.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("file: %s is not a regular file", o.file)
	case st.Size() > maxUpload:
		return nil, fmt.Errorf("file: %s is larger than 1g", o.file)
	case st.Size() == 0:
		return &upload{}, nil
	}
	r, err := mem.Map(int(st.Size()))
	if err != nil {
		return nil, err
	}
	u := &upload{body: r.Bytes()[:st.Size()], region: r}
	if _, err := io.ReadFull(f, u.body); err != nil {
		u.close()
		return nil, fmt.Errorf("file: read %s: %w", o.file, err)
	}
	return u, nil
}

func (u *upload) close() {
	if u.region != nil {
		u.region.Close()
		u.region, u.body = nil, nil
	}
}

// request makes the request for uri. A connection that serves one request only is for the
// server to close: the end that closes first has to remember it for a while.
func (o *options) request(method http.Method, uri http.URI, body []byte) *http.Request {
	fields := o.fields
	if o.fresh || !o.load() {
		fields += "Connection: close\r\n"
	}
	return http.NewRequest(method, uri, []byte(fields), body)
}
