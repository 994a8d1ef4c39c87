package cli

import (
	"context"
	"regexp"
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
	switch {
	case n.cmd == nil:
	case n.cmd.Complete != nil:
		words = append(words, r.completeArgs(ctx, n, rest, typed)...)
	default:
		words = append(words, usageWords(n.cmd.Usage, rest)...)
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

// usageToken is a keyword or a <value> of a usage.
var usageToken = regexp.MustCompile(`<[^>]*>|[^\s<>\[\]{}|]+`)

// usageWords are the keywords of a usage such as "[verbose] [max <count>]" that args do
// not hold yet; none where a keyword waits for its value.
func usageWords(usage, args string) (words []Word) {
	typed := strings.Fields(args)
	tokens := usageToken.FindAllString(usage, -1)
	for i, t := range tokens {
		valued := i+1 < len(tokens) && strings.HasPrefix(tokens[i+1], "<")
		switch {
		case !isCommandWord(t) || t == "-":
		case valued && len(typed) > 0 && typed[len(typed)-1] == t:
			return nil
		case !slices.Contains(typed, t):
			words = append(words, Word{Text: t})
		}
	}
	return words
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
