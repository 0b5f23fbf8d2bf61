package sysctl

import (
	"path"
	"strings"

	"fulcrum/foreign"
)

// assignment is a line that sets a name, or keeps globs from setting it.
type assignment struct {
	at      foreign.Place
	text    string
	name    string // below /proc/sys, with slashes
	value   string
	exclude bool // a name alone behind a -
}

// glob reports whether the name is a pattern.
func (a *assignment) glob() bool { return strings.ContainsAny(a.name, `*?[`) }

// matches reports whether an assignment is about one of IPVS's switches.
func (a *assignment) matches(name string) bool {
	if !a.glob() {
		return a.name == folder+name
	}
	ok, _ := path.Match(a.name, folder+name)
	return ok
}

// assignments reads the lines of a file.
func assignments(r *foreign.Report, file, text string) (all []*assignment) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if a := assignmentOf(r, foreign.Place{File: file, Line: number}, line); a != nil {
			all = append(all, a)
		}
	}
	return all
}

// assignmentOf reads a line that is no comment. It reports a mistake, and returns nil.
func assignmentOf(r *foreign.Report, at foreign.Place, line string) *assignment {
	bare, optional := strings.CutPrefix(line, "-")
	name, value, set := strings.Cut(bare, "=")
	a := &assignment{
		at: at, text: shortened(line), name: slashed(strings.TrimSpace(name)),
		value: strings.TrimSpace(value), exclude: optional && !set,
	}
	switch _, err := path.Match(a.name, ""); {
	case !set && !optional:
		r.Wrong(at, "%s: missing =: write name = value", a.text)
	case a.name == "":
		r.Wrong(at, "%s: missing name: write name = value", a.text)
	case err != nil:
		r.Wrong(at, "%s: invalid pattern", a.text)
	default:
		return a
	}
	return nil
}

func shortened(line string) string {
	if len(line) > maxShown {
		return strings.ToValidUTF8(line[:maxShown], "") + "..."
	}
	return line
}

// slashed returns a name as a path. The first separator says which one the name has; the other is
// then part of a word (sysctl.d(5)).
func slashed(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '/' {
		return strings.TrimPrefix(name, "/")
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(name)
}
