package conf

import (
	"fmt"
	"time"
)

// TestProxy is what the proxy serves from the start: one entry for each set of options.
type TestProxy struct {
	Entries []ProxyEntry
}

// ProxyEntry is a server of the proxy. What it leaves out is as in "test proxy server".
type ProxyEntry struct {
	URIs           []ProxyURI    // in the order in which they stand
	FIFOSize       uint64        // bytes; 0: not given
	MaxFIFOSize    uint64        // bytes; 0: not given
	HighWatermark  uint8         // percent; 0: not given
	IdleTimeout    time.Duration // 0: not given
	ConnectTimeout time.Duration // 0: not given
}

// ProxyURI is a server-uri or a client-uri.
type ProxyURI struct {
	Client bool
	URI    string
}

// has tells whether an URI of that kind is there.
func (e *ProxyEntry) has(client bool) bool {
	for _, u := range e.URIs {
		if u.Client == client {
			return true
		}
	}
	return false
}

// section has each pair of URIs that stands in it directly begin an entry; the options
// before the next pair are that entry's. server { … } is VPP's way to write one.
func (t *TestProxy) section() Section {
	current := func() *ProxyEntry {
		if len(t.Entries) == 0 {
			t.Entries = append(t.Entries, ProxyEntry{})
		}
		return &t.Entries[len(t.Entries)-1]
	}
	uri := func(client bool) reader {
		return func(r *Reader) error {
			return r.Word("a URI such as tcp://0.0.0.0/80", func(w string) bool {
				e := current()
				if !client && e.has(false) && e.has(true) {
					t.Entries = append(t.Entries, ProxyEntry{})
					e = current()
				}
				e.URIs = append(e.URIs, ProxyURI{client, w})
				return true
			})
		}
	}
	keys := []Key{
		{"server-uri", "<uri>", "where to listen", uri(false)},
		{"client-uri", "<uri>", "where to connect; several: in turn", uri(true)},
		{"fifo-size", "<size>", "bytes each way of a flow at first (64k)", func(r *Reader) error { return size(&current().FIFOSize, 4<<10, 1<<30)(r) }},
		{"max-fifo-size", "<size>", "bytes that they grow to (128m)", func(r *Reader) error { return size(&current().MaxFIFOSize, 4<<10, 1<<30)(r) }},
		{"high-watermark", "<percent>", "percent of a FIFO that make it grow (80)", func(r *Reader) error { return num(&current().HighWatermark, 1, 100)(r) }},
		{"idle-timeout", "<seconds>", "seconds without a byte that end a flow (600)", func(r *Reader) error { return span(&current().IdleTimeout, time.Second, 1, 2592000)(r) }},
		{"connect-timeout", "<seconds>", "seconds that an upstream may take (20)", func(r *Reader) error { return span(&current().ConnectTimeout, time.Second, 1, 2592000)(r) }},
	}
	own := append(keys,
		Key{"listener", "<uri>", "the same as server-uri", uri(false)},
		Key{"upstream", "<uri>", "the same as client-uri", uri(true)},
		unused("action", 1))
	keys = append(keys, unusedKeys(1, "low-watermark", "rcv-buf-size", "prealloc-fifos", "private-segment-size", "private-segment-count")...)
	keys = append(keys, Key{"server", "{ server-uri <uri> client-uri <uri> … }", "an entry of its own", func(r *Reader) error {
		t.Entries = append(t.Entries, ProxyEntry{})
		return r.Keys(own)
	}})
	return Section{Name: "test-proxy", Help: "what the proxy serves from the start", Keys: keys, Check: t.check}
}

func (t *TestProxy) check() error {
	for i := range t.Entries {
		e := &t.Entries[i]
		switch {
		case len(e.URIs) == 0:
			return fmt.Errorf("entry %d has no server-uri and no client-uri", i+1)
		case !e.has(false):
			return fmt.Errorf("client-uri %s has no server-uri", e.URIs[0].URI)
		case !e.has(true):
			return fmt.Errorf("server-uri %s has no client-uri", e.URIs[0].URI)
		}
	}
	return nil
}
