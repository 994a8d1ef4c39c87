package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// bigObject and larger ones are a matter of throughput, smaller ones of requests.
const bigObject = 1 << 20

const (
	tpsPort    = 8080
	staticPort = 8081
)

// webRows are HTTP/1.1: stack to stack, where both contenders bring their own client, and
// wrk on the kernel against each server.
func webRows() (rows []row) {
	for _, server := range []string{"tps", "static"} {
		for _, n := range []int{1, 10, 100} {
			rows = append(rows, row{name: fmt.Sprintf("HTTP 64 B from %s, %s", server, plural(n, "session")), kind: web, server: server,
				streams: n, size: 64, note: "stack to stack; the kernel's is nginx under wrk"})
		}
		rows = append(rows, row{name: "HTTP 1 MB from " + server + ", 10 sessions", kind: web, server: server, streams: 10, size: bigObject,
			note: "stack to stack; the kernel's is nginx under wrk"})
	}
	rows = append(rows, row{name: "HTTP 64 B from tps, a connection for each, 64 at a time", kind: web, server: "tps", streams: 64, size: 64, fresh: true,
		note: "stack to stack; the kernel's is nginx under wrk; VPP's client cannot"})
	for _, fresh := range []bool{false, true} {
		r := row{name: "HTTP 64 B from tps under wrk over veth, 64 connections", kind: web, link: veth, large: true, server: "tps", streams: 64, size: 64,
			wrk: true, fresh: fresh, note: "the client is the kernel's"}
		if fresh {
			r.name = "HTTP 64 B from tps under wrk over veth, a connection for each"
			r.note += "; VPP keeps the connection though it is asked to close it"
		}
		rows = append(rows, r)
	}
	return rows
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// object is the path of the row's object.
func (r *row) object() string {
	switch {
	case r.server == "tps" && r.size == bigObject:
		return "/test_file_1m"
	case r.server == "tps":
		return fmt.Sprintf("/test_file_%d", r.size)
	}
	return fmt.Sprintf("/%d.html", r.size)
}

func (r *row) url(addr string) string {
	port := tpsPort
	if r.server == "static" {
		port = staticPort
	}
	return fmt.Sprintf("http://%s:%d%s", addr, port, r.object())
}

// webRoot makes a folder with the objects.
func webRoot(dir string) (string, error) {
	root := filepath.Join(dir, "www")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	for _, n := range []int{64, bigObject} {
		text := strings.Repeat("0123456789abcdef", n/16)
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("%d.html", n)), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return root, nil
}

// serveWeb starts the row's server, which then stays.
func (s *stack) serveWeb(ctx context.Context, r *row) error {
	if r.server == "tps" {
		return s.once(ctx, 0, fmt.Sprintf("http tps uri http://%s:%d", stackAddr(0), tpsPort))
	}
	root, err := webRoot(s.dir)
	if err != nil {
		return err
	}
	return s.once(ctx, 0, fmt.Sprintf("http static server www-root %s uri http://%s:%d cache-size 10m", root, stackAddr(0), staticPort))
}

var requestRate = regexp.MustCompile(`(?m)^\* ([\d.]+) req/sec`)

// requests measures the row's requests.
func (s *stack) requests(ctx context.Context, r *row, seconds int) ([]float64, error) {
	if r.wrk {
		c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.wire.ns[1], "taskset", "-c", fmt.Sprint(s.cpu[1])},
			wrkWords(r, seconds, r.url(stackAddr(0)))...)...)
		return wrkRate(r, c)
	}
	line := fmt.Sprintf("http client duration %d uri %s", seconds, r.url(stackAddr(0)))
	if r.streams > 1 {
		line = fmt.Sprintf("http client sessions %d duration %d uri %s", r.streams, seconds, r.url(stackAddr(0)))
	}
	if r.fresh {
		line += " new-connection"
	}
	text, err := s.hosts[1].exec(ctx, line)
	if err != nil {
		return nil, err
	}
	m := requestRate.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("no result in %q", tail(text, 300))
	}
	return r.rateOf(m[1])
}

// rateOf is the row's figure for so many requests a second.
func (r *row) rateOf(perSecond string) ([]float64, error) {
	v, err := strconv.ParseFloat(perSecond, 64)
	if r.size >= bigObject {
		return []float64{v * float64(r.size) * 8 / 1e9}, err
	}
	return []float64{v / 1e3}, err
}

func wrkWords(r *row, seconds int, url string) []string {
	w := []string{"wrk", "-t1", "-c", fmt.Sprint(r.streams), "-d", fmt.Sprintf("%ds", seconds)}
	if r.fresh {
		w = append(w, "-H", "Connection: close")
	}
	return append(w, url)
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkFailures = regexp.MustCompile(`(?m)^\s+(Non-2xx .*)$`)
)

// wrkRate runs wrk.
func wrkRate(r *row, c *exec.Cmd) ([]float64, error) {
	text, err := c.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("wrk: %w: %s", err, tail(string(text), 200))
	}
	if m := wrkFailures.FindSubmatch(text); m != nil {
		return nil, errors.New("wrk: " + string(m[1]))
	}
	m := wrkRequests.FindSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("wrk: no result in %q", tail(string(text), 300))
	}
	return r.rateOf(string(m[1]))
}

// nginxConf serves root on both ports with one process.
func nginxConf(dir, root string) string {
	return fmt.Sprintf(`daemon off; master_process off; pid %[1]s/nginx.pid; error_log /dev/null;
events { worker_connections 4096; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=100; default_type text/html;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server { listen %[3]d backlog=4096; listen %[4]d backlog=4096; root %[2]s;
		location = /test_file_64 { alias %[2]s/64.html; }
		location = /test_file_1m { alias %[2]s/1048576.html; }
	}
}
`, dir, root, tpsPort, staticPort)
}
