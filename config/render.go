package config

import (
	"fmt"
	"slices"
	"strings"
)

// Render returns the configuration as the text of a TOML file. It contains the required keys and
// those that are not at their defaults. Parse returns the same configuration for it, apart from
// File.
func (c *Config) Render() string {
	var text strings.Builder
	for _, g := range c.blocks().groups {
		g.render(&text, "")
	}
	return strings.TrimPrefix(text.String(), "\n")
}

// RenderServices returns services as [[service]] tables of a TOML file, with the keys that Render
// writes.
func RenderServices(list []Service) string {
	var text strings.Builder
	array("service", list, serviceBlock).render(&text, "")
	return strings.TrimPrefix(text.String(), "\n")
}

// render writes the tables of a group, each after an empty line. It leaves out a table that is no
// element of an array and has nothing to say.
func (g group) render(text *strings.Builder, indent string) {
	for _, b := range g.blocks {
		if g.array || len(b.written()) > 0 {
			text.WriteByte('\n')
			b.render(text, g, indent)
			continue
		}
		b.renderGroups(text, indent)
	}
}

// render writes a table of a group and the tables below it.
func (b block) render(text *strings.Builder, g group, indent string) {
	header := "[" + g.header + "]"
	if g.array {
		header = "[" + header + "]"
	}
	fmt.Fprintf(text, "%s%s\n", indent, header)
	width := 0
	for _, s := range b.written() {
		width = max(width, len(s.key))
	}
	for _, s := range b.written() {
		fmt.Fprintf(text, "%s%-*s = %s\n", indent, width, s.key, s.value)
	}
	if g.array {
		indent += "  "
	}
	b.renderGroups(text, indent)
}

func (b block) renderGroups(text *strings.Builder, indent string) {
	for _, g := range b.groups {
		g.render(text, indent)
	}
}

// written returns the settings that a file needs.
func (b block) written() []setting {
	return slices.DeleteFunc(slices.Clone(b.settings), func(s setting) bool { return !s.needed })
}

// Clone returns a copy whose services and real servers may be changed. All other slices are
// shared with the original.
func (c *Config) Clone() *Config {
	n := *c
	n.Services = slices.Clone(c.Services)
	for i := range n.Services {
		n.Services[i].RealServers = slices.Clone(n.Services[i].RealServers)
	}
	return &n
}
