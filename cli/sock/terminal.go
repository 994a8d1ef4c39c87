package sock

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/term"

	"vpphost/cli"
)

// maxTypedAhead bounds what waits for the line editor.
const maxTypedAhead = maxLine

// serveTerminal serves a person: telnet, or the stock vppctl at a terminal. There is
// no pager; vppctl of this project has one.
func (c *client) serveTerminal() error {
	kb := &keyboard{}
	kb.cond.L = &kb.mu
	screen := telnetWriter{w: c.out}
	text := telnetWriter{w: c.out, crlf: true}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{kb, screen}, c.srv.cfg.Prompt)
	t.History = &lineHistory{limit: c.srv.cfg.HistoryLimit}
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return c.complete(t, line, pos)
	}
	c.session.UpdateTerminal(func(t *cli.Terminal) {
		*t = cli.Terminal{
			Name: c.term, Interactive: true, ANSI: ansiCapable(c.term), CRLF: true,
			History: c.srv.cfg.HistoryLimit > 0, HistoryLimit: c.srv.cfg.HistoryLimit,
		}
	})
	io.WriteString(text, c.srv.cfg.Banner)
	go c.readKeys(kb, t)
	for {
		// What ReadLine returns with an error other than EOF is a pasted line.
		line, err := t.ReadLine()
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case err != nil && line == "":
			return err
		case strings.TrimSpace(line) == "":
			continue
		}
		layout := cli.Layout{}
		layout.Width, layout.Height = c.size()
		c.session.UpdateTerminal(func(t *cli.Terminal) { t.Width, t.Height = layout.Width, layout.Height })
		c.session.Remember(line)
		err = c.exec(line, text, cli.Options{Layout: layout})
		switch {
		case errors.Is(err, cli.ErrQuit):
			return nil
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case err != nil:
			cli.WriteError(text, err, cli.Options{})
		}
	}
}

// ansiCapable tells whether VPP takes a terminal type for one that understands
// escape sequences.
func ansiCapable(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "xterm") || strings.HasPrefix(name, "screen") ||
		strings.HasPrefix(name, "tmux") || name == "ansi"
}

// readKeys reads what the person types, also while a command runs.
func (c *client) readKeys(kb *keyboard, t *term.Terminal) {
	defer kb.close()
	defer c.cancel() // it hung up
	width, height := 0, 0
	for cr := false; ; {
		// Before the first key, negotiate may have taken the size.
		if w, h := c.size(); w != width || h != height {
			width, height = w, h
			t.SetSize(width, height)
		}
		ev, err := readTelnet(c.in)
		if err != nil {
			return
		}
		b := ev.data
		switch {
		case ev.kind == telnetInterrupt, ev.kind == telnetData && b == 3:
			kb.interrupt(c.interrupt())
		case ev.kind != telnetData:
			c.telnet(ev)
		case cr && (b == '\n' || b == 0): // telnet's CR LF and CR NUL
		case b == '\n':
			kb.put('\r')
		case b != 0:
			kb.put(b)
		}
		cr = ev.kind == telnetData && b == '\r'
	}
}

// complete is Tab: what is certain is inserted, else the candidates are shown.
func (c *client) complete(t *term.Terminal, line string, pos int) (string, int, bool) {
	words := c.srv.cfg.Engine.Complete(c.ctx, line[:pos])
	typed := line[strings.LastIndexAny(line[:pos], " \t")+1 : pos]
	if len(words) == 0 {
		io.WriteString(c.out, "\a")
		return line, pos, true
	}
	add := words[0].Text
	for _, w := range words[1:] {
		for !strings.HasPrefix(w.Text, add) {
			add = add[:len(add)-1]
		}
	}
	add, ok := strings.CutPrefix(add, typed)
	if !ok {
		return line, pos, true
	}
	// A directory goes on.
	if len(words) == 1 && !strings.HasPrefix(line[pos:], " ") && !strings.HasSuffix(add, "/") {
		add += " "
	}
	if add == "" {
		var list strings.Builder
		for _, w := range words {
			help, _, _ := strings.Cut(w.Help, "\n")
			list.WriteString(strings.TrimRight(fmt.Sprintf("  %-28s %s", w.Text, help), " ") + "\n")
		}
		fmt.Fprintf(t, "%s%s\n%s", c.srv.cfg.Prompt, line, list.String())
		return line, pos, true
	}
	return line[:pos] + add + line[pos:], pos + len(add), true
}

// keyboard holds what was typed until the line editor reads it.
type keyboard struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    []byte
	closed bool
}

// Read is the line editor's.
func (k *keyboard) Read(p []byte) (int, error) {
	if len(p) == 0 { // the editor's buffer is full of an endless escape sequence
		return 0, io.ErrShortBuffer
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.buf) == 0 && !k.closed {
		k.cond.Wait()
	}
	if len(k.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, k.buf)
	k.buf = k.buf[n:]
	return n, nil
}

// put adds a byte; what is too much is lost.
func (k *keyboard) put(b byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.buf) < maxTypedAhead {
		k.buf = append(k.buf, b)
		k.cond.Signal()
	}
}

// interrupt forgets what was typed ahead; at the prompt it also clears the line,
// with ^E ^U, because the editor takes ^C as the end.
func (k *keyboard) interrupt(running bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.buf = nil
	if !running {
		k.buf = []byte{5, 21}
		k.cond.Signal()
	}
}

func (k *keyboard) close() {
	k.mu.Lock()
	k.closed = true
	k.cond.Broadcast()
	k.mu.Unlock()
}

// lineHistory is the editor's history: no blank lines, no repetitions.
type lineHistory struct {
	limit int
	lines []string // newest last
}

func (h *lineHistory) Add(line string) {
	n := len(h.lines)
	if h.limit <= 0 || strings.TrimSpace(line) == "" || n > 0 && h.lines[n-1] == line {
		return
	}
	if n == h.limit {
		h.lines = h.lines[1:]
	}
	h.lines = append(h.lines, line)
}

func (h *lineHistory) Len() int        { return len(h.lines) }
func (h *lineHistory) At(i int) string { return h.lines[len(h.lines)-1-i] }
