// Command vpphost is a user-space host stack with VPP's command line: a DPDK
// dataplane, a session layer with TCP, and applications, in one program.
//
//	main.go       the command line of the program itself, and its life
//	instance.go   every layer is made and joined here, from the bottom up
//	devices.go    the drivers behind "create …"
//	paths.go      where sockets are when nobody says
//	rundir.go     unix { gid, runtime-dir, pidfile }
//	daemon.go     going into the background
//	record.go     unix { log FILE }
//	plugins.go    "show plugins"
//	logbook.go    show logging
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/pflag"

	"vpphost/cli"
	"vpphost/cli/conf"
	"vpphost/cli/shell"
	"vpphost/dataplane/worker"
)

//go:embed startup.conf
var defaultConf string

// Set by the linker.
var (
	version = "unknown"
	built   = "unknown"
)

func main() { os.Exit(run(os.Args[1:])) }

const usage = `vpphost: a user-space host stack with VPP's command line

  vpphost                              start with the built-in configuration: a shell
  vpphost -c FILE                      start with a configuration file
  vpphost unix { … } session { … }     the words are the configuration

`

// run is the program; it returns the exit status.
func run(args []string) int {
	f := pflag.NewFlagSet("vpphost", pflag.ContinueOnError)
	f.SetInterspersed(false) // what follows is configuration
	file := f.StringP("config", "c", "", "read the configuration from `FILE`")
	interactive := f.BoolP("interactive", "i", false, "as unix { interactive }")
	check := f.Bool("check-config", false, "read the configuration, say what is wrong, and exit")
	showVersion := f.BoolP("version", "v", false, "print the version and exit")
	configHelp := f.Bool("help-config", false, "list the sections and keys of the configuration and exit")
	f.Usage = func() { fmt.Print(usage, "Options:\n", f.FlagUsages()) }
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		return complain(err, 2)
	case *showVersion:
		b := about()
		fmt.Println(b.Line())
		return 0
	case *configHelp:
		return complain(conf.WriteHelp(os.Stdout), 1)
	}

	c, warnings, err := readConfig(*file, f.Args())
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if err != nil {
		return complain(err, 1)
	}
	if *interactive {
		c.Unix.Interactive = true
	}
	if *check {
		fmt.Println("the configuration is good")
		return 0
	}
	if !c.Unix.Interactive && !c.Unix.NoDaemon && !c.Unix.NoSyslog && !isDaemon() {
		return complain(daemonize(), 1)
	}
	return serve(c)
}

func complain(err error, status int) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "vpphost:", err)
	return status
}

// readConfig reads the file, else the words, else what is built in.
func readConfig(file string, words []string) (*conf.Config, []conf.Warning, error) {
	switch {
	case file != "":
		return conf.Load(file)
	case len(words) > 0:
		return conf.ParseWords(words)
	}
	return conf.Parse("built-in startup.conf", defaultConf)
}

// serve runs an instance until its shell or a signal ends it.
func serve(c *conf.Config) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if !c.Unix.Interactive {
		var stopInt context.CancelFunc
		ctx, stopInt = signal.NotifyContext(ctx, os.Interrupt)
		defer stopInt()
	}
	in, err := build(c, newLog(c))
	if err != nil {
		return complain(err, 1)
	}
	defer in.close()
	// A shell takes Ctrl-C itself; until it is there Ctrl-C ends the start.
	start, started := signal.NotifyContext(ctx, os.Interrupt)
	err = in.run(start)
	started()
	quit := errors.Is(err, cli.ErrQuit) // in the startup script
	if err != nil && !quit {
		return complain(err, max(1, cli.ExitStatus(err)))
	}
	ready()
	if quit {
		return 0
	}
	if !c.Unix.Interactive {
		<-ctx.Done()
		return 0
	}
	return in.console(ctx)
}

// console is the shell on standard input; its end is the program's.
func (in *instance) console(ctx context.Context) int {
	u := &in.conf.Unix
	sc := shell.Config{Engine: in.reg, Prompt: u.CLIPrompt, HistoryLimit: u.CLIHistoryLimit,
		HistoryFile: shell.DefaultHistoryFile(), NoPager: u.CLINoPager || u.CLIPagerLimit == 0,
		PagerLimit: u.CLIPagerLimit, Banner: banner(u), Color: !u.NoColor && os.Getenv("NO_COLOR") == ""}
	status, err := shell.Run(ctx, sc)
	if err != nil {
		return complain(err, 1)
	}
	return status
}

// banner greets people at the console and on the socket.
func banner(u *conf.Unix) string {
	if u.NoBanner {
		return ""
	}
	return shell.Banner + shell.Hint
}

// levels are VPP's log levels; slog has fewer.
var levels = map[string]slog.Level{
	"emerg": slog.LevelError, "alert": slog.LevelError, "crit": slog.LevelError, "error": slog.LevelError, "err": slog.LevelError,
	"warn": slog.LevelWarn, "notice": slog.LevelInfo, "info": slog.LevelInfo, "debug": slog.LevelDebug,
}

// newLog writes to standard error; a shell's terminal sees warnings and errors only. It
// is nil when nothing is to be logged.
func newLog(c *conf.Config) *logbook {
	level, ok := levels[c.Logging.Level]
	if !ok {
		return nil // disabled
	}
	shown := level
	if c.Unix.Interactive {
		shown = max(level, slog.LevelWarn)
	}
	return newLogbook(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: shown}), level, c.Logging.Size)
}

// about is what "show version" and --version tell.
func about() worker.Build {
	return worker.Build{Program: "vpphost", Version: version, Date: built, Compiler: runtime.Version()}
}
