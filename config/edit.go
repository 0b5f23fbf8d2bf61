package config

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// Rewrite returns the text of a configuration file, changed such that Parse returns next for it,
// apart from File. It keeps comments, empty lines, order and form of all that does not change. The
// name is for Parse. If the text cannot be edited in place, since it is empty, has mistakes or
// writes tables in a form that Rewrite does not edit, the result is next.Render() and kept is
// false. Services, real servers and ports that change their order keep their comments only if
// nothing else of them changes.
func Rewrite(name, text string, next *Config) (result string, kept bool) {
	return rewrite(name, text, next, machineCPUs())
}

// rewrite is Rewrite on a machine and for a process with the given CPUs.
func rewrite(name, text string, next *Config, cpus cpuSets) (result string, kept bool) {
	base, err := parse(name, text, cpus)
	if err != nil {
		return next.Render(), false
	}
	e := &editor{outline: outlineOf(text)}
	e.change(root, base.blocks().groups, next.blocks().groups, e.atEnd())
	result = e.result()
	// The edit is not trusted: TOML has more forms than the editor knows.
	if c, err := parse(name, result, cpus); err != nil || !alike(c, next) {
		return next.Render(), false
	}
	return result, true
}

// alike reports whether two configurations are the same, whatever the files' names are. A list that
// is nil and an empty one are the same.
func alike(a, b *Config) bool {
	x, y := *a, *b
	x.File, y.File = "", ""
	x.Text, y.Text = "", ""
	return equal(reflect.ValueOf(x), reflect.ValueOf(y))
}

func equal(a, b reflect.Value) bool {
	switch {
	case a.Comparable():
		return b.Comparable() && a.Equal(b)
	case a.Kind() == reflect.Slice:
		return a.Len() == b.Len() && allEqual(a.Len(), a.Index, b.Index)
	case a.Kind() == reflect.Struct:
		return allEqual(a.NumField(), a.Field, b.Field)
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func allEqual(n int, a, b func(int) reflect.Value) bool {
	for i := range n {
		if !equal(a(i), b(i)) {
			return false
		}
	}
	return true
}

// editor collects the changes of a document.
type editor struct {
	*outline
	edits []edit
}

// edit replaces bytes of the document.
type edit struct {
	span
	text string
}

func (e *editor) replace(s span, text string) { e.edits = append(e.edits, edit{s, text}) }

// result returns the document with all edits. Where edits meet, what is inserted comes first, in
// the order of the calls.
func (e *editor) result() string {
	slices.SortStableFunc(e.edits, func(a, b edit) int {
		return cmp.Or(a.start-b.start, a.end-b.end)
	})
	var out strings.Builder
	done := 0
	for _, edit := range e.edits {
		out.WriteString(e.text[done:max(done, edit.start)])
		out.WriteString(edit.text)
		done = max(done, edit.end)
	}
	out.WriteString(e.text[done:])
	return e.trimEnd(out.String())
}

// trimEnd removes the empty lines that are left at the end after the last table was removed.
func (e *editor) trimEnd(result string) string {
	eol := e.eol()
	for len(e.edits) > 0 && !strings.HasSuffix(e.text, eol+eol) && strings.HasSuffix(result, eol+eol) {
		result = strings.TrimSuffix(result, eol)
	}
	return result
}

// eol returns the line end of the document.
func (e *editor) eol() string {
	if first, _, _ := strings.Cut(e.text, "\n"); strings.HasSuffix(first, "\r") {
		return "\r\n"
	}
	return "\n"
}

// insert inserts lines at the begin of a line, or behind the last line if that lacks its end.
func (e *editor) insert(at int, lines string) {
	if lines = strings.ReplaceAll(lines, "\n", e.eol()); at > 0 && e.text[at-1] != '\n' {
		lines = e.eol() + lines
	}
	e.replace(span{at, at}, lines)
}
