package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// makeFile writes size random bytes and returns their SHA-256.
func makeFile(t *testing.T, name string, size int64) string {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{1}), size); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

const frontPage = "<title>front page</title>\n<p>hello from the static server\n"

// web makes a directory with a small and a large file.
func web(t *testing.T, large int64) (dir, sum string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(frontPage), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, makeFile(t, filepath.Join(dir, "large.bin"), large)
}

// curl runs curl in a namespace.
func curl(t *testing.T, ns string, args ...string) string {
	t.Helper()
	return runIn(t, ns, append([]string{"curl", "-sS", "-g"}, args...)...)
}

// TestStaticServer: programs that others wrote fetch files over tap.
func TestStaticServer(t *testing.T) {
	us, ns := tap(t)
	dir, sum := web(t, fileSize)
	us.ctl("http static server www-root " + dir + " uri http://0.0.0.0:80 url-handlers")
	us.ctl("http static listener add uri http://[::]:80 www-root " + dir)
	for _, host := range []string{"10.77.0.1", "[fd00:77::1]"} {
		url := "http://" + host
		if out := curl(t, ns, url+"/"); !strings.Contains(out, "hello from the static server") {
			t.Errorf("%s: %q", url, out)
		}
		if out := runIn(t, ns, "wget", "-q", "-O", "-", url+"/index.html"); !strings.Contains(out, "front page") {
			t.Errorf("wget %s: %q", url, out)
		}
	}
	const url = "http://10.77.0.1"
	if out := runIn(t, ns, "sh", "-c", "curl -sS "+url+"/large.bin | sha256sum"); !strings.HasPrefix(out, sum) {
		t.Errorf("another large file: %s", out)
	}
	head := curl(t, ns, "-I", url+"/index.html")
	for _, want := range []string{"HTTP/1.1 200 OK\r\n", "Content-Type: text/html", fmt.Sprintf("Content-Length: %d\r\n", len(frontPage)), "Accept-Ranges: bytes\r\n", "Cache-Control: max-age=600\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
	_, tag, _ := strings.Cut(head, "ETag: ")
	tag, _, _ = strings.Cut(tag, "\r\n")
	status := func(want string, args ...string) {
		t.Helper()
		if got := curl(t, ns, append([]string{"-o", "/dev/null", "-w", "%{http_code}"}, args...)...); got != want {
			t.Errorf("%v: %s, want %s", args, got, want)
		}
	}
	status("304", "-H", "If-None-Match: "+tag, url+"/index.html")
	status("206", "-r", "10-19", url+"/large.bin")
	status("416", "-r", "9999999999-", url+"/large.bin")
	status("404", url+"/nothing")
	status("404", "--path-as-is", url+"/../../../etc/passwd")
	status("405", "-T", dir+"/index.html", url+"/index.html")
	status("405", "-d", "a=b", url+"/index.html")
	status("200", "--http1.0", url+"/")
	if out := runIn(t, ns, "sh", "-c", "curl -sS -g -r 1000000000-1000999999 http://[fd00:77::1]/large.bin | sha256sum; tail -c +1000000001 "+dir+
		"/large.bin | head -c 1000000 | sha256sum"); len(out) < 100 || out[:64] != out[len(out)/2:][:64] {
		t.Errorf("a range differs: %s", out)
	}
	// A download that was cut off goes on.
	part := filepath.Join(t.TempDir(), "part")
	runIn(t, ns, "sh", "-c", "head -c 900000000 "+dir+"/large.bin > "+part+"; curl -sS -C - -o "+part+" "+url+"/large.bin")
	if out := runIn(t, ns, "sha256sum", part); !strings.HasPrefix(out, sum) {
		t.Errorf("resumed: %s", out)
	}
	var v struct {
		List []string `json:"interface_list"`
	}
	if err := json.Unmarshal([]byte(curl(t, ns, url+"/interface_list.json")), &v); err != nil || !strings.Contains(strings.Join(v.List, " "), "tap0") {
		t.Errorf("%v, %v", err, v)
	}
	ab := runIn(t, ns, "ab", "-q", "-k", "-n", "20000", "-c", "50", url+"/index.html")
	if !strings.Contains(ab, "Complete requests:      20000") || !strings.Contains(ab, "Failed requests:        0") || strings.Contains(ab, "Non-2xx") {
		t.Error(ab)
	}
	ab = runIn(t, ns, "ab", "-q", "-n", "2000", "-c", "50", url+"/index.html") // a connection each
	if !strings.Contains(ab, "Failed requests:        0") {
		t.Error(ab)
	}
	wrk := runIn(t, ns, "wrk", "-t", "1", "-c", "100", "-d", "2", url+"/index.html")
	if !strings.Contains(wrk, "Requests/sec") || strings.Contains(wrk, "Socket errors") || strings.Contains(wrk, "Non-2xx") {
		t.Error(wrk)
	}
	if out := us.ctl("show http static server cache"); !strings.HasPrefix(out, "listener 0") || !strings.Contains(out, fmt.Sprintf("cache size %d bytes, limit 10485760 bytes", len(frontPage))) {
		t.Error(out)
	}
	us.ctl("http static server disable")
	if _, err := exec.Command("ip", "netns", "exec", ns, "curl", "-sS", "-m", "5", url+"/").CombinedOutput(); err == nil {
		t.Error("it answers after its end")
	}
	us.ctl("http static server www-root " + dir)
	if out := curl(t, ns, url+"/"); !strings.Contains(out, "hello") {
		t.Error(out)
	}
}

// TestTPSServer: made-up bodies, and a sink, over veth.
func TestTPSServer(t *testing.T) {
	us, ns := veth(t, "", "")
	us.ctl("http tps uri http://0.0.0.0:8080")
	us.ctl("http tps listener add uri http://[::]:8080")
	for url, size := range map[string]string{"http://10.77.0.1:8080": "1024m", "http://[fd00:77::1]:8080": "100m"} {
		if out := runIn(t, ns, "sh", "-c", "curl -sS -g "+url+"/test_file_"+size+" | wc -c"); strings.TrimSpace(out) != map[string]string{"1024m": "1073741824", "100m": "104857600"}[size] {
			t.Errorf("%s: %s bytes", url, out)
		}
		for _, how := range []string{"-T -", "--data-binary @-"} { // in chunks, and with a length
			if out := runIn(t, ns, "sh", "-c", "head -c 100000000 /dev/zero | curl -sS -g -o /dev/null -w '%{http_code}' "+how+" "+url+"/sink"); out != "200" {
				t.Errorf("%s %s: %s", url, how, out)
			}
		}
	}
	if n := field(t, us.json(time.Minute, "show http tps"), "bytesReceived"); n != 4e8 {
		t.Errorf("%v bytes were received", n)
	}
	wrk := runIn(t, ns, "wrk", "-t", "1", "-c", "100", "-d", "2", "http://10.77.0.1:8080/test_file_64")
	if !strings.Contains(wrk, "Requests/sec") || strings.Contains(wrk, "Socket errors") || strings.Contains(wrk, "Non-2xx") {
		t.Error(wrk)
	}
	if out := us.ctl("show http tps listeners"); !strings.HasPrefix(out, "URI                          Index\nhttp://0.0.0.0:8080           0\n") {
		t.Error(out)
	}
	us.ctl("http tps disable")
}

// TestCLIServer: show commands as pages, in a browser too where there is one.
func TestCLIServer(t *testing.T) {
	us, ns := tap(t)
	us.ctl("http cli server uri http://0.0.0.0:80")
	const url = "http://10.77.0.1"
	if out := curl(t, ns, url+"/show/interface"); !strings.Contains(out, "tap0") || strings.Contains(out, "<") {
		t.Error(out)
	}
	if out := curl(t, ns, url+"/sh/int/tap0?format=json"); !json.Valid([]byte(out)) || !strings.Contains(out, `"tap0"`) {
		t.Error(out)
	}
	if out := curl(t, ns, "-o", "/dev/null", "-w", "%{http_code} %{content_type}", "-H", "Accept: text/html", url+"/show/version"); out != "200 text/html; charset=utf-8" {
		t.Error(out)
	}
	if out := curl(t, ns, "-w", "%{http_code}", url+"/set/interface/state/tap0/down"); !strings.HasSuffix(out, "403") {
		t.Error(out)
	}
	if out := curl(t, ns, "-w", "%{http_code}", url+"/show/nothing"); out != "show: unknown input `nothing'\n404" {
		t.Error(out)
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Log("no chromium here: not looked at in a browser")
		return
	}
	// It gives up when an address becomes valid meanwhile, and then tries again.
	eventually(t, "the page in a browser", func() bool {
		dom := runIn(t, ns, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", url+"/show/version")
		return strings.Contains(dom, "<h1>show version</h1>") && strings.Contains(dom, "<pre>vpphost ")
	})
}

// TestWebScripts: the scripts that ship start the servers, in a startup script too.
func TestWebScripts(t *testing.T) {
	us, ns := tap(t)
	dir, _ := web(t, 1000)
	var all strings.Builder
	for _, name := range []string{"http-static.cli", "http-tps.cli", "http-cli.cli"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.ReplaceAll(string(text), "/var/www/html", dir))
	}
	script := filepath.Join(t.TempDir(), "all.cli")
	if err := os.WriteFile(script, []byte(all.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	us.ctl("exec " + script)
	for url, want := range map[string]string{"http://10.77.0.1/": "hello", "http://[fd00:77::1]/version.json": "vpp_details",
		"http://[fd00:77::1]:8080/test_file_64": "abcdefghij", "http://10.77.0.1:8000/show/version": "vpphost"} {
		if out := curl(t, ns, url); !strings.Contains(out, want) {
			t.Errorf("%s: %q", url, out)
		}
	}
	startup := &instance{t: t, name: "startup", dir: t.TempDir()}
	startup.launch(script)
	t.Cleanup(startup.stop)
	if out := startup.ctl("show http tps listeners"); !strings.Contains(out, "http://[::]:8080") {
		t.Error(out)
	}
}
