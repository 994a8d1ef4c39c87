package conf

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// Config is what startup.conf says, with defaults for what it does not.
type Config struct {
	Unix    Unix
	CPU     CPU
	Buffers Buffers
	DPDK    DPDK
	Session Session
	TCP     TCP
	UDP     UDP
	HTTP    HTTP
	Logging Logging
	Proxy   TestProxy
}

// Default is the configuration of an empty startup.conf.
func Default() *Config {
	return &Config{
		Unix:    defaultUnix(),
		CPU:     defaultCPU(),
		Buffers: defaultBuffers(),
		Session: defaultSession(),
		TCP:     defaultTCP(),
		HTTP:    defaultHTTP(),
		Logging: defaultLogging(),
	}
}

// Sections declares everything that a startup.conf may say; reading it fills c.
func (c *Config) Sections() []Section {
	return append([]Section{
		c.Unix.section(),
		c.CPU.section(),
		c.Buffers.section(),
		c.DPDK.section(),
		c.Session.section(),
		c.TCP.section(),
		c.UDP.section(),
		c.HTTP.section(),
		c.Logging.section(),
		c.Proxy.section(),
	}, ignored()...)
}

// Parse reads a configuration text; file is the name that errors show.
func Parse(file, text string) (*Config, []Warning, error) {
	c := Default()
	warnings, err := Read(file, text, c.Sections())
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// Load reads a file.
func Load(file string) (*Config, []Warning, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, nil, err
	}
	return Parse(file, string(text))
}

// ParseWords reads a configuration from the words of a command line, such as
// unix { nodaemon } session { enable }. Columns in errors count from the first word.
func ParseWords(words []string) (*Config, []Warning, error) {
	return Parse("command line", strings.Join(words, " "))
}

// WriteHelp lists all sections and keys that have an effect.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	for _, s := range Default().Sections() {
		if s.Ignored {
			continue
		}
		fmt.Fprintf(&b, "%s { … }  %s\n", s.Name, s.Help)
		for _, k := range s.Keys {
			if k.Help != "" {
				fmt.Fprintf(&b, "  %-38s %s\n", strings.TrimSpace(k.Name+" "+k.Usage), k.Help)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
