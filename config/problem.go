package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a configuration file. All fields are always set.
type Problem struct {
	File  string // as given to Load or Parse; "request" for values that come from elsewhere
	Line  int    // from 1; for a missing key the line of its table's header
	Key   string // dotted, in TOML's notation: service.real_server.weight
	What  string // what is wrong, such as: 70000 is out of range
	Right string // what would be right, such as: write an integer from 0 to 65535
}

// String returns the problem in one line: file:line: key: what is wrong; what would be right.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d: %s: %s; %s", p.File, p.Line, p.Key, p.What, p.Right)
}

// Problems are all faults of a file, in the order of its lines.
type Problems []Problem

// Error returns the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// sort puts the problems in file order. Problems of one line keep their order.
func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int { return a.Line - b.Line })
}
