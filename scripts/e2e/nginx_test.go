package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx serves in a namespace what the directives of a server block say.
func nginx(t *testing.T, ns, server string) {
	t.Helper()
	home := t.TempDir()
	conf := filepath.Join(home, "nginx.conf")
	var temp strings.Builder
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/%s; ", what, home, what)
	}
	text := fmt.Sprintf(`user root; worker_processes 1; daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log off; keepalive_requests 1000000; sendfile on; %[2]s
	server { %[3]s }
}
`, home, temp.String(), server)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := in(t, ns, "nginx", "-p", home, "-e", filepath.Join(home, "error.log"), "-c", conf)
	// Killed, it would leave its workers behind.
	t.Cleanup(func() { _ = c.Process.Signal(syscall.SIGTERM); time.Sleep(100 * time.Millisecond) })
}
