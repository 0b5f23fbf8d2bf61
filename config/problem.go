package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a configuration file.
type Problem struct {
	File  string
	Line  int    // from 1; the table's header where a key is missing
	Key   string // dotted, as one would write it: service.real_server.weight
	What  string // what is wrong
	Right string // what would be right
}

// String gives the problem in one line: file:line: key: what is wrong; what would be right.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d: %s: %s; %s", p.File, p.Line, p.Key, p.What, p.Right)
}

// Problems are all the faults of a file, in the order of its lines. As an error it has one line for each of them.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// sort puts the problems in file order and leaves those of one line as they were found.
func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int { return a.Line - b.Line })
}
