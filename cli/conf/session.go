package conf

import "errors"

// Session is the session layer.
type Session struct {
	Enable     bool   // start it at once, not when the first application needs it; off
	MinSrcPort uint16 // source ports of connections that name none; 1024
	MaxSrcPort uint16 // 65535
}

func defaultSession() Session {
	return Session{MinSrcPort: 1024, MaxSrcPort: 65535}
}

func (s *Session) section() Section {
	keys := []Key{
		{"enable", "", "start the session layer at once", turnOn(&s.Enable)},
		{"min-src-port", "<port>", "first source port of connections (1024)", num(&s.MinSrcPort, 1, 65535)},
		{"max-src-port", "<port>", "last source port of connections (65535)", num(&s.MaxSrcPort, 1, 65535)},
	}
	for _, table := range []string{"v4-session", "v6-session", "v4-halfopen", "v6-halfopen", "local-endpoints"} {
		keys = append(keys, unused(table+"-table-buckets", 1), unused(table+"-table-memory", 1))
	}
	keys = append(keys, unusedKeys(0, "poll-main", "use-private-rx-mqs", "no-adaptive", "use-dma", "no-dump-segments",
		"nat44-original-dst-enable", "use-app-socket-api", "use-bapi-socket-api", "evt_qs_memfd_seg")...)
	// rt-backend follows enable; on its own it reads the same.
	keys = append(keys, unusedKeys(1, "rt-backend", "segment-baseva", "wrk-mq-length", "event-queue-length",
		"wrk-mqs-segment-size", "evt_qs_seg_size", "preallocated-sessions")...)
	return Section{Name: "session", Help: "the session layer", Keys: keys, Check: s.check}
}

func (s *Session) check() error {
	if s.MinSrcPort > s.MaxSrcPort {
		return errors.New("min-src-port is above max-src-port")
	}
	return nil
}
