package httpd

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"vpphost/apps/httpd/filecache"
	"vpphost/cli"
	"vpphost/dataplane/worker"
)

func (s *Static) runShow(_ *cli.Ctx, in *cli.Input) (cli.Result, error) {
	var cache, sessions, listeners bool
	var verbose uint64
	for !in.Done() {
		switch {
		case in.Match("cache"):
			cache = true
		case in.Match("sessions"):
			sessions = true
		case in.Match("listeners"):
			listeners = true
		case in.Match("verbose"):
			if verbose = 1; !in.Done() {
				in.Uint(&verbose)
			}
		default:
			return nil, in.Unknown()
		}
	}
	if !cache && !sessions && !listeners {
		return nil, cli.Usagef("specify one or more of cache, sessions, listeners")
	}
	r, err := s.running(errStaticOff)
	if err != nil {
		return nil, err
	}
	out := &staticShown{verbose: verbose > 0}
	if cache {
		out.Caches = r.caches(verbose > 0)
	}
	if sessions {
		if out.Sessions, err = r.exchanges(); err != nil {
			return nil, err
		}
		out.sessions = true
	}
	if listeners {
		out.Listeners = []listenerShown{}
		for _, x := range r.listening() {
			out.Listeners = append(out.Listeners, listenerShown{x.number, x.uri.Endpoint.Addr.String(), x.options.root,
				x.options.cacheSize, x.handlers})
		}
	}
	return out, nil
}

// staticShown is what "show http static server" shows.
type staticShown struct {
	Caches    []cacheShown    `json:"caches,omitempty"`
	Sessions  []exchangeShown `json:"sessions,omitempty"`
	Listeners []listenerShown `json:"listeners,omitempty"`
	verbose   bool
	sessions  bool
}

type cacheShown struct {
	Listener int    `json:"listener"`
	Root     string `json:"root"`
	filecache.Stats
	List []fileShown `json:"list,omitempty"`
}

type fileShown struct {
	Path   string  `json:"path"`
	Size   int64   `json:"size"`
	Age    float64 `json:"age"` // seconds since it was used last
	OnDisk bool    `json:"onDisk,omitempty"`
}

type exchangeShown struct {
	Thread int    `json:"thread"` // -1: a goroutine reads it from the disk
	Path   string `json:"path"`
	Length int64  `json:"length"`
	Offset int64  `json:"offset"`
}

type listenerShown struct {
	Index     int    `json:"index"`
	URI       string `json:"uri"`
	Root      string `json:"wwwRoot"`
	CacheSize uint64 `json:"cacheSize"`
	Handlers  bool   `json:"urlHandlers"`
}

// caches describes the caches of all listeners that have files.
func (r *staticRun) caches(verbose bool) []cacheShown {
	now := r.now()
	list := []cacheShown{}
	for _, x := range r.listening() {
		if x.files == nil {
			continue
		}
		c := cacheShown{Listener: x.number, Root: x.options.root, Stats: x.files.Stats()}
		if verbose {
			for _, f := range x.files.List() {
				c.List = append(c.List, fileShown{filepath.Join(x.options.root, f.Path), f.Size, float64(max(0, now-f.Used)) / 1e9, f.OnDisk})
			}
			slices.SortFunc(c.List, func(a, b fileShown) int { return strings.Compare(a.Path, b.Path) })
		}
		list = append(list, c)
	}
	return list
}

// now is the workers' time.
func (r *staticRun) now() (now int64) {
	_ = r.layer.Workers()[0].Do(func(w *worker.Worker) { now = w.Now() })
	return now
}

// exchanges are those that are under way and about a file.
func (r *staticRun) exchanges() ([]exchangeShown, error) {
	roots := map[uint32]string{}
	r.mu.Lock()
	for _, s := range append(r.sites[:len(r.sites):len(r.sites)], r.gone...) {
		roots[uint32(s.number)] = s.options.root
	}
	r.mu.Unlock()
	list := []exchangeShown{}
	for i, w := range r.layer.Workers() {
		err := w.Do(func(*worker.Worker) {
			p := r.shards[i].serving
			for k := uint32(1); k < p.Fresh(); k++ {
				if !p.Valid(k) || !p.At(k).inUse || p.At(k).e == nil {
					continue
				}
				sv := p.At(k)
				list = append(list, exchangeShown{i, filepath.Join(roots[sv.site], string(sv.e.Path())), sv.length, 0})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	r.streams.Range(func(k, _ any) bool {
		f := k.(*streaming)
		list = append(list, exchangeShown{-1, filepath.Join(f.site.options.root, f.path), f.length, f.offset.Load()})
		return true
	})
	slices.SortFunc(list, func(a, b exchangeShown) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// Text writes VPP's layout.
func (s *staticShown) Text(w io.Writer, _ cli.Layout) error {
	var b strings.Builder
	for _, c := range s.Caches {
		if len(s.Caches) > 1 {
			fmt.Fprintf(&b, "listener %d, www-root %s\n", c.Listener, c.Root)
		}
		if !s.verbose {
			fmt.Fprintf(&b, "cache size %d bytes, limit %d bytes, evictions %d\n", c.Size, c.Limit, c.Evictions)
			continue
		}
		fmt.Fprintf(&b, "%40s%12s%20s\n", "File", "Size", "Age")
		for _, f := range c.List {
			fmt.Fprintf(&b, "%40s%12d%20.2f\n", f.Path, f.Size, f.Age)
		}
		fmt.Fprintf(&b, "%40s%12d\n", "Total Size", c.Size)
	}
	if s.sessions {
		b.WriteByte('\n')
	}
	for _, x := range s.Sessions {
		fmt.Fprintf(&b, " path %s, data length %d, data_offset %d\n", x.Path, x.Length, x.Offset)
	}
	for _, l := range s.Listeners {
		handlers := 0
		if l.Handlers {
			handlers = 1
		}
		fmt.Fprintf(&b, "listener %d, uri %s, www-root %s, cache-size %s url-handlers %d\n", l.Index, l.URI, l.Root,
			cli.FormatSize(l.CacheSize), handlers)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cleared is what "clear http static cache" says.
type cleared struct {
	Busy int `json:"busy"` // files that are still being sent
}

// Text writes VPP's words.
func (c cleared) Text(w io.Writer, _ cli.Layout) error {
	text := "Cache cleared...\n"
	if c.Busy > 0 {
		text = fmt.Sprintf("Note: %d busy items still in cache...\n", c.Busy)
	}
	_, err := io.WriteString(w, text)
	return err
}
