package conf

import "errors"

// Session is the session layer.
type Session struct {
	Enable        bool   // start it at once, not when the first application needs it; off
	RTBackend     string // rules: "rule-table", "sdl" or "" for none
	MQLength      uint32 // messages in the queue between a worker and an application; 2048
	MQSegmentSize uint64 // bytes of memory for those queues; 0 is computed
	Preallocated  uint32 // sessions to make room for at the start, all workers together; 0
	MinSrcPort    uint16 // source ports of connections that name none; 1024
	MaxSrcPort    uint16 // 65535
}

func defaultSession() Session {
	return Session{MQLength: 2048, MinSrcPort: 1024, MaxSrcPort: 65535}
}

func (s *Session) section() Section {
	keys := []Key{
		{"enable", "[rt-backend rule-table|sdl]", "start the session layer at once", s.readEnable},
		{"wrk-mq-length", "<n>", "messages between a worker and an application (2048)", num(&s.MQLength, 2048, 1<<20)},
		{"event-queue-length", "<n>", "the same as wrk-mq-length", num(&s.MQLength, 2048, 1<<20)},
		{"wrk-mqs-segment-size", "<size>", "memory for those queues (computed)", size(&s.MQSegmentSize, 1<<20, 4<<30)},
		{"evt_qs_seg_size", "<size>", "the same as wrk-mqs-segment-size", size(&s.MQSegmentSize, 1<<20, 4<<30)},
		{"preallocated-sessions", "<n>", "make room for so many sessions (0)", num(&s.Preallocated, 0, 1<<26)},
		{"min-src-port", "<port>", "first source port of connections (1024)", num(&s.MinSrcPort, 1, 65535)},
		{"max-src-port", "<port>", "last source port of connections (65535)", num(&s.MaxSrcPort, 1, 65535)},
		{"use-app-socket-api", "", "let external applications attach (always on)", both()},
	}
	for _, table := range []string{"v4-session", "v6-session", "v4-halfopen", "v6-halfopen", "local-endpoints"} {
		keys = append(keys, unused(table+"-table-buckets", 1), unused(table+"-table-memory", 1))
	}
	keys = append(keys, unusedKeys(0, "poll-main", "use-private-rx-mqs", "no-adaptive", "use-dma", "no-dump-segments",
		"nat44-original-dst-enable", "use-bapi-socket-api", "evt_qs_memfd_seg")...)
	keys = append(keys, unused("segment-baseva", 1))
	return Section{Name: "session", Help: "the session layer", Keys: keys, Check: s.check}
}

func (s *Session) readEnable(r *Reader) error {
	s.Enable = true
	if text, _ := r.Peek(); text != "rt-backend" {
		return nil
	}
	return both(text(new(string), ""), oneOf(&s.RTBackend, "rule-table", "sdl"))(r)
}

func (s *Session) check() error {
	if s.MinSrcPort > s.MaxSrcPort {
		return errors.New("min-src-port is above max-src-port")
	}
	return nil
}
