package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/cli"
)

// fakeEngine knows a few commands and the words of a few more.
type fakeEngine struct{}

var fakeTree = []cli.Word{
	{Text: "show version", Help: "Show version information"},
	{Text: "show virtio", Help: "Show virtio information"},
	{Text: "show session", Help: "Show session summary"},
	{Text: "show session rules", Help: "Show session rules"},
	{Text: "show interface", Help: "Show interfaces with a long text about what there is to be seen and what not, far wider than any window"},
	{Text: "set interface state", Help: "Set an interface up or down"},
	{Text: "big", Help: "Print many lines"},
	{Text: "wait", Help: "Wait for Ctrl-C"},
	{Text: "stream", Help: "Print a line now and then"},
	{Text: "fail", Help: "Fail"},
	{Text: "quit", Help: "Leave"},
}

func (fakeEngine) Complete(_ context.Context, line string) []cli.Word {
	fields := strings.Fields(line)
	last := ""
	if line != "" && !strings.HasSuffix(line, " ") {
		last = fields[len(fields)-1]
		fields = fields[:len(fields)-1]
	}
	var words []cli.Word
	seen := map[string]bool{}
next:
	for _, w := range fakeTree {
		path := strings.Fields(w.Text)
		if len(path) <= len(fields) {
			continue
		}
		for i, f := range fields {
			if !strings.HasPrefix(path[i], f) {
				continue next
			}
		}
		if t := path[len(fields)]; strings.HasPrefix(t, last) && !seen[t] {
			seen[t] = true
			help := ""
			if len(path) == len(fields)+1 {
				help = w.Help
			}
			words = append(words, cli.Word{Text: t, Help: help})
		}
	}
	return words
}

func (fakeEngine) Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "quit":
		return cli.ErrQuit
	case "big":
		n := 100
		fmt.Sscan(rest, &n)
		for i := range n {
			fmt.Fprintf(out, "line %d of %d\n", i+1, n)
		}
	case "wide":
		fmt.Fprintln(out, strings.Repeat("0123456789", 50))
	case "wait":
		fmt.Fprintln(out, "waiting")
		<-ctx.Done()
		fmt.Fprintln(out, "stopped")
		return ctx.Err()
	case "stream":
		for i := 0; ctx.Err() == nil; i++ {
			fmt.Fprintf(out, "tick %d\n", i)
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	case "fail":
		return fmt.Errorf("fail: no such thing")
	case "pid":
		fmt.Fprintln(out, os.Getpid())
	case "size":
		fmt.Fprintf(out, "%dx%d json=%v\n", o.Layout.Width, o.Layout.Height, o.JSON)
	case "show":
		fmt.Fprintf(out, "did <%s>\n", line)
	default:
		return cli.Usagef("unknown input `%s'", line)
	}
	return nil
}

// TestMain runs a shell instead of the tests when a test started this binary on a
// terminal of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SHELL_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	if os.Getenv("SHELL_TEST_NOHUP") != "" {
		signal.Ignore(unix.SIGHUP) // the hang-up has to be seen by reading
	}
	status, err := Run(ctx, Config{
		Engine: fakeEngine{}, Prompt: "vpp#", Banner: Banner + Hint,
		HistoryLimit: 50, HistoryFile: os.Getenv("SHELL_TEST_HISTORY"),
		Color: os.Getenv("NO_COLOR") == "",
	})
	fmt.Printf("status %d, error %v\n", status, err)
	os.Exit(status)
}
