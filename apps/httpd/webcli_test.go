package httpd

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWebCLI(t *testing.T) {
	l := newLab(t, 1)
	t.Setenv("HTTPD_TEST_SECRET", "the-secret")
	l.run("http cli server uri http://0.0.0.0:8000")
	const browserAccept = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	for _, tc := range []struct {
		target, accept string
		status         int
		mediaType      string
		has            string
	}{
		{"/show/version", "", 200, "text/plain; charset=utf-8", "vpphost v1.2"},
		{"/sh/ver", "Accept: */*", 200, "text/plain; charset=utf-8", "vpphost v1.2"},
		{"/show%20version", "", 200, "text/plain; charset=utf-8", "vpphost v1.2"},
		{"/show//version/", "", 200, "text/plain; charset=utf-8", "vpphost v1.2"},
		{"/show/version/verbose", "", 200, "text/plain; charset=utf-8", "Version:"},
		{"/show/version?format=json", browserAccept, 200, "application/json", `"1.2"`},
		{"/show/version", "Accept: application/json", 200, "application/json", `"1.2"`},
		{"/show/version?format=html", "", 200, "text/html; charset=utf-8", "<pre>vpphost v1.2"},
		{"/show/version", browserAccept, 200, "text/html; charset=utf-8", "<title>show version - vpphost</title>"},
		{"/show/version?format=xml", "", 400, "text/plain; charset=utf-8", "unknown format `xml': expected text, html or json"},
		{"/show/nothing", "", 404, "text/plain; charset=utf-8", "show: unknown input `nothing'"},
		{"/show/version/nothing", "", 404, "text/plain; charset=utf-8", "show version: unknown input `nothing'"},
		{"/show/nothing", "Accept: application/json", 404, "application/json", `"status":2`},
		{"/show/%3Cb%3E", browserAccept, 404, "text/html; charset=utf-8", "unknown input `&lt;b&gt;&#39;"},
		{"/show/http/static/server/a%2Fb", "", 404, "text/plain; charset=utf-8", "unknown input `a/b'"},
		{"/http/tps", "", 403, "text/plain; charset=utf-8", "only show commands can be run here, not `http tps'"},
		{"/quit", "", 403, "", "only show commands"},
		{"/showversion", "", 403, "", "only show commands"},
		{"/%7Bshow%20version%7D", "", 403, "", "only show commands"},
		{"/show/$(HTTPD_TEST_SECRET)", "", 403, "", "macros are not replaced here"},
		{"/show/%24HTTPD_TEST_SECRET", "", 403, "", "macros are not replaced here"},
		{"/show/version%0ahttp%20tps", "", 400, "", "control characters are not allowed"},
		{"/show/ver%zz", "", 400, "", ""},
		{"/s/version", "", 404, "", "ambiguous input `s': session, set, show"},
		{"/", "", 200, "text/plain; charset=utf-8", "/show/version"},
		{"/", browserAccept, 200, "text/html; charset=utf-8", `<a href="/show/version">show version</a>`},
		{"/", "Accept: application/json", 200, "application/json", `"path":"/show/version"`},
		{"/show/session", "", 200, "", "Thread 0"},
		{"/show/session/%7C/json", "", 200, "", ""},
		{"/show/%3F", "", 200, "", "show version"},
	} {
		lines := []string{}
		if tc.accept != "" {
			lines = append(lines, tc.accept)
		}
		a := l.requestAt("10.0.1.2:8000", "GET", tc.target, lines...)
		if a.status != tc.status || tc.mediaType != "" && a.header.Get("Content-Type") != tc.mediaType || !strings.Contains(a.body, tc.has) {
			t.Errorf("%s %s: %d %s\n%s", tc.target, tc.accept, a.status, a.header.Get("Content-Type"), a.body)
		}
		if strings.Contains(a.body, "the-secret") {
			t.Errorf("%s tells the environment", tc.target)
		}
		if a.header.Get("Content-Type") == "application/json" && !json.Valid([]byte(a.body)) {
			t.Errorf("%s: %s", tc.target, a.body)
		}
	}
	if l.tps.run != nil {
		t.Error("a command other than show was run")
	}
	if a := l.requestAt("10.0.1.2:8000", "POST", "/show/version", "body:x"); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%+v", a)
	}
	if a := l.requestAt("10.0.1.2:8000", "HEAD", "/show/version"); a.status != 200 || a.body != "" || a.length == 0 {
		t.Errorf("%+v", a)
	}
}

// TestWebCLIListeners: it listens in several places, ends, and starts again.
func TestWebCLIListeners(t *testing.T) {
	l := newLab(t, 1)
	l.run("http cli server listener add uri http://0.0.0.0:8000")
	l.run("http cli server listener add uri http://0.0.0.0:8001")
	for _, addr := range []string{"10.0.1.2:8000", "10.0.1.2:8001"} {
		if a := l.requestAt(addr, "GET", "/show/version"); a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
	if _, err := l.try("http cli server"); err == nil || !strings.Contains(err.Error(), "test http server is already running") {
		t.Error(err)
	}
	l.run("http cli server listener del uri http://0.0.0.0:8001")
	l.run("http cli server disable")
	l.run("http cli server uri http://0.0.0.0:8001")
	if a := l.requestAt("10.0.1.2:8001", "GET", "/show/version"); a.status != 200 {
		t.Errorf("%+v", a)
	}
}

func TestChooseFormat(t *testing.T) {
	for accept, want := range map[string]format{
		"": formatText, "*/*": formatText, "text/html": formatHTML, "application/json": formatJSON, "text/plain, text/html;q=0.5": formatText,
		"text/html;q=0.2, application/json;q=0.9": formatJSON, "image/png": formatText, "TEXT/HTML": formatHTML, "text/html;q=0, */*": formatText,
		"text/html;q=x": formatText, ",,;": formatText, "application/json, text/javascript, */*; q=0.01": formatJSON,
	} {
		if got := chooseFormat(accept); got != want {
			t.Errorf("%q: %s, want %s", accept, formats[got].name, formats[want].name)
		}
	}
}

func FuzzLineOf(f *testing.F) {
	for _, s := range []string{"/show/version", "/sh/int/memif0%2F0", "/", "//", "/%24(x)", "/quit", "/show/%0a", "/show%20x|json", "/%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		line, status, why := lineOf(path)
		if status != 0 && why == "" || status == 0 && why != "" {
			t.Fatalf("%q: %d %q", path, status, why)
		}
		if status != 0 || line == "" {
			return
		}
		first := strings.Fields(line)[0]
		if !strings.HasPrefix("show", first) || strings.ContainsAny(line, "$\n\r\x00") {
			t.Fatalf("%q is run as %q", path, line)
		}
	})
}

func FuzzChooseFormat(f *testing.F) {
	f.Add("text/html,*/*;q=0.8")
	f.Fuzz(func(t *testing.T, accept string) {
		if int(chooseFormat(accept)) >= len(formats) {
			t.Fatal(accept)
		}
	})
}
