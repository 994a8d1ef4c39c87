package iface

import "slices"

// deviceKinds are the kinds of interfaces that can be made, whether or not there is one.
var deviceKinds = []string{kindMemif, "af-packet", "tap", kindLoopback}

// Name is the name of an interface, "" when there is none.
func (m *Manager) Name(index uint32) string {
	if i := m.ByIndex(index); i != nil {
		return i.Name
	}
	return ""
}

// Index finds an interface by name.
func (m *Manager) Index(name string) (uint32, bool) {
	i := m.ByName(name)
	if i == nil {
		return 0, false
	}
	return i.Index, true
}

// InputNodes are the nodes by which packets come in: "memif-input".
func (m *Manager) InputNodes() (nodes []string) {
	kinds := slices.Clone(deviceKinds)
	for _, i := range m.All() {
		if i.Kind != kindLocal && !slices.Contains(kinds, i.Kind) {
			kinds = append(kinds, i.Kind)
		}
	}
	for _, k := range kinds {
		nodes = append(nodes, k+"-input")
	}
	return nodes
}
