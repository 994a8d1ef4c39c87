package httpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"

	"vpphost/cli"
)

// format is how a page is written.
type format uint8

const (
	formatText format = iota
	formatHTML
	formatJSON
)

var formats = [...]struct{ name, mediaType string }{
	formatText: {"text", "text/plain; charset=utf-8"},
	formatHTML: {"html", "text/html; charset=utf-8"},
	formatJSON: {"json", "application/json"},
}

func formatNamed(s string) (format, bool) {
	for f := range formats {
		if formats[f].name == s {
			return format(f), true
		}
	}
	return 0, false
}

// chooseFormat is what a client likes best, by its Accept field (RFC 9110 section 12.5.1):
// text when it does not care.
func chooseFormat(accept string) format {
	best, weight := formatText, 0.0
	for item := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(item, ";")
		f, q := formatText, 1.0
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "text/html", "application/xhtml+xml":
			f = formatHTML
		case "application/json", "text/json":
			f = formatJSON
		case "text/plain", "text/*", "*/*":
		default:
			continue
		}
		for p := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				q, _ = strconv.ParseFloat(v, 64)
			}
		}
		if q > weight {
			best, weight = f, q
		}
	}
	return best
}

// page is the answer to one request.
type page struct {
	status   int
	format   format
	line     string // the command; empty: none was run
	output   []byte // what it printed, or a list of links in HTML
	links    bool   // output is HTML
	registry *cli.Registry
}

// fail makes the page say what is wrong.
func (p *page) fail(status int, why string) *page {
	var b bytes.Buffer
	_ = cli.WriteError(&b, errors.New(why), cli.Options{JSON: p.format == formatJSON})
	p.status, p.output = status, b.Bytes()
	return p
}

// index makes the page list the commands that there are.
func (p *page) index() {
	type row struct {
		Path string `json:"path"`
		Help string `json:"help"`
	}
	var rows []row
	for _, c := range p.registry.Commands() {
		if strings.HasPrefix(c.Path, "show ") {
			help, _, _ := strings.Cut(c.Help, "\n")
			rows = append(rows, row{pathOf(c.Path), help})
		}
	}
	var b bytes.Buffer
	switch p.format {
	case formatJSON:
		_ = json.NewEncoder(&b).Encode(rows)
	case formatHTML:
		p.links = true
		b.WriteString("<table>\n")
		for _, r := range rows {
			fmt.Fprintf(&b, "<tr><td><a href=\"%s\">%s</a></td><td>%s</td></tr>\n", r.Path,
				html.EscapeString(strings.ReplaceAll(r.Path[1:], "/", " ")), html.EscapeString(r.Help))
		}
		b.WriteString("</table>\n")
	default:
		for _, r := range rows {
			fmt.Fprintf(&b, "%s %s\n", cli.Left(r.Path, max(40, len(r.Path))), r.Help)
		}
	}
	p.output = b.Bytes()
}

// pathOf is the path of a command's page.
func pathOf(line string) string {
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = url.PathEscape(w)
	}
	return "/" + strings.Join(words, "/")
}

// header are the page's header lines. What it shows is of this moment, and nothing in it
// is to be run.
func (p *page) header() []byte {
	h := "Content-Type: " + formats[p.format].mediaType + "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nVary: Accept\r\n"
	if p.format == formatHTML {
		h += "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:\r\n"
	}
	return []byte(h)
}

const style = `body{margin:0 auto;max-width:80em;padding:1em;font-family:system-ui,sans-serif;color:#222;background:#fff}
nav{border-bottom:1px solid #ccc;padding-bottom:.6em;line-height:1.8}nav a{margin-right:1em;white-space:nowrap}
a{color:#05c;text-decoration:none}a:hover{text-decoration:underline}h1{font-size:1.2em}
pre{background:#f6f6f6;border:1px solid #ddd;padding:.8em;overflow-x:auto;font-size:.9em}
td{padding:.15em 1.5em .15em 0;vertical-align:top}footer{color:#777;font-size:.85em}footer a{margin-right:1em}.bad{color:#b00}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}pre{background:#262626;border-color:#444}a{color:#7af}}`

// favourites are the links on top of every page.
var favourites = []string{"show version", "show interface", "show interface addr", "show session verbose", "show app", "show errors",
	"show runtime", "show threads", "show memory"}

// render is the page's body.
func (p *page) render() []byte {
	if p.format != formatHTML {
		return p.output
	}
	title := p.line
	if title == "" {
		title = "show commands"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>%s - vpphost</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, "<meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" href=\"data:,\">\n<style>%s</style>\n</head>\n<body>\n<nav>", style)
	for _, f := range favourites {
		if p.known(f) {
			fmt.Fprintf(&b, "<a href=\"%s\">%s</a>\n", pathOf(f), strings.TrimPrefix(f, "show "))
		}
	}
	b.WriteString("<a href=\"/\">all…</a></nav>\n")
	class := ""
	if p.status != 200 {
		class = " class=\"bad\""
	}
	fmt.Fprintf(&b, "<h1>%s</h1>\n", html.EscapeString(title))
	if p.links {
		b.Write(p.output)
	} else {
		fmt.Fprintf(&b, "<pre%s>%s</pre>\n", class, html.EscapeString(string(p.output)))
	}
	if p.line != "" {
		fmt.Fprintf(&b, "<footer><a href=\"?format=text\">text</a><a href=\"?format=json\">JSON</a></footer>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

// known tells whether there is a command that line begins with.
func (p *page) known(line string) bool {
	for _, c := range p.registry.Commands() {
		if line == c.Path || strings.HasPrefix(line, c.Path+" ") {
			return true
		}
	}
	return false
}
