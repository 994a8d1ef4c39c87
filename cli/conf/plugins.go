package conf

import "strings"

// Plugins switches parts of the program off. They are built in: no file is loaded.
type Plugins struct {
	DefaultOff bool            // plugin default { disable }; off
	Switched   map[string]bool // by name without _plugin.so, "ping"; true is enabled
}

// Enabled tells whether the part of that name ("ping") is wanted.
func (p *Plugins) Enabled(name string) bool {
	if on, ok := p.Switched[name]; ok {
		return on
	}
	return !p.DefaultOff
}

func (p *Plugins) section() Section {
	keys := []Key{{"plugin", "default|<name> { enable|disable }", "switch a part of the program on or off", p.readPlugin}}
	keys = append(keys, unusedKeys(1, "path", "add-path", "name-filter", "vat-path", "vat-name-filter")...)
	return Section{Name: "plugins", Help: "parts of the program", Keys: keys}
}

func (p *Plugins) readPlugin(r *Reader) error {
	var name string
	if err := text(&name, "the name of a plugin, or default")(r); err != nil {
		return err
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".so"), "_plugin")
	set := func(on bool) reader {
		return func(*Reader) error {
			if name == "default" {
				p.DefaultOff = !on
				return nil
			}
			if p.Switched == nil {
				p.Switched = map[string]bool{}
			}
			p.Switched[name] = on
			return nil
		}
	}
	return group(
		Key{"enable", "", "switch it on", set(true)},
		Key{"disable", "", "switch it off", set(false)},
		unused("skip-version-check", 0),
	)(r)
}
