package httpd

import (
	"bytes"
	"encoding/json"
	"fmt"

	"vpphost/hoststack/http"
)

// builtin is one of the pages of "url-handlers", under VPP's names and in its layout.
type builtin uint8

const (
	noBuiltin builtin = iota
	versionPage
	interfaceList
	interfaceStats
)

// builtinAt is the page at a path.
func builtinAt(path []byte) builtin {
	switch string(path) {
	case "/version.json":
		return versionPage
	case "/interface_list.json":
		return interfaceList
	case "/interface_stats.json":
		return interfaceStats
	}
	return noBuiltin
}

// builtin has a goroutine make a page. Statistics of one interface are asked for with a
// POST that names it.
func (s *site) builtin(x *http.Exchange, b builtin) {
	switch m := x.Method(); {
	case m == http.GET || m == http.HEAD:
		s.makePage(x, b, nil)
	case b != interfaceStats:
		x.ReplyStatus(405, allowGet)
	case m != http.POST:
		x.ReplyStatus(405, allowPost)
	case x.ContentLength() == 0:
		x.ReplyStatus(400, nil)
	default:
		i, sv := s.run.shards[x.Worker().Index].serving.Alloc()
		if sv == nil {
			x.ReplyStatus(503, retryLater)
			return
		}
		sv.inUse = true
		x.SetOpaque(uint64(i))
		x.WantBody()
	}
}

// Body takes the name of an interface.
func (s *site) Body(x *http.Exchange, piece []byte, last bool) {
	sv := s.run.shards[x.Worker().Index].serving.At(uint32(x.Opaque()))
	switch {
	case sv.refused:
		return
	case len(piece) > len(sv.name)-int(sv.named): // no interface has such a name
		sv.refused = true
		x.ReplyStatus(400, nil)
		return
	}
	sv.named += uint8(copy(sv.name[sv.named:], piece))
	if last {
		s.makePage(x, interfaceStats, sv.name[:sv.named])
	}
}

func (s *site) makePage(x *http.Exchange, b builtin, name []byte) {
	e := errand{kind: errandBuiltin, token: x.Defer(), site: s, flags: uint32(b)}
	if !s.run.desk.push(x.Worker(), e, name) {
		x.ReplyStatus(503, retryLater)
	}
}

var jsonHeader = []byte("Content-Type: application/json\r\nCache-Control: no-store\r\n")

// page makes a page and answers with it.
func (r *staticRun) page(e *errand) {
	status := 200
	v, err := r.pageOf(builtin(e.flags), string(bytes.TrimSpace(e.text)))
	if err != nil {
		status, v = 500, map[string]string{"error": err.Error()}
	}
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		status, body = 500, []byte("{}")
	}
	e.token.Reply(status, jsonHeader, append(body, '\n'))
}

func (r *staticRun) pageOf(b builtin, name string) (any, error) {
	if b == versionPage {
		version, built := r.facts.Version()
		return map[string]any{"vpp_details": map[string]string{"version": version, "build_date": built}}, nil
	}
	list, err := r.facts.Interfaces()
	if err != nil {
		return nil, err
	}
	names := []string{}
	stats := []any{}
	for _, i := range list {
		names = append(names, i.Name)
		if name == "" || name == i.Name {
			stats = append(stats, i)
		}
	}
	switch {
	case b == interfaceList:
		return map[string]any{"interface_list": names}, nil
	case name != "" && len(stats) == 0:
		return map[string]any{"interface_stats": []any{map[string]string{"name": name, "error": "UnknownInterface"}}}, nil
	}
	return map[string]any{"interface_stats": stats}, nil
}

// Facts are what the JSON pages tell, from who knows it. Called by goroutines.
type Facts struct {
	Version    func() (version, built string)
	Interfaces func() ([]Interface, error)
}

// Interface is an interface with its counters.
type Interface struct {
	Name     string
	Counters []Counter
}

// Counter is one number of an interface.
type Counter struct {
	Name  string
	Value uint64
}

// MarshalJSON writes the counters beside the name, in their order.
func (i Interface) MarshalJSON() ([]byte, error) {
	name, err := json.Marshal(i.Name)
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"name":`), name...)
	for _, c := range i.Counters {
		b = fmt.Appendf(b, ",%q:%d", c.Name, c.Value)
	}
	return append(b, '}'), nil
}
