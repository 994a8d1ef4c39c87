package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"vpphost/cli"
	"vpphost/cli/shell"
	"vpphost/cli/sock"
)

const (
	statusUsage        = 2
	statusNoConnection = 3

	historyLimit = 500
)

func main() { os.Exit(run(os.Args[1:])) }

// options are the flags.
type options struct {
	socket  string
	output  string
	noPager bool
	help    bool
	version bool
}

func run(args []string) int {
	o, words, err := parse(args)
	switch {
	case err != nil:
		return fail(err, statusUsage)
	case o.help:
		usage(os.Stdout)
		return 0
	case o.version:
		fmt.Println("vppctl", version())
		return 0
	}

	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGHUP)
	defer stop()
	client, err := connect(ctx, o.socket, sockets())
	if err != nil {
		return fail(err, statusNoConnection)
	}
	defer client.Close()
	if len(words) > 0 {
		return command(ctx, client, strings.Join(words, " "), o)
	}
	return session(ctx, client, o)
}

// flags are those of vppctl; what follows the first word belongs to the command.
func flags(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("vppctl", pflag.ContinueOnError)
	f.SetInterspersed(false)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringVarP(&o.socket, "socket", "s", "", "CLI socket: /path, abstract:name or host:port")
	f.StringVarP(&o.output, "output", "o", "text", "format of results: text or json")
	f.BoolVar(&o.noPager, "no-pager", false, "do not stop after each screen")
	f.BoolVarP(&o.help, "help", "h", false, "print this and exit")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
	return f
}

func parse(args []string) (o options, words []string, err error) {
	f := flags(&o)
	if err := f.Parse(args); err != nil {
		return o, nil, err
	}
	if o.output != "text" && o.output != "json" {
		return o, nil, fmt.Errorf("output format %q is neither text nor json", o.output)
	}
	return o, f.Args(), nil
}

func usage(w io.Writer) {
	fmt.Fprintf(w, `vppctl runs commands on a running vpphost (or VPP).

Usage:
  vppctl [flags] command words…   run one command
  vppctl [flags] < file           run each line
  vppctl [flags]                  interactive session

Flags:
%s
Without -s these sockets are tried:
  %s

Exit status: 0 ok, 1 command failed, 2 unknown command or bad usage, 3 no connection.
`, flags(new(options)).FlagUsages(), strings.Join(sockets(), "\n  "))
}

// version is the module's, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " " + s.Value
			}
		}
	}
	return v
}

// sockets is where an instance may listen, in the order in which they are tried.
func sockets() []string {
	uid := os.Getuid()
	list := []string{"/run/vpphost/cli.sock"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		list = append(list, dir+"/vpphost/cli.sock")
	}
	list = append(list, fmt.Sprintf("/run/user/%d/vpphost/cli.sock", uid))
	// Anybody may have made a directory in /tmp; ours is to be trusted only if it is
	// ours.
	if tmp := fmt.Sprintf("/tmp/vpphost-%d", uid); trusted(tmp, uid) {
		list = append(list, tmp+"/cli.sock")
	}
	return slices.Compact(append(list, "/run/vpp/cli.sock", "./cli.sock"))
}

// trusted tells that a directory is missing or belongs to uid.
func trusted(dir string, uid int) bool {
	var st unix.Stat_t
	err := unix.Lstat(dir, &st)
	return err == unix.ENOENT || err == nil && int(st.Uid) == uid && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// connect connects to the given socket, or to the first of a list where somebody
// listens.
func connect(ctx context.Context, socket string, list []string) (*sock.Client, error) {
	if socket != "" {
		return sock.Dial(ctx, socket)
	}
	var denied error
	for _, path := range list {
		client, err := sock.Dial(ctx, path)
		switch {
		case err == nil:
			return client, nil
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ENOTDIR):
		case denied == nil:
			denied = err
		}
	}
	if denied != nil {
		return nil, denied
	}
	return nil, errors.New("no running instance found; name its CLI socket with -s")
}

// command runs one command. The first Ctrl-C cancels it, the second one ends vppctl.
func command(ctx context.Context, client *sock.Client, line string, o options) int {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT)
	defer stop()
	unhook := context.AfterFunc(ctx, func() {
		stop()
		if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
			fmt.Println() // what follows stands behind the terminal's "^C" otherwise
		}
	})
	defer unhook()
	opts := cli.Options{JSON: o.output == "json", Layout: layout()}
	err := client.Exec(ctx, line, os.Stdout, opts)
	if errors.Is(err, net.ErrClosed) {
		return fail(err, statusNoConnection)
	}
	cli.WriteError(os.Stderr, err, opts)
	return cli.ExitStatus(err)
}

// session runs lines, of a person or of a pipe.
func session(ctx context.Context, client *sock.Client, o options) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-client.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	status, err := shell.Run(ctx, shell.Config{
		Engine:       client,
		Prompt:       client.Prompt(),
		Banner:       client.Banner(),
		HistoryLimit: historyLimit,
		HistoryFile:  shell.DefaultHistoryFile(),
		NoPager:      o.noPager,
		Color:        layout().Color,
		JSON:         o.output == "json",
	})
	if err == nil {
		err = client.Err()
	}
	if err != nil {
		return fail(err, statusNoConnection)
	}
	return status
}

// layout is what standard output can show; nothing is known of a file or pipe.
func layout() cli.Layout {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return cli.Layout{}
	}
	return cli.Layout{Width: width, Height: height, Color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// fail prints an error as one line.
func fail(err error, status int) int {
	msg := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	fmt.Fprintln(os.Stderr, "vppctl:", msg)
	return status
}
