package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"vpphost/cli"
	"vpphost/hoststack/transport"
)

// shell runs lines against an instance.
func (h *host) shell(t *testing.T) func(line string) (string, error) {
	r := cli.NewRegistry()
	if err := r.Add(Commands(h.l)...); err != nil {
		t.Fatal(err)
	}
	return func(line string) (string, error) {
		var b bytes.Buffer
		err := r.Exec(context.Background(), line, &b, cli.Options{})
		return b.String(), err
	}
}

// pairs opens n sessions; data waits in one of them.
func (h *host) pairs(t *testing.T, n int) {
	srv, cln := &recorder{name: "server", onReadable: func(*Worker, *Session) {}}, &recorder{name: "client"}
	sa, _ := h.l.Attach("vperf_srv_builtin", srv, Options{Server: true, RxFIFO: 4 << 20, TxFIFO: 4 << 20})
	ca, _ := h.l.Attach("a_client_with_quite_a_long_name", cln, Options{})
	if err := sa.Listen(transport.TCP, serverEP); err != nil {
		t.Fatal(err)
	}
	for range n {
		_ = ca.Connect(transport.TCP, serverEP, 42)
	}
	h.settle()
	h.on(cln, func(w *Worker, s *Session) { write(w, s, 62264) })
	h.settle()
}

// TestShow compares what a user sees, byte by byte, with VPP's layouts.
func TestShow(t *testing.T) {
	h := newHost(t, 1, Config{})
	sh := h.shell(t)
	h.pairs(t, 1)
	for line, want := range map[string]string{
		"show session": "Thread 0: 3 sessions\n",
		"show session verbose": "" +
			"Connection                                                  State          Rx-f      Tx-f      \n" +
			"[0:0][T] 10.0.0.1:80->0.0.0.0:0                             LISTEN         0         0         \n" +
			"[0:1][T] 10.0.0.2:40001->10.0.0.1:80                        ESTABLISHED    0         0         \n" +
			"[0:2][T] 10.0.0.1:80->10.0.0.2:40001                        ESTABLISHED    62264     0         \n" +
			"Thread 0: active sessions 3\n",
		"show session verbose 2": "" +
			"[0:0][T] 10.0.0.1:80->0.0.0.0:0\tLISTEN\n" +
			"[0:1][T] 10.0.0.2:40001->10.0.0.1:80\tESTABLISHED\n" +
			" index: 1\n" +
			" Rx fifo: cursize 0 nitems 131072 has_event 0 want_deq 0 has_deq 0\n" +
			"          head 0 tail 0 segment manager 0 min_alloc 0\n" +
			"          vpp session 1 thread 0 app session 1 thread 0\n" +
			"          ooo pool 0 active elts newest 4294967295\n" +
			" Tx fifo: cursize 0 nitems 131072 has_event 0 want_deq 0 has_deq 0\n" +
			"          head 62264 tail 62264 segment manager 0 min_alloc 4096\n" +
			"          vpp session 1 thread 0 app session 1 thread 0\n" +
			"          ooo pool 0 active elts newest 4294967295\n" +
			" session: state: ready opaque: 0x2a flags: rx-ready\n" +
			"[0:2][T] 10.0.0.1:80->10.0.0.2:40001\tESTABLISHED\n" +
			" index: 2\n" +
			" Rx fifo: cursize 62264 nitems 4194304 has_event 0 want_deq 0 has_deq 0\n" +
			"          head 0 tail 62264 segment manager 0 min_alloc 131072\n" +
			"          vpp session 2 thread 0 app session 2 thread 0\n" +
			"          ooo pool 0 active elts newest 4294967295\n" +
			" Tx fifo: cursize 0 nitems 4194304 has_event 0 want_deq 0 has_deq 0\n" +
			"          head 0 tail 0 segment manager 0 min_alloc 0\n" +
			"          vpp session 2 thread 0 app session 2 thread 0\n" +
			"          ooo pool 0 active elts newest 4294967295\n" +
			" session: state: ready opaque: 0x0 flags: rx-ready\n" +
			"Thread 0: active sessions 3\n",
		"show session protos": " tcp\n",
		"show session states": "created\nlistening\nconnecting\naccepting\nready\nopened\ntransport-closing\nclosing\n" +
			"app-closed\ntransport-closed\nclosed\ntransport-deleted\n",
		"show session stats":      "Thread 0:\n",
		"show session rt-backend": "enable without rt-backend\n",
		"show session transport": "registered protos:\n tcp\nconfigs:\n min_lcl_port: 1024 max_lcl_port: 65535\nstate:\n" +
			" lcl ports alloced: 3\n lcl ports freelist: 0 \n port_alloc_max_tries: 1\n lcl_endpts_cleanup_pending: 0\n",
		"show session listeners tcp": "" +
			"Listener                                                    App                     \n" +
			"[0:0][T] 10.0.0.1:80->0.0.0.0:0                             vperf_srv_builtin        \n",
		"show session listeners tcp verbose": "" +
			"Listener                                                    App                     \n" +
			"[0:0][T] 10.0.0.1:80->0.0.0.0:0                             vperf_srv_builtin        \n",
		"show session tree": "Thread 0: 3 sessions\n" +
			"[0:0][T] 10.0.0.1:80->0.0.0.0:0                             LISTEN         0         0         \n" +
			"[0:1][T] 10.0.0.2:40001->10.0.0.1:80                        ESTABLISHED    0         0         \n" +
			"[0:2][T] 10.0.0.1:80->10.0.0.2:40001                        ESTABLISHED    62264     0         \n",
		"show session rmt 10.0.0.2": "" +
			"Connection                                                  State          Rx-f      Tx-f      \n" +
			"[0:2][T] 10.0.0.1:80->10.0.0.2:40001                        ESTABLISHED    62264     0         \n" +
			"Thread 0: 1 sessions matched filter\n",
		"show app": "Index     Name                Namespace                               \n" +
			"1         vperf_srv_builtin   default                                 \n" +
			"2         a_client_with_quite_default                                 \n",
		"show app verbose": "Index     Name                Namespace                               \n" +
			"1         vperf_srv_builtin   default                                 \n" +
			"2         a_client_with_quite_default                                 \n",
		"show app server": "" +
			"Connection                                                  App                      Wrk       \n" +
			"[0:0][T] 10.0.0.1:80->0.0.0.0:0                             vperf_srv_builtin        0         \n",
		"show app client": "" +
			"Connection                                                  App                 \n" +
			"[0:1][T] 10.0.0.2:40001->10.0.0.1:80                        a_client_with_quite_\n",
		"show segment-manager": "1 segment managers allocated\n",
		"show app vperf_srv_builtin": "app:\t vperf_srv_builtin app-index 1 ns 0:default\nflags:\t builtin global-scope\n" +
			"memory:\t seg-size 64m add-seg-size 0 mq-size 0 max-segments 1\n" +
			"\t rx-fifo-size 4m tx-fifo-size 4m max-fifo-size 2g\n" +
			"\t segment-type private prealloc-fifos 0 prealloc-fifo-hdrs 0\n" +
			"workers:\n  wrk-index 0 app-index 1 map-index 0 api-client-index -1 mq-cong 0 sessions 2\n",
	} {
		got, err := sh(line)
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", line, err, got, want)
		}
	}
	if got, err := sh("show segment-manager verbose"); err != nil || !strings.Contains(got, "used 128k") {
		t.Errorf("%s, %v", got, err)
	}
	if a, _ := sh("show app 1"); !strings.Contains(a, "vperf_srv_builtin") {
		t.Error(a)
	}
}

// TestShowFilters checks which sessions filters let through, on all threads.
func TestShowFilters(t *testing.T) {
	h := newHost(t, 2, Config{})
	sh := h.shell(t)
	h.pairs(t, 3) // two pairs on thread 0 beside the listener, one on thread 1
	for line, want := range map[string][2]int{
		"verbose":                           {5, 2},
		"verbose thread 1":                  {-1, 2},
		"thread 0":                          {5, -1},
		"proto tcp":                         {5, 2},
		"proto udp":                         {0, 0},
		"state listening":                   {1, 0},
		"state ready state listening":       {5, 2},
		"state closed":                      {0, 0},
		"range 1 2":                         {2, 1},
		"range 1":                           {4, 1},
		"lcl 10.0.0.1":                      {3, 1},
		"lcl 10.0.0.1:80":                   {3, 1},
		"rmt 10.0.0.1:80":                   {2, 1},
		"ep 10.0.0.1":                       {5, 2},
		"ep 10.0.0.9":                       {0, 0},
		"rmt 10.0.0.2:40001 lcl 10.0.0.1":   {1, 1},
		"verbose proto tcp force-print":     {5, 2},
		"verbose 2 state ready":             {4, 2},
		"thread 1 range 0 0 verbose 1":      {-1, 1},
		"lcl 10.0.0.1:81":                   {0, 0},
		"state ready range 3 rmt 10.0.0.2 ": {2, 0},
	} {
		got, err := sh("show session " + line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		n := [2]int{-1, -1}
		count := [2]int{}
		for _, l := range strings.Split(got, "\n") {
			for i, p := range []string{"[0:", "[1:"} {
				if strings.HasPrefix(l, p) {
					count[i]++
				}
			}
			for i, p := range []string{"Thread 0:", "Thread 1:"} {
				if strings.HasPrefix(l, p) {
					n[i] = count[i]
				}
			}
		}
		if n != want {
			t.Errorf("%s: rows %v, want %v\n%s", line, n, want, got)
		}
	}
	// One session.
	for _, line := range []string{"tcp 10.0.0.2:40001->10.0.0.1:80", "thread 0 index 1", "thread 0 proto tcp index 1"} {
		got, err := sh("show session " + line)
		if err != nil || !strings.HasPrefix(got, "[0:1][T] 10.0.0.2:40001->10.0.0.1:80\tESTABLISHED\n index: 1\n Rx fifo") {
			t.Errorf("%s: %v\n%s", line, err, got)
		}
	}
	for line, want := range map[string]string{
		"show session thread 0 index 99":        "show session: session is not allocated",
		"show session tcp 1.1.1.1:1->2.2.2.2:2": "show session: session is not allocated",
		"show session index 3":                  "show session: index needs a thread",
		"show session thread 7":                 "show session: no thread 7",
		"show session thread":                   "show session: expected a thread number",
		"show session bogus 3":                  "show session: unknown input `bogus 3'",
		"show session verbose bogus":            "show session: unknown input `bogus'",
		"show session proto dccp":               "show session: expected a transport protocol, got `dccp'",
		"show session listeners":                "show session: expected a transport protocol",
		"show session state open":               "show session: expected a session state (see show session states), got `open'",
		"show session range x":                  "show session: expected the first index, got `x'",
		"show session range 5 2":                "show session: range 5 2 is empty",
		"show session lcl 10.0.0":               "show session: `10.0.0' is not an ip address with or without a port",
		"show session ep":                       "show session: expected an ip address",
		"show session tcp 1.2.3.4":              "show session: expected <lip>:<lport>-><rip>:<rport>, got `1.2.3.4'",
		"show app nobody":                       "show app: no application `nobody'",
		"show segment-manager 3":                "show segment-manager: unknown input `3'",
		"clear session":                         "clear session: session <nn> required, but not set.",
		"clear session thread 0":                "clear session: session <nn> required, but not set.",
		"clear session thread 0 session 77":     "clear session: no session 77 on thread 0",
		"clear session thread 9 session 1":      "clear session: no thread 9",
		"clear session all x":                   "clear session: unknown input `x'",
		"session enable rt-backend x":           "session enable: expected rule-table or sdl, got `x'",
		"session enable rt-backend sdl":         "session enable: rt-backend sdl: not supported",
		"session disable x":                     "session disable: unknown input `x'",
	} {
		if _, err := sh(line); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if h.l.workers[0].live != 5 || !h.l.Enabled() {
		t.Fatal("a line with an error had an effect")
	}
}

func TestShowManySessions(t *testing.T) {
	h := newHost(t, 1, Config{})
	sh := h.shell(t)
	h.pairs(t, 40)
	count := func(line string) (int, string) {
		got, err := sh(line)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(got), "\n")
		return strings.Count(got, "\n[0:") + strings.Count(got[:3], "[0:"), lines[len(lines)-1]
	}
	for _, c := range []struct {
		line string
		rows int
		last string
	}{
		{"show session verbose", 0, "Thread 0: 81 sessions. Verbose output suppressed. For more details use filters."},
		{"show session verbose 2", 0, "Thread 0: 81 sessions. Verbose output suppressed. For more details use filters."},
		{"show session tree", 0, "Thread 0: 81 sessions. Verbose output suppressed. For more details use filters."},
		{"show session verbose force-print", 81, "Thread 0: active sessions 81"},
		{"show session proto tcp", 50, "Thread 0: 81 sessions matched filter. Not all shown. Use finer grained filter."},
		{"show session verbose 2 proto tcp", 10, "Thread 0: 81 sessions matched filter. Not all shown. Use finer grained filter."},
		{"show session verbose proto tcp force-print", 81, "Thread 0: 81 sessions matched filter"},
	} {
		if n, last := count(c.line); n != c.rows || last != c.last {
			t.Errorf("%s: %d rows, %q", c.line, n, last)
		}
	}
}

func TestShowSessionCompletion(t *testing.T) {
	h := newHost(t, 1, Config{})
	r := cli.NewRegistry()
	if err := r.Add(Commands(h.l)...); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"show session proto ":     "tcp",
		"show session listeners ": "tcp",
		"show session state l":    "listening",
		"show session thread ":    "",
		"show session thread 0 i": "index",
	} {
		var got []string
		for _, w := range r.Complete(context.Background(), line) {
			got = append(got, w.Text)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q completes to %q, want %q", line, s, want)
		}
	}
}

func TestSessionCommands(t *testing.T) {
	h := newHost(t, 2, Config{})
	sh := h.shell(t)
	must := func(line string) string {
		t.Helper()
		got, err := sh(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return got
	}
	must("session enable")
	must("session enable")
	h.pairs(t, 4)
	if got := must("clear session thread 0 session 1"); got != "" {
		t.Fatal(got)
	}
	h.settle()
	got := must("show session verbose")
	if !strings.Contains(got, "active sessions 5 closed 1") {
		t.Fatal(got)
	}
	must("clear session all")
	h.settle()
	if got := must("show session"); got != "Thread 0: 1 sessions\nThread 1: no sessions\n" {
		t.Fatal(got)
	}
	if got := must("show session verbose"); !strings.Contains(got, "Thread 1: no sessions") {
		t.Fatal(got)
	}
	a, _ := h.l.Attach("c", NopApp{}, Options{})
	_ = a.Connect(transport.TCP, transport.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:99")}, 1)
	h.settle()
	if got := must("show session stats"); got != "Thread 0:\n 1 refused\nThread 1:\n" {
		t.Fatal(got)
	}
	must("clear session stats")
	if got := must("show session stats"); got != "Thread 0:\nThread 1:\n" {
		t.Fatal(got)
	}
	must("show session events")
	must("session disable")
	h.settle()
	if _, err := sh("session disable"); err == nil || err.Error() != "session disable: session is already disabled" {
		t.Fatal(err)
	}
	for _, line := range []string{"show session", "show session verbose", "show session stats", "show session protos",
		"clear session all", "clear session stats", "show app", "show app server", "show app x", "show segment-manager"} {
		_, err := sh(line)
		if !errors.Is(err, ErrNotEnabled) || !strings.HasSuffix(err.Error(), "session layer is not enabled") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestShowHalfOpenAndIPv6(t *testing.T) {
	h := newHost(t, 1, Config{})
	sh := h.shell(t)
	a, _ := h.l.Attach("a", NopApp{}, Options{})
	_ = a.Listen(transport.TCP, transport.Endpoint{Addr: netip.MustParseAddrPort("[2001:db8::1]:80")})
	_ = a.Connect(transport.TCP, serverEP, 1)
	got, err := sh("show session verbose")
	want := tableHeader +
		"[0:0][T] 2001:db8::1:80->:::0                               LISTEN         0         0         \n" +
		"[0:1][T] 10.0.0.2:40001->10.0.0.1:80                        ESTABLISHED    0         0         \n" +
		"Thread 0: active sessions 2\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if got, _ := sh("show session state connecting"); !strings.Contains(got, "Thread 0: 1 sessions matched") {
		t.Error(got)
	}
	if got, _ := sh("show session lcl 2001:db8::1"); !strings.Contains(got, "Thread 0: 1 sessions matched") {
		t.Error(got)
	}
	if _, err := sh("show session tcp 2001:db8::1:80->2001:db8::2:1"); err == nil || !strings.Contains(err.Error(), "not allocated") {
		t.Error(err)
	}
}

// TestJSON: the same facts come as JSON.
func TestJSON(t *testing.T) {
	h := newHost(t, 1, Config{})
	sh := h.shell(t)
	h.pairs(t, 1)
	got, err := sh("show session verbose 2 | json")
	if err != nil {
		t.Fatal(err)
	}
	var threads []struct {
		Count    int
		Sessions []struct {
			Index          int
			Local, Remote  string
			State, Session string
			App            string
			RxQueued       int
			Details        struct{ RxFifo struct{ Size, Used int } }
			Unknown        any
		}
	}
	if err := json.Unmarshal([]byte(got), &threads); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	s := threads[0].Sessions
	if threads[0].Count != 3 || len(s) != 3 || s[2].RxQueued != 62264 || s[2].Details.RxFifo.Used != 62264 ||
		s[2].Local != "10.0.0.1:80" || s[2].State != "ESTABLISHED" || s[2].Session != "ready" || s[2].App != "vperf_srv_builtin" {
		t.Fatalf("%+v", threads)
	}
	for _, line := range []string{"show session", "show session protos", "show session states", "show session stats",
		"show session transport", "show session listeners tcp", "show session thread 0 index 1", "show app", "show app server",
		"show app 1", "show segment-manager", "show session events"} {
		got, err := sh(line + " | json")
		if err != nil || !json.Valid([]byte(got)) || len(got) < 4 {
			t.Errorf("%s: %v\n%s", line, err, got)
		}
	}
}
