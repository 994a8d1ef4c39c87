package httpc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpphost/cli"
	"vpphost/hoststack/http"
	"vpphost/hoststack/session"
)

func TestClientOptions(t *testing.T) {
	for _, c := range []struct {
		line string
		ok   func(*options) bool
	}{
		{"uri http://6.0.1.1/index.html", func(o *options) bool {
			return !o.load() && o.method == http.GET && o.uri.Target == "/index.html" && o.uri.Endpoint.Addr.String() == "6.0.1.1:80" &&
				o.timeout == 10*time.Second && o.maxBody == 64<<20 && o.maxHops == 10 && o.fifo == fetchFIFO && o.interval == 0
		}},
		{"repeat 10000 sessions 10 uri http://6.0.1.1:8080/test_file_64", func(o *options) bool {
			return o.load() && o.repeat == 10000 && o.sessions == 10 && o.uri.Endpoint.Addr.Port() == 8080 &&
				o.fifo == loadFIFO && o.interval == time.Second
		}},
		{"verbose save-to response.txt header Hello:World uri http://6.0.1.1/index.html", func(o *options) bool {
			return o.verbose && o.saveTo == "response.txt" && strings.Contains(o.fields, "Hello: World\r\n") && strings.Contains(o.fields, "User-Agent: ")
		}},
		{"uri http://[fd00::1]:81/a?b=c#d post data {a=1 b} header {X-Long:a b  c} header Content-Type:text/x", func(o *options) bool {
			return o.method == http.POST && o.data == "a=1 b" && o.uri.Target == "/a?b=c" && strings.Contains(o.fields, "X-Long: a b  c\r\n") &&
				strings.Count(o.fields, "Content-Type") == 1 && strings.Contains(o.fields, "Content-Type: text/x\r\n")
		}},
		{"put file /etc/hostname use-ptr uri http://6.0.1.1", func(o *options) bool {
			return o.method == http.PUT && o.file == "/etc/hostname" && o.uri.Target == "/" && strings.Contains(o.fields, "application/octet-stream")
		}},
		{"duration 1.5 sessions 3 new-connection rate 20k report-interval 2 uri http://6.0.1.1", func(o *options) bool {
			return o.load() && o.duration == 1500*time.Millisecond && o.fresh && o.rate == 20000 && o.interval == 2*time.Second
		}},
		{"repeat 3 sessions 10 uri http://6.0.1.1", func(o *options) bool { return o.sessions == 3 }},
		{"uri http://6.0.1.1 http1 get streams 1 prealloc-fifos 4 private-segment-size 64m fifo-size 8k timeout .5 max-body-size 1k redirect max-redirects 3 appns 1 secret 1234 local-scope",
			func(o *options) bool {
				return o.fifo == 8<<10 && o.timeout == 500*time.Millisecond && o.limited && o.maxBody == 1024 && o.redirect && o.maxHops == 3 &&
					o.scope == session.LocalScope
			}},
	} {
		o, err := parseClient(cli.NewInput(c.line))
		if err != nil || !c.ok(o) {
			t.Errorf("%s: %+v, %v", c.line, o, err)
		}
	}
	const uri = "uri http://6.0.1.1 "
	for line, want := range map[string]string{
		"":                                 "URI not defined",
		"repeat 3":                         "URI not defined",
		"uri":                              "expected a URI after uri",
		uri + "bogus 3":                    "unknown input `bogus 3'",
		uri + "post":                       "data not defined",
		uri + "put":                        "data not defined",
		uri + "data x":                     "data and file are only supported with post and put",
		uri + "post data x file y":         "combining data and file is not supported",
		uri + "repeat 3 duration 3":        "combining duration and repeat is not supported",
		uri + "sessions 2":                 "multiple sessions are only supported with request repeating",
		uri + "new-connection":             "new-connection is only supported with request repeating",
		uri + "rate 10":                    "rate is only supported with request repeating",
		uri + "repeat 3 save-to x":         "save-to is not supported with request repeating",
		uri + "repeat 3 redirect":          "redirect is not supported with request repeating",
		uri + "repeat 0":                   "expected a number above 0 after repeat, got `0'",
		uri + "repeat many":                "expected a number above 0 after repeat, got `many'",
		uri + "duration -1":                "expected seconds after duration, got `-1'",
		uri + "sessions 0":                 "expected a number from 1 to 1048576 after sessions, got `0'",
		uri + "streams 2":                  "multiple streams are only supported with http2 and http3",
		uri + "http2":                      "http2 and http3 are not supported yet: only http1",
		uri + "http3":                      "http2 and http3 are not supported yet: only http1",
		uri + "rate 0":                     "expected requests per second after rate, got `0'",
		uri + "report-interval 0":          "report-interval takes 1 to 86400 seconds, got `0'",
		uri + "fifo-size 2g":               "expected a size up to 1g after fifo-size, got `2g'",
		uri + "save-to ../etc/passwd":      "save-to takes the name of a file in /tmp without `/' and `..', got `../etc/passwd'",
		uri + "save-to a/b":                "save-to takes the name of a file in /tmp without `/' and `..', got `a/b'",
		uri + "save-to .":                  "save-to takes the name of a file in /tmp without `/' and `..', got `.'",
		uri + "header Hello":               "expected Key:Value after header, in braces when it holds blanks, got `Hello'",
		uri + "header {Bad Name:x}":        "expected Key:Value after header, in braces when it holds blanks, got `{Bad Name:x}'",
		uri + "header Content-Length:3":    "header: `Content-Length' is for the client to say",
		uri + "header {X:a\x01b}":          "header: the value of `X' holds a control character",
		uri + "max-redirects x":            "expected a number from 0 to 1000 after max-redirects, got `x'",
		"uri http://0.0.0.0/x":             "the client needs an address to connect to, got `http://0.0.0.0/x'",
		"uri https://6.0.1.1/":             "`https://6.0.1.1/': tls is not supported yet",
		"uri http://example.com/":          "invalid uri: `example.com' is not an ip address (names are not looked up)",
		"uri http://6.0.1.1:99999/":        "invalid uri: `99999' is not a port from 1 to 65535",
		"uri ftp://6.0.1.1/":               "invalid uri: `ftp' is no transport of http",
		"uri {http://6.0.1.1/a b}":         "invalid uri: `/a b' needs percent-encoding",
		"uri http://6.0.1.1 save-to":       "expected a file name after save-to",
		"uri http://6.0.1.1 header":        "expected Key:Value after header, in braces when it holds blanks",
		"uri http://6.0.1.1 max-body-size": "expected a size above 0 after max-body-size",
	} {
		_, err := parseClient(cli.NewInput(line))
		if !errors.Is(err, cli.ErrUsage) || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", line, err, want)
		}
	}
}

func TestCLIOptions(t *testing.T) {
	o, silent, err := parseCLI(cli.NewInput("uri http://6.0.1.1:8081/show/version no-output fifo-size 64 timeout 3"))
	if err != nil || !silent || o.uri.Target != "/show/version" || o.fifo != 64<<10 || o.timeout != 3*time.Second ||
		!strings.Contains(o.fields, "Accept: text/plain\r\n") || strings.Contains(o.fields, "*/*") {
		t.Fatalf("%+v, %v, %v", o, silent, err)
	}
	o, silent, err = parseCLI(cli.NewInput("uri http://6.0.1.1:8081 query /show/interface"))
	if err != nil || silent || o.uri.Target != "/show/interface" || o.uri.Endpoint.Addr.Port() != 8081 || o.fifo != fetchFIFO {
		t.Fatalf("%+v, %v, %v", o, silent, err)
	}
	for line, want := range map[string]string{
		"":                              "URI not defined",
		"uri http://6.0.1.1 post":       "unknown input `post'",
		"uri http://6.0.1.1 repeat 3":   "unknown input `repeat 3'",
		"uri http://6.0.1.1 http3":      "http2 and http3 are not supported yet: only http1",
		"uri http://6.0.1.1 query":      "expected a path after query",
		"uri http://6.0.1.1 timeout no": "expected seconds after timeout, got `no'",
	} {
		if _, _, err := parseCLI(cli.NewInput(line)); !errors.Is(err, cli.ErrUsage) || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", line, err, want)
		}
	}
}

func FuzzClientOptions(f *testing.F) {
	f.Add("uri http://6.0.1.1/x header {a:b} repeat 3 sessions 2")
	f.Add("uri http://[::1]:80/x#y post data {} save-to a")
	f.Fuzz(func(t *testing.T, line string) {
		o, err := parseClient(cli.NewInput(line))
		if err != nil {
			return
		}
		for _, l := range strings.Split(strings.TrimSuffix(o.fields, "\r\n"), "\r\n") {
			if name, value, ok := strings.Cut(l, ": "); !ok || !isToken(name) || !isFieldValue(value) {
				t.Fatalf("%q sends the line %q", line, l)
			}
		}
		if strings.ContainsAny(o.saveTo, "/\x00") || strings.ContainsAny(o.uri.Target, " \r\n") {
			t.Fatalf("%q: %+v", line, o)
		}
	})
}

func TestFollow(t *testing.T) {
	from, err := parseTarget("http://6.0.1.1:8080/a/b?c")
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"/x":                    "http://6.0.1.1:8080/x",
		"x":                     "http://6.0.1.1:8080/a/x",
		"../x":                  "http://6.0.1.1:8080/x",
		"../../../x":            "http://6.0.1.1:8080/x",
		"?d":                    "http://6.0.1.1:8080/a/b?d",
		"//6.0.1.2/y":           "http://6.0.1.2/y",
		"http://[fd00::1]:81/z": "http://[fd00::1]:81/z",
		"http://6.0.1.2":        "http://6.0.1.2/",
		"http://u:p@6.0.1.2/#f": "http://6.0.1.2/",
		"/ä b":                  "http://6.0.1.1:8080/%C3%A4%20b",
	} {
		if to, err := follow(from, location); err != nil || to.String() != want {
			t.Errorf("%s leads to %v, %v; want %s", location, to, err, want)
		}
	}
	for _, location := range []string{"", "https://6.0.1.1/", "http://example.com/", "ftp://6.0.1.1/", "http://0.0.0.0/", "http://6.0.1.1:0/", "%zz", "javascript:1"} {
		if to, err := follow(from, location); !errors.Is(err, errRedirect) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s leads to %v, %v", location, to, err)
		}
	}
	for _, c := range []struct {
		status    int
		from, to  http.Method
		redirects bool
	}{
		{301, http.GET, http.GET, true}, {302, http.POST, http.GET, true}, {302, http.PUT, http.PUT, true}, {303, http.PUT, http.GET, true},
		{307, http.POST, http.POST, true}, {308, http.POST, http.POST, true}, {200, http.GET, http.GET, false}, {304, http.GET, http.GET, false},
	} {
		if m, ok := redirected(c.status, c.from); m != c.to || ok != c.redirects {
			t.Errorf("%d after %v: %v, %v", c.status, c.from, m, ok)
		}
	}
}

func TestUpload(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	want := strings.Repeat("0123456789", 100000)
	for text, size := range map[string]int{"": 0, want: len(want)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := (&options{file: path}).newUpload()
		if err != nil || len(u.body) != size || string(u.body) != text {
			t.Fatalf("%d bytes, %v", len(u.body), err)
		}
		u.close()
	}
	for _, bad := range []string{filepath.Join(dir, "none"), dir, "/dev/zero"} {
		if _, err := (&options{file: bad}).newUpload(); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if u, err := (&options{data: "x"}).newUpload(); err != nil || string(u.body) != "x" {
		t.Error(err)
	}
}

func TestWords(t *testing.T) {
	n := len(clientWords)
	for line, want := range map[string]int{
		"":                            n,
		"uri":                         0,
		"uri http://6.0.1.1/":         n - 1,
		"header a:b":                  n, // there may be another
		"report-interval":             n - 1,
		"repeat 3 sessions":           0,
		"post data x new-connection ": n - 3,
	} {
		if got := words(clientWords)(nil, cli.NewInput(line)); len(got) != want {
			t.Errorf("%q: %d words, want %d", line, len(got), want)
		}
	}
	for _, list := range [][]cli.Word{clientWords, cliWords} {
		for _, w := range list {
			usage := clientUsage + cliUsage
			if w.Help == "" || !strings.Contains(usage, w.Text) {
				t.Errorf("%s: no help, or not in the usage", w.Text)
			}
		}
	}
}
