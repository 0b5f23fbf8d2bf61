package config

import (
	"fmt"
	"slices"
	"strings"
)

// markForm is the [[mark]] of a number. Without match it is a mistake, at whose line a check of the
// configuration says what is missing.
const markForm = `
[[mark]]
number = %d
# match = ["tcp ADDRESS:PORT"]  # what iptables or nftables marks with %d
`

// RenderImported returns services that were imported from elsewhere as [[service]] tables, after a
// [[mark]] for each of their marks, whose match is to be written. Comments at its head say where
// they are from and what is not carried over. Both texts are printable.
func RenderImported(from string, services []Service, left []string) string {
	servers := 0
	for _, s := range services {
		servers += len(s.RealServers)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Services of %s (%d, real servers: %d). "+
		"Add ports, and routes to real servers behind gateways.\n", from, len(services), servers)
	for _, l := range left {
		fmt.Fprintln(&text, "# not carried over:", l)
	}
	for _, mark := range marksOf(services) {
		fmt.Fprintf(&text, markForm, mark, mark)
	}
	text.WriteString("\n" + RenderServices(services))
	return text.String()
}

// marksOf returns the numbers of services' marks, each once.
func marksOf(services []Service) (all []uint32) {
	for _, s := range services {
		if s.Mark != 0 && !slices.Contains(all, s.Mark) {
			all = append(all, s.Mark)
		}
	}
	return all
}
