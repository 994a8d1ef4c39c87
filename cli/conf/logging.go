package conf

// Logging says what is logged.
type Logging struct {
	Level string // least severe level that is logged; "notice"
	Size  int    // entries that are kept for "show logging"; 512
}

// logLevels, most severe first.
var logLevels = []string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "disabled"}

func defaultLogging() Logging {
	return Logging{Level: "notice", Size: 512}
}

func (l *Logging) section() Section {
	return Section{Name: "logging", Help: "what is logged", Keys: []Key{
		{"default-log-level", "<level>", "least severe level that is logged (notice)", oneOf(&l.Level, logLevels...)},
		{"size", "<n>", "entries that show logging keeps (512)", num(&l.Size, 1, 1<<20)},
		unused("default-syslog-log-level", 1),
		unused("default-kmsg-log-level", 1),
		unused("unthrottle-time", 1),
		unused("class", 2),
		unused("add-to-elog", 0),
	}}
}
