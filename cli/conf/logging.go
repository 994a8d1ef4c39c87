package conf

import "time"

// Logging says what is logged, and where.
type Logging struct {
	Level       string // least severe level that is kept for "show logging"; "notice"
	SyslogLevel string // least severe level that goes to syslog; "warn"
	Size        int    // entries that are kept; 512
	Unthrottle  time.Duration
	Classes     map[string]LogClass // what differs for one class
}

// LogClass holds what a class sets; "" and 0 are as for all.
type LogClass struct {
	Level, SyslogLevel string
	RateLimit          uint32 // entries a second; 50
}

// logLevels, most severe first.
var logLevels = []string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "disabled"}

func defaultLogging() Logging {
	return Logging{Level: "notice", SyslogLevel: "warn", Size: 512, Unthrottle: 3 * time.Second}
}

func (l *Logging) section() Section {
	return Section{Name: "logging", Help: "what is logged, and where", Keys: []Key{
		{"default-log-level", "<level>", "what show logging keeps (notice)", oneOf(&l.Level, logLevels...)},
		{"default-syslog-log-level", "<level>", "what goes to syslog (warn)", oneOf(&l.SyslogLevel, logLevels...)},
		{"size", "<n>", "entries that are kept (512)", num(&l.Size, 1, 1<<20)},
		{"unthrottle-time", "<seconds>", "how long a class stays silent that logs too much (3)", span(&l.Unthrottle, time.Second, 0, 3600)},
		{"class", "<name> { … }", "level, syslog-level and rate-limit of one class", l.readClass},
		unused("default-kmsg-log-level", 1),
		unused("add-to-elog", 0),
	}}
}

func (l *Logging) readClass(r *Reader) error {
	var name string
	if err := text(&name, "the name of a class")(r); err != nil {
		return err
	}
	c := l.Classes[name]
	err := group(
		Key{"level", "<level>", "as default-log-level", oneOf(&c.Level, logLevels...)},
		Key{"syslog-level", "<level>", "as default-syslog-log-level", oneOf(&c.SyslogLevel, logLevels...)},
		Key{"rate-limit", "<n>", "entries a second (50)", num(&c.RateLimit, 1, 1<<20)},
		unused("kmsg-level", 1),
	)(r)
	if err != nil {
		return err
	}
	if l.Classes == nil {
		l.Classes = map[string]LogClass{}
	}
	l.Classes[name] = c
	return nil
}
