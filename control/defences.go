package control

import (
	"slices"

	"fulcrum/config"
	"fulcrum/engine"
)

// Defence is one of IPVS's defences against overload: its setting, and where it is active.
type Defence struct {
	Name    string `json:"name" enum:"drop_entry,drop_packet,secure_tcp"`
	Setting string `json:"setting" enum:"off,auto,on"`
	Active  int    `json:"active_workers"` // how many workers it is active at
}

// defenceTable has all defences, by the names of their keys.
var defenceTable = [...]struct {
	name    string
	setting func(*config.Session) config.Defence
	active  func(engine.ActiveDefences) bool
}{
	{"drop_entry", func(s *config.Session) config.Defence { return s.DropEntry },
		func(a engine.ActiveDefences) bool { return a.DropEntry }},
	{"drop_packet", func(s *config.Session) config.Defence { return s.DropPacket },
		func(a engine.ActiveDefences) bool { return a.DropPacket }},
	{"secure_tcp", func(s *config.Session) config.Defence { return s.SecureTCP },
		func(a engine.ActiveDefences) bool { return a.SecureTCP }},
}

// activeDefences returns the names of the active defences.
func activeDefences(a engine.ActiveDefences) []string {
	all := []string{} // JSON shows an empty list, not null
	for _, d := range defenceTable {
		if d.active(a) {
			all = append(all, d.name)
		}
	}
	return all
}

// Defences returns all defences with their settings in a configuration.
func (r *Report) Defences(c *config.Config) []Defence {
	var all []Defence
	for _, d := range defenceTable {
		active := 0
		for i := range r.Workers {
			if slices.Contains(r.Workers[i].Defences, d.name) {
				active++
			}
		}
		all = append(all, Defence{d.name, string(d.setting(&c.Session)), active})
	}
	return all
}
