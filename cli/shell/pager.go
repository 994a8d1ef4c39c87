package shell

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// pager shows rows a screen at a time, as VPP's does.
type pager struct {
	con  *console
	rows []string
	page int // rows of text on the screen; one is left for the prompt
	end  int // rows[end-1] is the last one on the screen
	bold bool
}

// run returns when the user has seen enough, or done tells that there is no user
// any more.
func (p *pager) run(done func() bool) {
	_, height := p.con.size()
	p.page = max(height-1, 1)
	p.forward(p.page)
	defer io.WriteString(p.con, "\r\x1b[K")
	for !done() {
		p.prompt()
		k, err := p.con.readKey()
		if err == errWoken {
			if p.con.resized.Swap(false) {
				_, height := p.con.size()
				p.page = max(height-1, 1)
				p.redraw()
			}
			continue
		}
		last := p.end == len(p.rows)
		switch {
		case err != nil, k == "q", k == "Q", k == keyCtrlC, k == keyCtrlD:
			return
		case k == " ", k == keyPageDown, k == "\x06": // ^F
			if last {
				return
			}
			p.forward(p.page)
		case k == keyCR, k == keyLF, k == keyDown:
			if last && k != keyDown {
				return
			}
			p.forward(1)
		case k == keyUp:
			p.back(1)
		case k == keyPageUp, k == "b", k == "\x02": // ^B
			p.back(p.page)
		case k == keyHome, k == "g":
			p.back(len(p.rows))
		case k == keyEnd, k == "G":
			p.end = len(p.rows)
			p.redraw()
		case k == keyCtrlL, k == keyCtrlR:
			p.redraw()
		}
	}
}

// prompt is drawn over the last row.
func (p *pager) prompt() {
	text := fmt.Sprintf("-- more -- (%d-%d/%d)", max(p.end-p.page, 0)+1, p.end, len(p.rows))
	if p.bold {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	io.WriteString(p.con, "\r\x1b[K"+text)
}

// forward shows n more rows below those on the screen.
func (p *pager) forward(n int) {
	to := min(p.end+n, len(p.rows))
	p.show(p.end, to)
	p.end = to
}

// back shows the page that begins n rows before the one on the screen.
func (p *pager) back(n int) {
	if first := p.end - p.page; first > 0 {
		p.end -= min(n, first)
		p.redraw()
	}
}

func (p *pager) redraw() {
	p.end = min(max(p.end, p.page), len(p.rows))
	io.WriteString(p.con, "\x1b[H\x1b[J")
	p.show(max(p.end-p.page, 0), p.end)
}

func (p *pager) show(from, to int) {
	var b strings.Builder
	b.WriteString("\r\x1b[K")
	for _, row := range p.rows[from:to] {
		b.WriteString(row)
		b.WriteString("\n")
	}
	io.WriteString(p.con, b.String())
}

// splitRows cuts text into rows of a terminal. Escape sequences take no room; a tab
// takes what is left to the next multiple of 8.
func splitRows(text string, width int) []string {
	var rows []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		start, col := 0, 0
		for i := 0; i < len(line); {
			if line[i] == 0x1b {
				i += max(escapeLen([]byte(line[i:min(len(line), i+2*maxEscape)])), 1)
				continue
			}
			r, n := utf8.DecodeRuneInString(line[i:])
			w := 1
			if r == '\t' {
				w = 8 - col%8
			}
			if col+w > width && col > 0 {
				rows = append(rows, line[start:i])
				start, col = i, 0
			}
			col += w
			i += n
		}
		rows = append(rows, line[start:])
	}
	return rows
}
