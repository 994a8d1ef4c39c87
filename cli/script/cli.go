package script

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"vpphost/cli"
)

// Commands are the commands of this package.
func Commands() []*cli.Command {
	return []*cli.Command{{
		Path:  "exec",
		Usage: "[--keep-going] <file>",
		Help: "Run a file of commands\n" +
			"Each line is a command; # begins a comment, a backslash at the end continues the\n" +
			"line, and braces may go over several lines. The first line that fails ends it,\n" +
			"unless --keep-going is given.",
		Run:      runExec,
		Complete: completeFile,
	}}
}

func runExec(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var file string
	keepGoing := in.Match("--keep-going")
	if at := in.Rest(); !in.Word(&file) {
		return nil, cli.Usagef("expecting file name, got %s", cli.Quote(at))
	}
	keepGoing = in.Match("--keep-going") || keepGoing
	if err := in.End(); err != nil {
		return nil, err
	}
	lines, err := read(file)
	if err != nil {
		return nil, err
	}
	failed := 0
	for _, l := range lines {
		err := c.Exec(l.text)
		if err == nil {
			continue
		}
		err = &Error{file, l.number, err}
		if !keepGoing || errors.Is(err, cli.ErrQuit) || c.Err() != nil {
			return nil, err
		}
		failed++
		if err := c.Emit(failure{file, l.number, err.Error(), cli.ExitStatus(err)}); err != nil {
			return nil, err
		}
	}
	if failed > 0 {
		return nil, fmt.Errorf("%d of %d lines failed", failed, len(lines))
	}
	return nil, nil
}

// failure is a line that failed, among the output of the others.
type failure struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Error  string `json:"error"`
	Status int    `json:"status"`
}

func (f failure) Text(w io.Writer, _ cli.Layout) error {
	_, err := fmt.Fprintln(w, f.Error)
	return err
}

// maxFiles bounds the completions of a directory.
const maxFiles = 500

// completeFile suggests files and directories.
func completeFile(c *cli.Ctx, in *cli.Input) []cli.Word {
	in.Match("--keep-going")
	if !in.Done() {
		return nil
	}
	dir, base := filepath.Split(c.Typed)
	where := dir
	if where == "" {
		where = "."
	}
	entries, err := os.ReadDir(where)
	if err != nil {
		return nil
	}
	var words []cli.Word
	for _, e := range entries {
		name := e.Name()
		hidden := strings.HasPrefix(name, ".") && base == ""
		if hidden || !strings.HasPrefix(name, base) || len(words) == maxFiles {
			continue
		}
		if info, err := os.Stat(filepath.Join(where, name)); err == nil && info.IsDir() {
			words = append(words, cli.Word{Text: dir + name + "/", Help: "directory"})
		} else {
			words = append(words, cli.Word{Text: dir + name, Help: "file"})
		}
	}
	return words
}
