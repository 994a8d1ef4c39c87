package conf

// Logging says what is logged.
type Logging struct {
	Level string // least severe level that is logged; "notice"
}

// logLevels, most severe first.
var logLevels = []string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "disabled"}

func defaultLogging() Logging {
	return Logging{Level: "notice"}
}

func (l *Logging) section() Section {
	return Section{Name: "logging", Help: "what is logged", Keys: []Key{
		{"default-log-level", "<level>", "least severe level that is logged (notice)", oneOf(&l.Level, logLevels...)},
		unused("default-syslog-log-level", 1),
		unused("default-kmsg-log-level", 1),
		unused("size", 1),
		unused("unthrottle-time", 1),
		unused("class", 2),
		unused("add-to-elog", 0),
	}}
}
