package keepalived

import (
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

// Import is what a keepalived.conf gives.
type Import struct {
	File     string
	Services []config.Service
	// Left lists what could not be carried over, each with its places and why.
	Left []string
}

// Load reads a keepalived.conf with what it includes. Lines for some hosts only (@host) count as on the host that is called id; with no id they are
// left. The error is of type Problems where the files could be read, but not all of it understood.
func Load(file, id string) (*Import, error) { return load(disk{}, file, id) }

func load(from files, file, id string) (*Import, error) {
	r := reader{files: from, report: newReport(), id: id, definitions: map[string]*definition{}}
	if err := r.file(file); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", printable(file), err)
	}
	r.leaveUnused()
	entries := nest(r.report, r.lines)
	if len(r.problems) > 0 && r.condition != nil {
		r.wrong(*r.condition, "lines for some hosts only are left out from here on: say for which to read with --config-id")
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	i := importer{report: r.report, groups: map[string]*entry{}, expanded: map[*entry][]netip.AddrPort{}, taken: map[lvs.ServiceID]place{}}
	i.takeAll(entries)
	if err := i.err(); err != nil {
		return nil, err
	}
	return &Import{File: file, Services: i.services, Left: i.left()}, nil
}

// TOML gives the services as a part of a configuration, headed by what is left.
func (i *Import) TOML() string {
	servers := 0
	for _, s := range i.Services {
		servers += len(s.RealServers)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Services of %s (%d, real servers: %d). Add ports, and routes where real servers are behind gateways.\n",
		printable(i.File), len(i.Services), servers)
	for _, l := range i.Left {
		fmt.Fprintln(&text, "# not carried over:", l)
	}
	text.WriteString("\n" + config.RenderServices(i.Services))
	return text.String()
}
