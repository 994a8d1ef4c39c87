package httpd

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpphost/apps/httpd/filecache"
	"vpphost/cli"
)

var update = flag.Bool("update", false, "write what the commands print into the transcripts")

// TestTranscripts types the lines behind a prompt in testdata/*.txt and compares what the
// user sees. ROOT is a directory with an index.html of 612 bytes; "get PATH" is a client
// that fetches it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			l := newLab(t, 1)
			root := l.www("index.html", strings.Repeat("x", 612))
			var b bytes.Buffer
			for line := range strings.Lines(string(text)) {
				typed, ok := strings.CutPrefix(line, "vpp# ")
				if !ok {
					if strings.HasPrefix(line, "#") {
						b.WriteString(line)
					}
					continue
				}
				b.WriteString(line)
				typed = strings.TrimSpace(typed)
				if path, ok := strings.CutPrefix(typed, "get "); ok {
					l.request("GET", path)
					continue
				}
				var out bytes.Buffer
				err := l.reg.Exec(context.Background(), strings.ReplaceAll(typed, "ROOT", root), &out, cli.Options{})
				_ = cli.WriteError(&out, err, cli.Options{})
				b.WriteString(strings.ReplaceAll(out.String(), root, "ROOT"))
			}
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			got, want := strings.Split(b.String(), "\n"), strings.Split(string(text), "\n")
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("line %d:\ngot\n%s\nwant\n%s", i+1, strings.Join(got[min(i, len(got)):], "\n"), strings.Join(want[min(i, len(want)):], "\n"))
				}
			}
		})
	}
}

// TestLayout: columns are those of VPP.
func TestLayout(t *testing.T) {
	shown := &staticShown{verbose: true, Caches: []cacheShown{{Stats: filecache.Stats{Size: 612}, List: []fileShown{{Path: "/www/index.html", Size: 612, Age: 3.21}}}},
		Listeners: []listenerShown{{0, "0.0.0.0:80", "/www", 10 << 20, false}}}
	var b strings.Builder
	if err := shown.Text(&b, cli.Layout{}); err != nil {
		t.Fatal(err)
	}
	const want = `                                    File        Size                 Age
                         /www/index.html         612                3.21
                              Total Size         612
listener 0, uri 0.0.0.0:80, www-root /www, cache-size 10m url-handlers 0
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// TestHelp: every command has help, and every word that it suggests too.
func TestHelp(t *testing.T) {
	l := newLab(t, 1)
	for _, line := range []string{"http static server ", "http static listener ", "show http static server ", "http tps ", "http tps listener ",
		"show http tps ", "http cli server "} {
		words := l.reg.Complete(context.Background(), line)
		if len(words) == 0 {
			t.Errorf("%q suggests nothing", line)
		}
		for _, w := range words {
			if w.Help == "" {
				t.Errorf("%q: %s has no help", line, w.Text)
			}
		}
	}
	if w := l.reg.Complete(context.Background(), "http static server uri "); len(w) != 0 {
		t.Errorf("a URI is suggested: %v", w)
	}
}

// FuzzOptions: no line makes a parser panic.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"www-root /tmp uri tcp://0.0.0.0:80 cache-size 1m max-age 5 debug 2", "listener add uri http://1.2.3.4", "disable",
		"uri https://1.2.3.4", "fifo-size 64", "add uri http://[::]:80 www-root {/a b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		_, _ = parseStatic(cli.NewInput(line))
		_, _, _ = parseListener(cli.NewInput(line))
		_, _ = parseTPS(cli.NewInput(line))
		_, _ = parseWeb(cli.NewInput(line))
		_, _, _ = parsePlace(cli.NewInput(line))
	})
}
