package cli

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
)

// Complete suggests whole words for the one that line ends in (which is empty
// behind a blank), sorted, with their help: words of the tree, arguments that the
// command suggests, and pipes.
func (r *Registry) Complete(ctx context.Context, line string) []Word {
	head, tail := cutPipes(line)
	if tail != "" {
		for {
			one, more := cutPipes(tail[1:])
			if more == "" {
				before, typed := cutLastWord(one)
				if strings.TrimSpace(before) != "" {
					return nil // the argument of a filter
				}
				return pick(r.pipeWords(), typed)
			}
			tail = more
		}
	}
	before, typed := cutLastWord(head)
	n, rest, _, err := r.walk(before)
	if err != nil {
		return nil
	}
	var words []Word
	if rest == "" {
		words = n.words("")
	}
	if n.cmd != nil && n.cmd.Complete != nil {
		words = append(words, r.completeArgs(ctx, n, rest, typed)...)
	}
	return pick(words, typed)
}

// completeArgs asks the command. A panic in it suggests nothing.
func (r *Registry) completeArgs(ctx context.Context, n *node, args, typed string) (words []Word) {
	defer func() {
		if p := recover(); p != nil && r.LogPanic != nil {
			r.LogPanic(n.path, p, debug.Stack())
		}
	}()
	c := &Ctx{
		Context: ctx,
		Typed:   typed,
		Session: NewSession(""),
		Emit:    func(Result) error { return nil },
		Exec:    func(string) error { return Usagef("completion runs nothing") },
	}
	return n.cmd.Complete(c, NewInput(args))
}

// cutLastWord splits line in front of the word that it ends in.
func cutLastWord(line string) (before, word string) {
	i := len(line)
	for i > 0 && !delimited(line[i-1:]) {
		i--
	}
	return line[:i], line[i:]
}

// pick keeps the words that begin with what was typed, each once, sorted.
func pick(words []Word, typed string) []Word {
	words = slices.DeleteFunc(words, func(w Word) bool { return !strings.HasPrefix(w.Text, typed) })
	slices.SortStableFunc(words, func(a, b Word) int { return strings.Compare(a.Text, b.Text) })
	return slices.CompactFunc(words, func(a, b Word) bool { return a.Text == b.Text })
}
