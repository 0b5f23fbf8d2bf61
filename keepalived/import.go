package keepalived

import (
	"fmt"

	"fulcrum/config"
	"fulcrum/foreign"
	"fulcrum/lvs"
)

// place is a line of a file, embedded in what was read from it.
type place = foreign.Place

// Problems are the mistakes of a configuration, each with its place: file:line: what is wrong.
type Problems = foreign.Problems

// Import is the result of reading a keepalived.conf.
type Import struct {
	File     string           // as given to Load
	Services []config.Service // in file order; not checked against ports
	Left     []string         // what is not carried over: place, subject and reason, one line each
}

// Load reads a keepalived.conf with its includes. id selects the lines for single hosts (@host);
// if it is empty, they are left out. The error is of type Problems if the file could be read but
// contains mistakes.
func Load(file, id string) (*Import, error) { return load(disk{}, file, id) }

func load(from files, file, id string) (*Import, error) {
	r := reader{files: from, Report: foreign.NewReport(), id: id, definitions: map[string]*definition{}}
	if err := r.file(file); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", foreign.Printable(file), err)
	}
	r.leaveUnused()
	entries := nest(r.Report, r.lines)
	if r.Err() != nil && r.condition != nil {
		r.Wrong(*r.condition, "lines for some hosts (@host) are left out from here on: "+
			"name the host with --config-id")
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	i := importer{
		Report: r.Report, groups: map[string]*entry{},
		expanded: map[*entry][]target{}, taken: map[lvs.ServiceID]place{},
		localGroups: map[string]*entry{}, locals: map[*entry]*locals{},
	}
	i.takeAll(entries)
	if err := i.Err(); err != nil {
		return nil, err
	}
	return &Import{File: file, Services: i.services, Left: i.Left()}, nil
}

// TOML returns the services as [[service]] tables of a configuration file, after a [[mark]] for
// each of their marks, whose match is to be written. Comments at its head list what is not carried
// over.
func (i *Import) TOML() string {
	return config.RenderImported(foreign.Printable(i.File), i.Services, i.Left)
}
