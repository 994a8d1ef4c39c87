package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Registry holds the tree of commands. It is filled in main and then only read;
// Exec and Complete may be called from any number of goroutines.
type Registry struct {
	root    node
	formats []Format

	// LogLine, when set, is told every line before it runs, also those of scripts.
	LogLine func(s *Session, line string)
	// LogPanic, when set, is told every panic of a command, with the stack.
	LogPanic func(path string, value any, stack []byte)
}

// node is one word of the tree: a command, a group of longer paths, or both.
type node struct {
	name     string
	path     string // full path, "" for the root
	cmd      *Command
	children []*node // sorted by name
	hits     atomic.Uint64
}

// NewRegistry makes a tree that knows the engine's own words only: help, comment,
// uncomment, echo, wait, history, define, undefine, quit, show macro, show cli,
// show terminal, set terminal.
func NewRegistry() *Registry {
	r := &Registry{}
	if err := r.Add(r.builtins()...); err != nil {
		panic(err) // the list is constant
	}
	r.AddFormat(jsonFormat)
	return r
}

// Add puts commands into the tree. It reports a path that is taken or malformed
// and a command without Help or Run, and adds the others.
func (r *Registry) Add(cmds ...*Command) error {
	var errs []error
	for _, c := range cmds {
		if err := r.add(c); err != nil {
			errs = append(errs, fmt.Errorf("command %q: %w", c.Path, err))
		}
	}
	return errors.Join(errs...)
}

func (r *Registry) add(c *Command) error {
	words := strings.Split(c.Path, " ")
	for _, w := range words {
		if !isCommandWord(w) {
			return fmt.Errorf("malformed word %q in the path", w)
		}
	}
	if c.Help == "" || c.Run == nil {
		return errors.New("Help and Run are required")
	}
	n := &r.root
	for _, w := range words {
		n = n.child(w)
	}
	if n.cmd != nil {
		return errors.New("path is taken")
	}
	n.cmd = c
	return nil
}

// isCommandWord tells whether w may be a word of a path: letters, digits, _ and -.
func isCommandWord(w string) bool {
	return w != "" && strings.IndexFunc(w, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}) < 0
}

// child is the child of that exact name; it is made when there is none.
func (n *node) child(name string) *node {
	i, found := slices.BinarySearchFunc(n.children, name, func(c *node, name string) int {
		return strings.Compare(c.name, name)
	})
	if !found {
		c := &node{name: name, path: strings.TrimLeft(n.path+" "+name, " ")}
		n.children = slices.Insert(n.children, i, c)
	}
	return n.children[i]
}

// match gives the children that word may stand for: the one of that exact name, or
// all that begin with it, but only one of several names of the same command.
func (n *node) match(word string) []*node {
	var found []*node
	for _, c := range n.children {
		if c.name == word {
			return []*node{c}
		}
		if strings.HasPrefix(c.name, word) {
			found = append(found, c)
		}
	}
	if len(found) > 1 && sameCommand(found) {
		found = found[:1]
	}
	return found
}

// sameCommand tells whether all nodes are names of one command.
func sameCommand(nodes []*node) bool {
	for _, n := range nodes {
		if n.cmd == nil || len(n.children) > 0 || n.cmd.first() != nodes[0].cmd.first() {
			return false
		}
	}
	return true
}

// commands appends all commands at and below n, by path.
func (n *node) commands(list []*node) []*node {
	if n.cmd != nil {
		list = append(list, n)
	}
	for _, c := range n.children {
		list = c.commands(list)
	}
	return list
}

// Commands lists all commands, sorted word by word.
func (r *Registry) Commands() []*Command {
	var list []*Command
	for _, n := range r.root.commands(nil) {
		list = append(list, n.cmd)
	}
	return list
}

// maxBraces limits how deeply a command's words may be wrapped in braces.
const maxBraces = 16

// walk follows the words of line as far as they name nodes. It stops at the first
// word that does not, or that may be an argument; rest begins with that word, and
// found holds the children that it may stand for.
func (r *Registry) walk(line string) (n *node, rest string, found []*node, err error) {
	n, rest = &r.root, trimLeft(line)
	for braces := 0; rest != "" && len(n.children) > 0; {
		if rest[0] == '{' {
			inner, after, ok := cutGroup(rest)
			if braces++; !ok || braces > maxBraces {
				return nil, "", nil, &Error{n.path, Usagef("missing } in %s", Quote(rest))}
			}
			rest = trimLeft(inner + " " + after)
			continue
		}
		word, after := cutWord(rest)
		if found = n.match(word); word == "" || len(found) != 1 {
			return n, rest, found, nil
		}
		n, rest, found = found[0], trimLeft(after), nil
	}
	return n, rest, nil, nil
}

// unknown is the error for a word that names no child of n, or more than one.
func (n *node) unknown(rest string, found []*node) error {
	if word, _ := cutWord(rest); word != "" && len(found) > 1 {
		names := make([]string, len(found))
		for i, c := range found {
			names[i] = c.name
		}
		return &Error{n.path, Usagef("ambiguous input %s: %s", Quote(word), strings.Join(names, ", "))}
	}
	return &Error{n.path, unknownInput(rest)}
}
