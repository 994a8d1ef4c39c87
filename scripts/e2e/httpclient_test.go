package e2e

import (
	"crypto/sha256"
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

// randomFile makes a file of size bytes and returns its SHA-256.
func randomFile(t *testing.T, path string, size int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{1}), size); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func hashOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// site is what nginx serves to the client, the files of dir among it.
func site(dir string) string {
	return fmt.Sprintf(`listen 10.77.0.2:8001 backlog=4096; listen [fd00:77::2]:8001; root %[1]s;
		location /ssi/ { alias %[1]s/; ssi on; ssi_types *; }
		location /moved { return 301 /small; }
		location /gone { return 410; }`, dir)
}

// waitHTTP waits until a server in a namespace answers.
func waitHTTP(t *testing.T, ns, url string) {
	t.Helper()
	eventually(t, "an answer of "+url, func() bool {
		return exec.Command("ip", "netns", "exec", ns, "curl", "-s", "-o", "/dev/null", "--noproxy", "*", url).Run() == nil
	})
}

// saved is a name for save-to, whose file goes with the test.
func saved(t *testing.T, us *instance) (name, path string) {
	name = fmt.Sprintf("vpphost-e2e-%d-%s", us.cmd.Process.Pid, t.Name())
	path = filepath.Join("/tmp", name)
	t.Cleanup(func() { _ = os.Remove(path) })
	return name, path
}

// TestHTTPClientNginx: http client against nginx over tap.
func TestHTTPClientNginx(t *testing.T) {
	us, kernel := tap(t)
	dir := t.TempDir()
	want := map[string]string{"big": randomFile(t, filepath.Join(dir, "big"), fileSize),
		"large": randomFile(t, filepath.Join(dir, "large"), fileSize/4)}
	if err := os.WriteFile(filepath.Join(dir, "small"), []byte("sixteen letters\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	nginx(t, kernel, site(dir))
	waitHTTP(t, kernel, "http://10.77.0.2:8001/small")
	name, path := saved(t, us)
	for _, uri := range []string{
		"http://10.77.0.2:8001/big",       // Content-Length
		"http://10.77.0.2:8001/ssi/large", // chunked
		"http://[fd00:77::2]:8001/large",
	} {
		out := us.ctlFor(2*time.Minute, "http client save-to "+name+" uri "+uri)
		if !strings.Contains(out, " bytes saved to file ("+path+")") ||
			strings.Contains(uri, "ssi") != strings.Contains(out, "< Transfer-Encoding: chunked") {
			t.Errorf("%s:\n%s", uri, out)
		}
		if got := hashOf(t, path); got != want[filepath.Base(uri)] {
			t.Errorf("%s: SHA-256 %s", uri, got)
		}
	}
	if out := us.ctl("http client uri http://10.77.0.2:8001/small"); out != "sixteen letters\n" {
		t.Errorf("small:\n%s", out)
	}
	if out := us.ctl("http client redirect verbose uri http://10.77.0.2:8001/moved"); !strings.Contains(out, "* redirect count: 1\n< HTTP/1.1 200 OK\n< Server: nginx") ||
		!strings.HasSuffix(out, "\n\nsixteen letters\n") {
		t.Errorf("moved:\n%s", out)
	}
	objs := us.json(time.Minute, "http client repeat 20000 sessions 10 uri http://10.77.0.2:8001/small")
	if n, bad := field(t, objs, "requests"), field(t, objs, "failures"); n != 20000 || bad != 0 {
		t.Errorf("%v", objs)
	}
	objs = us.json(time.Minute, "http client duration 2 sessions 10 new-connection uri http://10.77.0.2:8001/small")
	if n, bad := field(t, objs, "requests"), field(t, objs, "failures"); n < 1000 || bad != 0 {
		t.Errorf("%v", objs)
	}
	objs = us.json(time.Minute, "http client repeat 100 uri http://10.77.0.2:8001/gone")
	if s, _ := objs[len(objs)-1]["status"].(map[string]any); s["4xx"] != 100. {
		t.Errorf("%v", objs)
	}
}

// chunking is a server in Python: /chunked comes in chunks, anything else ends with the
// connection.
const chunking = `
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        chunked = self.path == "/chunked"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked") if chunked else self.send_header("Connection", "close")
        self.end_headers()
        with open(sys.argv[1], "rb") as f:
            n = 1
            while data := f.read(n):
                self.wfile.write(b"%x;ext=1\r\n%s\r\n" % (len(data), data) if chunked else data)
                n = (n * 7) % 262139 + 1
        if chunked:
            self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("10.77.0.2", 8002), Handler).serve_forever()
`

// TestHTTPClientPython: http client against Python's servers over tap.
func TestHTTPClientPython(t *testing.T) {
	us, kernel := tap(t)
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	const size = fileSize / 4
	want := randomFile(t, big, size)
	in(t, kernel, "python3", "-m", "http.server", "8000", "--bind", "10.77.0.2", "--directory", dir)
	in(t, kernel, "python3", "-c", chunking, big)
	waitHTTP(t, kernel, "http://10.77.0.2:8000/")
	eventually(t, "a listener at 8002", func() bool {
		return strings.Contains(runIn(t, kernel, "ss", "-Hltn"), "10.77.0.2:8002")
	})
	name, path := saved(t, us)
	for _, uri := range []string{"http://10.77.0.2:8000/big", "http://10.77.0.2:8002/chunked", "http://10.77.0.2:8002/to-the-end"} {
		out := us.ctlFor(2*time.Minute, "http client save-to "+name+" uri "+uri)
		if !strings.Contains(out, fmt.Sprintf("* %d bytes saved to file (%s)", size, path)) {
			t.Errorf("%s:\n%s", uri, out)
		}
		if got := hashOf(t, path); got != want {
			t.Errorf("%s: SHA-256 %s, want %s", uri, got, want)
		}
	}
	if out := us.ctl("http client uri http://10.77.0.2:8000/"); !strings.Contains(out, `<a href="big">big</a>`) {
		t.Errorf("the listing:\n%s", out)
	}
	out, errText, status := us.run("http client uri http://10.77.0.2:8003/")
	if out+errText != "http client: error: failed to connect: refused\n" || status != 1 {
		t.Errorf("a closed port: %d, %s%s", status, out, errText)
	}
}
