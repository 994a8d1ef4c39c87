package conf

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// Unix is the process and its command line.
type Unix struct {
	Interactive bool // console on stdin and stdout; off. It implies NoDaemon
	NoDaemon    bool // stay in the foreground; off
	NoSyslog    bool // write the log to stderr only; off. It implies NoDaemon

	CLIListen       string // socket of the command line: /path, unix:/path, abstract:name, host:port, tcp:host:port; "" is none
	CLIPrompt       string // ends in a blank; "vpp# "
	CLILineMode     bool   // no editing of keys on socket sessions; off
	CLIHistoryLimit int    // lines that a session remembers; 50, 0 is none
	CLINoPager      bool   // off
	CLIPagerLimit   int    // lines that the pager holds; 100000, 0 switches it off
	NoBanner        bool   // off
	NoColor         bool   // off

	Exec       string // file of commands to run at the start; "" is none
	Log        string // file that every command line is appended to; "" is none
	RuntimeDir string // directory of sockets; "" leaves the choice to the program
	PIDFile    string // a relative name is below RuntimeDir; "" is none
	Group      string // group of the process's files, name or number; "" is that of the process

	PollSleep time.Duration // fixed sleep in each turn of a worker; 0 is none
}

func defaultUnix() Unix {
	return Unix{CLIPrompt: "vpp# ", CLIHistoryLimit: 50, CLIPagerLimit: 100000}
}

// GroupID finds the number of Group; ok is false when none is set.
func (u *Unix) GroupID() (gid int, ok bool, err error) {
	if u.Group == "" {
		return 0, false, nil
	}
	if n, err := strconv.ParseUint(u.Group, 10, 31); err == nil {
		return int(n), true, nil
	}
	g, err := user.LookupGroup(u.Group)
	if err != nil {
		return 0, false, fmt.Errorf("unix: gid: %w", err)
	}
	gid, err = strconv.Atoi(g.Gid)
	return gid, err == nil, err
}

func (u *Unix) section() Section {
	keys := []Key{
		{"interactive", "", "shell on this terminal", both(turnOn(&u.Interactive), turnOn(&u.NoDaemon))},
		{"nodaemon", "", "stay in the foreground", turnOn(&u.NoDaemon)},
		{"nosyslog", "", "log to stderr only; stay in the foreground", both(turnOn(&u.NoSyslog), turnOn(&u.NoDaemon))},
		{"cli-listen", "<path>|<host:port>", "where vppctl connects", text(&u.CLIListen, "a path or host:port")},
		{"cli-prompt", "<text>", "prompt of the shell (vpp#)", u.readPrompt},
		{"cli-line-mode", "", "socket sessions send whole lines", turnOn(&u.CLILineMode)},
		{"cli-history-limit", "<n>", "lines that a session remembers (50)", num(&u.CLIHistoryLimit, 0, 1000000)},
		{"cli-no-pager", "", "do not stop long output", turnOn(&u.CLINoPager)},
		{"cli-pager-buffer-limit", "<n>", "lines that the pager holds (100000), 0 for no pager", num(&u.CLIPagerLimit, 0, 100000000)},
		{"nobanner", "", "no banner", turnOn(&u.NoBanner)},
		{"cli-no-banner", "", "no banner", turnOn(&u.NoBanner)},
		{"nocolor", "", "no colours", turnOn(&u.NoColor)},
		{"exec", "<file>", "commands to run at the start", text(&u.Exec, "a file")},
		{"startup-config", "<file>", "the same as exec", text(&u.Exec, "a file")},
		{"log", "<file>", "append every command line to the file", text(&u.Log, "a file")},
		{"runtime-dir", "<directory>", "where sockets are made", text(&u.RuntimeDir, "a directory")},
		{"use-current-dir", "", "make sockets in the current directory", func(*Reader) error { u.RuntimeDir = "."; return nil }},
		{"pidfile", "<file>", "write the process's number there", text(&u.PIDFile, "a file")},
		{"gid", "<group>", "group of the sockets", text(&u.Group, "a group")},
		{"poll-sleep-usec", "<n>", "sleep in each turn of a worker (0)", span(&u.PollSleep, time.Microsecond, 0, 1000000)},
	}
	keys = append(keys, unused("full-coredump", 0), unused("coredump-size", 1))
	return Section{Name: "unix", Help: "the process and its command line", Keys: keys}
}

func (u *Unix) readPrompt(r *Reader) error {
	if err := text(&u.CLIPrompt, "a prompt")(r); err != nil {
		return err
	}
	u.CLIPrompt = strings.TrimRight(u.CLIPrompt, " ") + " "
	return nil
}
