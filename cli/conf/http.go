package conf

import "time"

// HTTP is the HTTP engine.
type HTTP struct {
	FIFOSize    uint32        // bytes of each FIFO of servers and clients that do not say; 128k
	IdleTimeout time.Duration // between two requests of a connection; 60 s
}

func defaultHTTP() HTTP { return HTTP{FIFOSize: 128 << 10, IdleTimeout: 60 * time.Second} }

func (h *HTTP) section() Section {
	keys := []Key{
		{"fifo-size", "<size>", "bytes of the FIFOs of servers and clients that do not say (128k)", size(&h.FIFOSize, 4<<10, 2<<30)},
		{"timeout", "<seconds>", "how long a connection may wait for its next request (60)", span(&h.IdleTimeout, time.Second, 1, 86400)},
	}
	keys = append(keys, unusedKeys(1, "first-segment-size", "add-segment-size", "http2", "http3")...)
	return Section{Name: "http", Help: "HTTP", Keys: keys}
}
