package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	prompt "github.com/c-bata/go-prompt"

	"vpphost/cli"
)

// What is wrong with go-prompt v0.2.6, and what this file does about it:
//
//   - Its parser keeps a pointer to the terminal's modes and then changes them, so
//     that nothing can be restored: editor is the parser, console the modes.
//   - Its parser inserts what one read returns as one text, so that pasted lines
//     are never executed: Read hands over a key or a piece of a line at a time.
//   - Prompt.Run exits the process on SIGINT and SIGTERM and leaks a signal handler
//     a command: Prompt.Input is used instead, which has no signals in it.
//   - Prompt.Input cannot be ended from outside and does not see a new window size:
//     Read returns a key that means nothing, and the exit checker says yes.
//   - Two goroutines poll every 10 ms: Flush, which go-prompt calls after it drew a
//     frame, does not return before there is a key, and Read waits in poll(2). So
//     the two take turns, and what Read sees of the line is never out of date. The
//     first frame is drawn before there is a reader to wait for; the first key that
//     Read hands over does nothing but have a second one drawn.
//   - The pop-up needs a fixed number of rows, else the screen is wiped and a
//     complaint shown: suggest asks for no more rows than there are.
//   - A completer whose answer shrinks while an entry is selected makes it panic:
//     suggest answers from its last answer as long as the text is the same.
//   - Ctrl-R is not there: search.go.
//   - Tab selects in the pop-up and never completes: Read inserts what is certain.
//   - prompt.New panics without /dev/tty: Run looks first, and uses plain lines.

// Errors with which readLine ends other than by Enter.
var (
	errResized = errors.New("window resized")
	errBreak   = errors.New("line is over") // Read to go-prompt: stop reading
)

// popupRows is the height of the pop-up where there is room for it.
const popupRows = 10

// keyNothing is a key that go-prompt knows and does nothing for.
const keyNothing key = "\x1b[E"

// editor edits lines. It is go-prompt's ConsoleParser and, through screenWriter, its
// ConsoleWriter.
type editor struct {
	con     *console
	out     *screenWriter
	p       *prompt.Prompt
	ctx     context.Context
	prefix  string
	history *history
	words   func(ctx context.Context, line string) []cli.Word

	// What go-prompt showed last. Written while it has the turn, read by Read.
	width, height int
	before, after string // text on both sides of the cursor
	suggested     []cli.Word
	suggests      []prompt.Suggest
	valid         bool // suggested belongs to before

	// Read's own.
	fresh   bool  // no key was handed over since Input began
	queue   []key // to hand over before the next key is read
	tabs    tabs  // what the last Tab did
	pasting bool  // between the marks of pasted text
	leave   error // why Input has to end
	row     int   // where the cursor was when the window was resized

	turn turn
}

// tabs is what Tab is about. As in VPP's shell the first Tab completes what is
// certain and otherwise leaves the candidates to be read; typing on narrows them.
// Only Tab after Tab walks through the pop-up.
type tabs uint8

const (
	tabNone tabs = iota
	tabListed
	tabCycling
)

func newEditor(ctx context.Context, con *console, cfg *Config, h *history) *editor {
	e := &editor{con: con, ctx: ctx, prefix: cfg.Prompt, history: h, words: cfg.Engine.Complete}
	e.turn.cond.L = &e.turn.mu
	e.out = &screenWriter{e: e, color: cfg.Color}
	word := func(k string, fn prompt.KeyBindFunc) prompt.ASCIICodeBind {
		return prompt.ASCIICodeBind{ASCIICode: []byte(k), Fn: fn}
	}
	e.p = prompt.New(func(string) {}, e.suggest,
		prompt.OptionParser(e), prompt.OptionWriter(e.out),
		prompt.OptionPrefix(e.prefix), prompt.OptionPrefixTextColor(prompt.DefaultColor),
		prompt.OptionShowCompletionAtStart(),
		prompt.OptionBreakLineCallback(func(*prompt.Document) { e.turn.over() }),
		prompt.OptionSetExitCheckerOnInput(func(string, bool) bool { return e.leave != nil }),
		prompt.OptionAddASCIICodeBind(
			word("\x1bb", prompt.GoLeftWord), word("\x1bf", prompt.GoRightWord),
			word("\x1b\x7f", prompt.DeleteWord)),
		prompt.OptionAddKeyBind(
			prompt.KeyBind{Key: prompt.ControlLeft, Fn: prompt.GoLeftWord},
			prompt.KeyBind{Key: prompt.ControlRight, Fn: prompt.GoRightWord}),
		prompt.OptionSuggestionTextColor(prompt.White), prompt.OptionSuggestionBGColor(prompt.DarkBlue),
		prompt.OptionDescriptionTextColor(prompt.LightGray), prompt.OptionDescriptionBGColor(prompt.DarkBlue),
		prompt.OptionSelectedSuggestionTextColor(prompt.Black), prompt.OptionSelectedSuggestionBGColor(prompt.Turquoise),
		prompt.OptionSelectedDescriptionTextColor(prompt.Black), prompt.OptionSelectedDescriptionBGColor(prompt.Turquoise),
		prompt.OptionPreviewSuggestionTextColor(prompt.DefaultColor),
		prompt.OptionScrollbarThumbColor(prompt.LightGray), prompt.OptionScrollbarBGColor(prompt.DarkBlue),
	)
	return e
}

// readLine edits a line until Enter. The error is io.EOF when the user leaves with
// Ctrl-D or the terminal is gone, or the context's.
func (e *editor) readLine() (line string, err error) {
	// The terminal shall mark what is pasted, in which a tab is a blank.
	io.WriteString(e.con, "\x1b[?2004h")
	defer io.WriteString(e.con, "\x1b[?2004l")
	e.pasting = e.pasting && e.con.typedAhead()
	for {
		e.leave = nil
		prompt.OptionHistory(e.history.lines())(e.p)
		if line, err = e.input(); err != nil {
			return "", err
		}
		switch {
		case e.leave == nil:
			return line, nil
		case e.leave == errResized:
			e.eraseLine(e.row)
		default:
			io.WriteString(e.con, "\n\x1b[J")
			return "", e.leave
		}
	}
}

// input runs go-prompt. A panic in it must not take the instance down.
func (e *editor) input() (line string, err error) {
	defer func() {
		if r := recover(); r != nil {
			e.turn.kill()
			err = fmt.Errorf("line editor: %v", r)
		}
	}()
	return e.p.Input(), nil
}

// eraseLine puts the cursor where the prompt began, row rows above.
func (e *editor) eraseLine(row int) {
	if row > 0 {
		fmt.Fprintf(e.con, "\x1b[%dA", row)
	}
	io.WriteString(e.con, "\r\x1b[J")
}

// cursorRow is the row of the cursor, counted from the prompt's, at today's window
// size: terminals wrap what they show anew when they are resized.
func (e *editor) cursorRow() int {
	width, _ := e.con.size()
	return (displayWidth(e.prefix) + displayWidth(e.before)) / width
}

// suggest is go-prompt's Completer. It runs before every frame.
func (e *editor) suggest(d prompt.Document) []prompt.Suggest {
	before := d.TextBeforeCursor()
	same := e.valid && before == e.before
	e.before, e.after = before, d.TextAfterCursor()
	rows := e.height - 2 - (displayWidth(e.prefix)+displayWidth(d.Text))/e.width
	prompt.OptionMaxSuggestion(uint16(min(max(rows, 0), popupRows)))(e.p)
	if before == "" {
		// The list would be everything there is: only if asked for.
		switch k := d.LastKeyStroke(); {
		case k == prompt.Tab:
		case same && (k == prompt.BackTab || k == prompt.Up || k == prompt.Down):
		default:
			e.suggested, e.suggests, e.valid = nil, nil, false
			return nil
		}
	}
	if same {
		return e.suggests
	}
	e.suggested, e.suggests, e.valid = e.words(e.ctx, before), nil, true
	for _, w := range e.suggested {
		help, _, _ := strings.Cut(w.Help, "\n")
		e.suggests = append(e.suggests, prompt.Suggest{Text: w.Text, Description: help})
	}
	return e.suggests
}

// Setup and TearDown are called at the beginning and the end of Input.
func (e *editor) Setup() error {
	e.turn.begin()
	e.fresh = true
	e.out.discard = false
	return e.con.raw()
}

func (e *editor) TearDown() error { return nil }

// GetWinSize is called at the beginning of Input.
func (e *editor) GetWinSize() *prompt.WinSize {
	e.con.resized.Store(false)
	e.width, e.height = e.con.size()
	return &prompt.WinSize{Col: uint16(e.width), Row: uint16(e.height)}
}

// Read hands go-prompt the next key. It waits until go-prompt has drawn what the
// key before it did.
func (e *editor) Read() ([]byte, error) {
	if !e.turn.take() {
		return nil, errBreak
	}
	k := keyNothing
	if !e.fresh {
		k = e.next()
	}
	e.fresh = false
	if e.leave != nil {
		// What go-prompt draws from here on would only be in the way.
		e.out.discard = true
	}
	e.turn.giveBack()
	return []byte(k), nil
}

// next is the next thing for go-prompt to do: a key, or a piece of text.
func (e *editor) next() key {
	for {
		if len(e.queue) > 0 {
			k := e.queue[0]
			e.queue = e.queue[1:]
			if k = e.translate(k); k != "" {
				return k
			}
			continue
		}
		if e.ctx.Err() != nil {
			e.leave = e.ctx.Err()
			return keyNothing
		}
		if e.con.resized.Load() {
			e.leave, e.row = errResized, e.cursorRow()
			return keyNothing
		}
		k, err := e.con.readKey()
		switch {
		case err == errWoken:
			continue
		case err != nil:
			e.leave = err
			return keyNothing
		}
		if k = e.translate(k); k != "" {
			return k
		}
	}
}

// translate makes of a key what go-prompt shall see; empty for nothing.
func (e *editor) translate(k key) key {
	tabs := e.tabs
	e.tabs = tabNone
	switch {
	case k == keyPaste || k == keyPasteEnd:
		e.pasting = k == keyPaste
	case k == keyTab && e.pasting:
		return " "
	case k == keyTab:
		return e.tab(tabs)
	case k == keyBackTab, (k == keyUp || k == keyDown) && tabs == tabCycling:
		e.tabs = tabCycling
		return k
	case k == keyCtrlR || k == keyCtrlS:
		e.queue = e.search(k)
		return ""
	case k == keyCtrlD && e.before == "" && e.after == "":
		e.leave = io.EOF
		return keyNothing
	case k.isText():
		return e.text(k)
	case k == keyNothing || prompt.GetKey([]byte(k)) != prompt.NotDefined:
		return k
	case k == "\x1bb" || k == "\x1bf" || k == "\x1b\x7f":
		return k
	}
	return "" // go-prompt would insert what it does not know
}

// text adds to a typed character what was pasted with it, up to the next key that
// is not text.
func (e *editor) text(k key) key {
	for {
		next, n := nextKey(e.con.pending, false)
		if n == 0 || !next.isText() {
			return k
		}
		k += next
		e.con.pending = e.con.pending[n:]
	}
}

// tab completes what is certain, and else walks through the pop-up.
func (e *editor) tab(last tabs) key {
	if last == tabNone && e.before != "" {
		add := extend(lastWord(e.before), e.suggested)
		if strings.HasPrefix(e.after, " ") {
			add = strings.TrimSuffix(add, " ")
		}
		if len(e.suggested) == 0 {
			io.WriteString(e.con, "\a")
		} else if add == "" {
			e.tabs = tabListed
		}
		return key(add)
	}
	e.tabs = tabCycling
	return keyTab
}

// turn makes go-prompt's two goroutines alternate: the one in Input, which draws,
// and the one that calls Read.
type turn struct {
	mu     sync.Mutex
	cond   sync.Cond
	reader bool // Read may read a key
	first  bool // Input has not started its reader yet
	ended  bool // the line is over, Read has to return
	dead   bool // go-prompt is broken, its reader goroutine has to end
}

// begin gives the turn to the drawing side, which is about to draw its first frame.
func (t *turn) begin() {
	t.mu.Lock()
	t.reader, t.ended, t.first = false, false, true
	t.mu.Unlock()
}

// drawn gives the turn to Read and waits until it comes back.
func (t *turn) drawn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reader, t.ended = true, false
	t.cond.Broadcast()
	if t.first {
		t.first = false
		return
	}
	for t.reader && !t.dead {
		t.cond.Wait()
	}
}

// take waits for the turn to read; false when the line is over.
func (t *turn) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.reader && !t.ended && !t.dead {
		t.cond.Wait()
	}
	if t.dead {
		runtime.Goexit()
	}
	return t.reader
}

func (t *turn) giveBack() {
	t.mu.Lock()
	t.reader = false
	t.cond.Broadcast()
	t.mu.Unlock()
}

// over is called when go-prompt ends a line; it goes on to draw after Ctrl-C only.
func (t *turn) over() {
	t.mu.Lock()
	t.ended = true
	t.cond.Broadcast()
	t.mu.Unlock()
}

func (t *turn) kill() {
	t.mu.Lock()
	t.dead = true
	t.cond.Broadcast()
	t.mu.Unlock()
}

// screenWriter is go-prompt's ConsoleWriter. It collects a frame and writes it at
// once.
type screenWriter struct {
	e       *editor
	buf     bytes.Buffer
	color   bool
	discard bool // go-prompt is on its way out of Input
	frame   bool // the frame is complete: Flush ends go-prompt's turn
	wiped   bool // the screen was erased in this frame
}

func (w *screenWriter) WriteRaw(b []byte)      { w.buf.Write(b) }
func (w *screenWriter) WriteRawStr(s string)   { w.buf.WriteString(s) }
func (w *screenWriter) Write(b []byte)         { w.WriteStr(string(b)) }
func (w *screenWriter) seq(f string, a ...any) { fmt.Fprintf(&w.buf, "\x1b["+f, a...) }

// WriteStr writes text, in which control characters do nothing.
func (w *screenWriter) WriteStr(s string) {
	// go-prompt ends a frame with ShowCursor, except when it complains that the
	// window is too small: it erases the screen and writes text.
	w.frame = w.frame || w.wiped
	for _, r := range s {
		if (r < ' ' && r != '\n') || r == 0x7f {
			r = '?'
		}
		w.buf.WriteRune(r)
	}
}

// Flush writes the frame, and then waits for the next key.
func (w *screenWriter) Flush() error {
	if !w.discard {
		w.e.con.Write(w.buf.Bytes())
	}
	w.buf.Reset()
	frame := w.frame
	w.frame, w.wiped = false, false
	if frame {
		w.e.turn.drawn()
	}
	return nil
}

func (w *screenWriter) EraseScreen()      { w.wiped = true; w.seq("2J") }
func (w *screenWriter) EraseUp()          { w.seq("1J") }
func (w *screenWriter) EraseDown()        { w.seq("J") }
func (w *screenWriter) EraseStartOfLine() { w.seq("1K") }
func (w *screenWriter) EraseEndOfLine()   { w.seq("K") }
func (w *screenWriter) EraseLine()        { w.seq("2K") }
func (w *screenWriter) HideCursor()       { w.seq("?25l") }
func (w *screenWriter) ShowCursor()       { w.frame = true; w.seq("?25h") }
func (w *screenWriter) AskForCPR()        { w.seq("6n") }
func (w *screenWriter) SaveCursor()       { w.seq("s") }
func (w *screenWriter) UnSaveCursor()     { w.seq("u") }
func (w *screenWriter) ScrollDown()       { w.WriteRawStr("\x1bD") }
func (w *screenWriter) ScrollUp()         { w.WriteRawStr("\x1bM") }
func (w *screenWriter) SetTitle(string)   {}
func (w *screenWriter) ClearTitle()       {} // whose title is not ours to clear

func (w *screenWriter) CursorGoTo(row, col int) {
	if row == 0 && col == 0 {
		w.seq("H")
		return
	}
	w.seq("%d;%dH", row, col)
}

func (w *screenWriter) move(n int, forth, back byte) {
	switch {
	case n > 0:
		w.seq("%d%c", n, forth)
	case n < 0:
		w.seq("%d%c", -n, back)
	}
}

func (w *screenWriter) CursorUp(n int)       { w.move(n, 'A', 'B') }
func (w *screenWriter) CursorDown(n int)     { w.move(n, 'B', 'A') }
func (w *screenWriter) CursorForward(n int)  { w.move(n, 'C', 'D') }
func (w *screenWriter) CursorBackward(n int) { w.move(n, 'D', 'C') }

// SetColor sets the colours of what follows. Without colour the pop-up is in
// reverse video, and the selected entry, the only bold one, is not.
func (w *screenWriter) SetColor(fg, bg prompt.Color, bold bool) {
	if !w.color {
		if bg != prompt.DefaultColor && !bold && bg != prompt.Turquoise {
			w.seq("7m")
		} else {
			w.seq("0m")
		}
		return
	}
	attr := 0
	if bold {
		attr = 1
	}
	w.seq("%d;%d;%dm", attr, sgr(fg, 30), sgr(bg, 40))
}

// sgr is the number of a colour in the SGR sequence; base is 30 for the foreground,
// 40 for the background. go-prompt counts colours as ECMA-48 does, low intensity
// first.
func sgr(c prompt.Color, base int) int {
	switch {
	case c == prompt.DefaultColor:
		return base + 9
	case c <= prompt.LightGray:
		return base + int(c-prompt.Black)
	default:
		return base + 60 + int(c-prompt.DarkGray)
	}
}

// displayWidth is the number of columns s takes, for the text of a command line.
func displayWidth(s string) int { return utf8.RuneCountInString(s) }
