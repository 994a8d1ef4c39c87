package httpd

import (
	"errors"
	"fmt"
	"sync"

	"vpphost/cli"
	"vpphost/hoststack/http"
)

var errNotListening = errors.New("not listening")

// places are where a server with one handler listens.
type places struct {
	srv    *http.Server
	config http.ListenConfig

	mu   sync.Mutex // control path only
	list []*http.Listener
}

// add begins to listen somewhere.
func (p *places) add(u http.URI) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := p.srv.Listen(u, p.config)
	if err != nil {
		return fmt.Errorf("failed: listen on %v: %w", u.Endpoint.Addr, err)
	}
	p.list = append(p.list, l)
	return nil
}

// remove ends it.
func (p *places) remove(u http.URI) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range p.list {
		if l.URI().Endpoint.Addr != u.Endpoint.Addr {
			continue
		}
		if err := p.srv.Unlisten(l); err != nil {
			return err
		}
		p.list = append(p.list[:i:i], p.list[i+1:]...)
		return nil
	}
	return fmt.Errorf("%w on %v", errNotListening, u.Endpoint.Addr)
}

// uris are all places, in the order in which they came.
func (p *places) uris() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []string{}
	for _, l := range p.list {
		list = append(list, "http://"+l.URI().Endpoint.Addr.String())
	}
	return list
}

// parsePlace reads "[add|del] uri URI".
func parsePlace(in *cli.Input) (add bool, u http.URI, err error) {
	add = true
	text := ""
	for !in.Done() {
		switch {
		case in.Match("add"):
			add = true
		case in.Match("del"):
			add = false
		case in.Match("uri"):
			if !in.Word(&text) {
				return false, u, in.Expect("a URI after uri")
			}
		default:
			return false, u, in.Unknown()
		}
	}
	if text == "" {
		return false, u, cli.Usagef("Must set uri")
	}
	u, err = listenURI(text)
	return add, u, err
}
