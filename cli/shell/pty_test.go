package shell

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpphost/cli/shell/ptytest"
)

// child is this test binary as a shell on a terminal; see TestMain.
func child(t *testing.T, width, height int, env ...string) *ptytest.Terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SHELL_TEST_CHILD=1", "GORACE=halt_on_error=1", "TERM=xterm", "NO_COLOR=1",
		"SHELL_TEST_HISTORY="+filepath.Join(t.TempDir(), "history"))
	cmd.Env = append(cmd.Env, env...)
	return ptytest.Start(t, cmd, width, height)
}

const testPrompt = "vpp# "

// promptAgain waits for a fresh prompt: drawn twice, at last without anything typed
// and with the cursor shown.
func promptAgain(p *ptytest.Terminal) string {
	return p.Expect(testPrompt + "\x1b[0m\x1b[0m\x1b[0m\x1b[J\x1b[?25h")
}

func TestShellSession(t *testing.T) {
	p := child(t, 80, 24)
	p.Expect("Type ? and Enter")
	promptAgain(p)
	raw := p.Modes()
	if raw.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Errorf("the prompt's modes are %#x", raw.Lflag)
	}

	p.Type("show version\r")
	p.Expect("did <show version>\r\n")
	promptAgain(p)

	p.Type("frobnicate\r")
	p.Expect("unknown input `frobnicate'\r\n")
	promptAgain(p)

	p.Type("size\r")
	p.Expect("80x24 json=false\r\n")
	promptAgain(p)

	p.Type("\x1b[A\x1b[A\x1b[A\r") // three up
	p.Expect("did <show version>\r\n")
	promptAgain(p)

	p.Type("bad start\x03") // Ctrl-C clears the line
	promptAgain(p)
	p.Type("show end\r")
	p.Expect("did <show end>\r\n")
	promptAgain(p)

	p.Type("\x04") // Ctrl-D
	p.Expect("status 0, error <nil>")
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if !p.Restored() {
		t.Errorf("the terminal is left in other modes: %+v", p.Modes())
	}
}

func TestShellQuit(t *testing.T) {
	p := child(t, 80, 24)
	promptAgain(p)
	p.Type("quit\r")
	p.Expect("status 0, error <nil>")
	p.Wait()
}

// TestShellCtrlC cancels a command and what was typed ahead. The terminal must not
// stop or kill the process by other keys.
func TestShellCtrlC(t *testing.T) {
	p := child(t, 80, 24)
	for range 3 {
		promptAgain(p)
		p.Type("wait\rshow pasted\r")
		p.Expect("waiting")
		p.Type("\x1a\x1c") // Ctrl-Z, Ctrl-\
		p.Type("show ahead\r")
		p.Type("\x03")
		p.Expect("^C")
		p.Expect("stopped\r\n")
		if shown := promptAgain(p); strings.Contains(shown, "did") {
			t.Errorf("after Ctrl-C: %q", shown)
		}
		p.Type("show it\r")
		p.Expect("did <show it>")
	}
	promptAgain(p)
	p.Signal(unix.SIGINT) // at the prompt: nothing
	p.Type("big 3\r")
	p.Expect("line 3 of 3")
	promptAgain(p)
	p.Type("stream\r")
	p.Expect("tick 2") // while it runs
	p.Type("\x03")
	promptAgain(p)
}

func TestShellCompletion(t *testing.T) {
	p := child(t, 80, 24)
	promptAgain(p)
	p.Type("sh\t") // the only one: completed
	p.Expect("show ")
	p.Expect("Show session summary") // and the next word's candidates
	p.Type("v\t\t\t")                // two candidates: Tab shows, Tab and Tab walk
	p.Expect("version")
	p.Type("\r")
	p.Expect("did <show virtio>\r\n")
	promptAgain(p)
	p.Type("se\tint\tst\t\r")
	p.Expect("set interface state")
	promptAgain(p)
	p.Type("zz\t")
	p.Expect("\a")
	p.Type("\x15\t") // the whole list, on an empty line
	p.Expect("Print many lines")
	p.Type("\x1b[B\x1b[B\x1b[A\t\x1b[Z\x1b[Z \r") // down, up, back: no panic
	promptAgain(p)
}

func TestShellSearch(t *testing.T) {
	p := child(t, 80, 24)
	for _, line := range []string{"show alpha", "show beta", "big 3", "show gamma"} {
		promptAgain(p)
		p.Type(line + "\r")
	}
	promptAgain(p)
	p.Type("\x12a\x12\x12\r") // ^R: gamma, beta, alpha
	p.Expect("(reverse-i-search)`a': show gamma")
	p.Expect("(reverse-i-search)`a': show beta")
	p.Expect("(reverse-i-search)`a': show alpha")
	p.Expect("did <show alpha>")
	promptAgain(p)
	p.Type("keep\x12big\x07 this\r") // ^G gives up
	p.Expect("unknown input `keep this'")
	promptAgain(p)
	p.Type("\x12nowhere")
	p.Expect("(failed reverse-i-search)`nowhere'")
	p.Type("\x03")
	p.Type("\x12beta\x1b[D\x1b[D\x1b[D\x1b[DX\r") // an arrow takes the line and moves
	p.Expect("did <show Xbeta>")
}

// TestShellPaste executes pasted lines one by one, unpaged, and takes a tab in them
// for a blank.
func TestShellPaste(t *testing.T) {
	p := child(t, 80, 10)
	promptAgain(p)
	p.Type("\x1b[200~show\tone\nbig 30\nshow two\nhalf\x1b[201~")
	p.Expect("did <show one>\r\n")
	p.Expect("line 30 of 30\r\n")
	p.Expect("did <show two>\r\n")
	p.Expect(testPrompt + "\x1b[0m\x1b[0mhalf")
	p.Type(" way\r")
	p.Expect("unknown input `half way'")
	promptAgain(p)
	p.Type("show plain\rshow paste\rsh\tv\te\t\r") // without the marks, with completion
	p.Expect("did <show plain>\r\n")
	p.Expect("did <show paste>\r\n")
	p.Expect("did <show version>\r\n")
}

func TestShellPager(t *testing.T) {
	p := child(t, 80, 10)
	promptAgain(p)
	more := func(keys string, from, to int) {
		t.Helper()
		p.Type(keys)
		p.Expect(fmt.Sprintf("-- more -- (%d-%d/100)", from, to))
	}
	more("big 100\r", 1, 9)
	more(" ", 10, 18)
	more("\r", 11, 19)
	more("\x1b[B", 12, 20)
	more("\x1b[A", 11, 19)
	more("\x1b[5~", 2, 10)
	more("\x1b[F", 92, 100)
	more("\x1b[H", 1, 9)
	more("\x1b[6~", 10, 18)
	p.Resize(80, 20)
	p.Expect("-- more -- (1-19/100)")
	p.Type("q")
	promptAgain(p)
	p.Type("big 5\r") // fits
	p.Expect("line 5 of 5\r\n")
	promptAgain(p)
	more("big 100\r", 1, 19)
	p.Type("\x1b[F ") // a blank at the end leaves
	promptAgain(p)
}

func TestShellResize(t *testing.T) {
	p := child(t, 80, 24)
	promptAgain(p)
	p.Type("show some text")
	p.Resize(120, 30)
	p.Expect("\r\x1b[J") // redrawn
	p.Expect("show some text")
	p.Type(" more\r")
	p.Expect("did <show some text more>")
	promptAgain(p)
	p.Type("size\r")
	p.Expect("120x30")
	for _, size := range [][2]int{{120, 5}, {120, 2}, {120, 1}, {10, 24}, {3, 2}, {1, 1}, {80, 24}} {
		p.Resize(size[0], size[1]) // too small is no reason to hang or crash
		p.Type("sh\t\t\t\x15")
	}
	p.Type("show survived\r")
	p.Expect("did <show survived>")
}

func TestShellHistoryFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "history")
	p := child(t, 80, 24, "SHELL_TEST_HISTORY="+file)
	promptAgain(p)
	p.Type("show this\rquit\r")
	p.Wait()
	p = child(t, 80, 24, "SHELL_TEST_HISTORY="+file)
	promptAgain(p)
	p.Type("\x1b[A\x1b[A\r")
	p.Expect("did <show this>")
}

// TestShellTerminated restores the terminal when the context ends, at the prompt,
// in the pager, in a search and under a command.
func TestShellTerminated(t *testing.T) {
	for name, doing := range map[string][2]string{
		"prompt":  {"half a line", "half a line"},
		"pager":   {"big 100\r", "-- more --"},
		"search":  {"\x12show", "reverse-i-search"},
		"command": {"wait\r", "waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			p := child(t, 80, 24)
			promptAgain(p)
			p.Type(doing[0])
			p.Expect(doing[1])
			p.Signal(unix.SIGTERM)
			p.Expect("status 0, error <nil>")
			if p.Wait(); !p.Restored() {
				t.Error("the terminal is left in other modes")
			}
		})
	}
}

func TestShellHangUp(t *testing.T) {
	p := child(t, 80, 24, "SHELL_TEST_NOHUP=1")
	promptAgain(p)
	p.HangUp()
	p.Wait()
}

// TestShellIdle lets the shell sit at the prompt. Every wake-up of a thread is a
// context switch; go-prompt's own pollers make 200 a second.
func TestShellIdle(t *testing.T) {
	p := child(t, 80, 24)
	promptAgain(p)
	p.Type("show a\r")
	promptAgain(p)
	p.Type("sh")
	p.Expect("show")
	least := 1 << 30
	for range 5 { // Go's runtime has to settle down
		before := switches(t, p.Pid())
		time.Sleep(time.Second)
		if least = min(least, switches(t, p.Pid())-before); least < 50 {
			return
		}
	}
	t.Errorf("%d wake-ups in the quietest second", least)
}

var voluntary = regexp.MustCompile(`(?m)^voluntary_ctxt_switches:\s*(\d+)`)

func switches(t *testing.T, pid int) (sum int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatal("no tasks", err)
	}
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		if m := voluntary.FindStringSubmatch(string(b)); m != nil {
			n, _ := strconv.Atoi(m[1])
			sum += n
		}
	}
	return sum
}

// TestShellDumb has a terminal that can do nothing: lines, with a prompt.
func TestShellDumb(t *testing.T) {
	p := child(t, 80, 24, "TERM=dumb")
	p.Expect(testPrompt)
	p.Type("show it\n")
	p.Expect("did <show it>\r\n" + testPrompt)
	p.Type("wait\n")
	p.Expect("waiting")
	p.Type("\x03")
	p.Expect("stopped")
	p.Expect(testPrompt)
	p.Type("half\x03") // at the prompt
	p.Expect(testPrompt)
	p.Type("show more\n")
	p.Expect("did <show more>\r\n" + testPrompt)
	p.Type("\x04")
	p.Expect("status 1") // of the command that was interrupted
	if strings.Contains(p.Seen(), "\x1b[") {
		t.Error("escape sequences on a dumb terminal")
	}
}
