package shell

import (
	"strings"

	"vpphost/cli"
)

// lastWord is the word that the cursor is at the end of; empty after a blank.
func lastWord(text string) string {
	return text[strings.LastIndexAny(text, " \t")+1:]
}

// extend tells what Tab adds to the typed word: the rest of the only candidate and
// a blank, or as much as all candidates have in common. No blank follows a
// directory, which goes on. Words in angle or square brackets are hints for the
// reader; they are not inserted.
func extend(word string, words []cli.Word) string {
	var common string
	n := 0
	for _, w := range words {
		if !strings.HasPrefix(w.Text, word) || isHint(w.Text) {
			continue
		}
		if n++; n == 1 {
			common = w.Text
			continue
		}
		for !strings.HasPrefix(w.Text, common) {
			common = common[:len(common)-1]
		}
	}
	switch {
	case n == 0:
		return ""
	case n == 1 && len(words) == 1 && !strings.HasSuffix(common, "/"):
		return common[len(word):] + " "
	}
	return common[len(word):]
}

func isHint(s string) bool { return strings.HasPrefix(s, "<") || strings.HasPrefix(s, "[") }
