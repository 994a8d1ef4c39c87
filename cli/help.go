package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// question recognizes a line that ends in "?" and gives the command that answers
// it, or nil when the line is none. As in VPP the mark may stand behind a blank or
// behind the beginning of a word. Behind an argument it needs a blank, because it
// may belong to the argument.
func (r *Registry) question(line string) (*Command, error) {
	before, ok := strings.CutSuffix(strings.TrimRight(line, blanks), "?")
	if !ok || strings.HasSuffix(before, `\`) {
		return nil, nil
	}
	glued := before != "" && !isBlank(before[len(before)-1])
	n, rest, found, err := r.walk(before)
	if err != nil {
		return nil, err
	}
	_, after := cutWord(rest)
	switch {
	case rest == "":
		return listing(n), nil
	case glued && len(found) > 1 && after == "":
		return listing(found...), nil
	case n.cmd == nil:
		return nil, n.unknown(rest, found)
	case glued:
		return nil, nil
	}
	return answer(commandList{n.info()}), nil
}

// listing answers with all commands at and below the nodes.
func listing(nodes ...*node) *Command {
	var list commandList
	for _, n := range nodes {
		for _, c := range n.commands(nil) {
			list = append(list, c.info())
		}
	}
	slices.SortFunc(list, func(a, b commandInfo) int { return strings.Compare(a.Path, b.Path) })
	return answer(list)
}

// answer is a command of the engine's own that shows res.
func answer(res Result) *Command {
	return &Command{Run: func(*Ctx, *Input) (Result, error) { return res, nil }}
}

// commandInfo is one line of "?".
type commandInfo struct {
	Path  string `json:"path"`
	Usage string `json:"usage,omitempty"`
	Help  string `json:"help"`
}

func (n *node) info() commandInfo {
	return commandInfo{n.path, n.cmd.Usage, n.cmd.Help}
}

type commandList []commandInfo

// usageIndent puts the further lines of a usage below its first.
var usageIndent = strings.Repeat(" ", 2+40+1)

// Text is VPP's layout: the path in 40 columns, then the usage, which repeats the
// path. A command without arguments shows what it is for instead.
func (l commandList) Text(w io.Writer, _ Layout) error {
	for _, c := range l {
		text := c.Path + " " + c.Usage
		if c.Usage == "" {
			text = summary(c.Help)
		}
		text = strings.ReplaceAll(text, "\n", "\n"+usageIndent)
		if _, err := fmt.Fprintf(w, "  %-40s %s\n", c.Path, text); err != nil {
			return err
		}
	}
	return nil
}

// summary is the first line of a help text.
func summary(help string) string {
	first, _, _ := strings.Cut(help, "\n")
	return first
}

// summary of a word: its command's, or that it is a group.
func (n *node) summary() string {
	if n.cmd != nil {
		return summary(n.cmd.Help)
	}
	return n.path + " commands"
}

// words are the children whose names begin with prefix.
func (n *node) words(prefix string) []Word {
	var words []Word
	for _, c := range n.children {
		if strings.HasPrefix(c.name, prefix) {
			words = append(words, Word{c.name, c.summary()})
		}
	}
	return words
}

// wantsHelp tells whether args ask for help on n, as in "show interface help". For a
// command that takes any argument, help may be one.
func (n *node) wantsHelp(args string) bool {
	return strings.TrimSpace(args) == "help" && n.path != "" &&
		(len(n.children) > 0 || n.cmd.Usage == "")
}

// help answers "help <path>" and "<path> help".
func (n *node) help() *Command {
	h := helpText{}
	if n.cmd != nil {
		info := n.info()
		h.Command = &info
	}
	for _, w := range n.words("") {
		h.Words = append(h.Words, helpWord{w.Text, w.Help})
	}
	return answer(h)
}

type helpText struct {
	Command *commandInfo `json:"command,omitempty"`
	Words   []helpWord   `json:"words,omitempty"`
}

type helpWord struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

// Text shows the command's usage and whole help, then the words that may follow in
// VPP's layout.
func (h helpText) Text(w io.Writer, _ Layout) error {
	var b strings.Builder
	if c := h.Command; c != nil {
		fmt.Fprintf(&b, "%s\n\n%s\n", strings.TrimSpace(c.Path+" "+c.Usage), c.Help)
		if h.Words != nil {
			b.WriteByte('\n')
		}
	}
	for _, word := range h.Words {
		fmt.Fprintf(&b, "  %-30s %s\n", word.Name, word.Help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Registry) helpCommand() *Command {
	return &Command{
		Path:  "help",
		Usage: "[<command>]",
		Help: "Show what may be typed\n" +
			"Without a command: the first words there are. With one: its usage and the words\n" +
			"that may follow. A line that ends in ? lists all commands that begin with it.\n" +
			"Words may be shortened as long as they are unique. Behind a command:\n" +
			"| json, | include <text>, | exclude <text>, | count.",
		Run: func(c *Ctx, in *Input) (Result, error) {
			var path string
			in.Line(&path)
			n, rest, found, err := r.walk(path)
			if err != nil {
				return nil, err
			}
			if rest != "" {
				return nil, n.unknown(rest, found)
			}
			return n.help().Run(c, in)
		},
		Complete: func(_ *Ctx, in *Input) []Word {
			if n, rest, _, err := r.walk(in.Rest()); err == nil && rest == "" {
				return n.words("")
			}
			return nil
		},
	}
}
