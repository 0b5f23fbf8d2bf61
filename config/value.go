package config

import (
	"fmt"
	"slices"
	"time"
)

// document is a file that is being read, with the lines of its parts and the problems found so far.
type document struct {
	name     string
	lines    map[place]int
	problems Problems
	absent   map[Problem]place // what is missing there, by the problem that says so
	misspelt map[place]bool    // keys that the file spells otherwise
}

// value is the content of one key or array element, with its place for problems.
type value struct {
	doc *document
	at  place
	key string // dotted, in TOML's notation
	raw any    // as decoded from TOML; nil if the file has none
}

func (v value) given() bool { return v.raw != nil }

func (v value) line() int { return max(1, v.doc.lines[v.at]) }

// report adds a problem: what is wrong, and what would be right.
func (v value) report(what, right string) {
	v.doc.problems = append(v.doc.problems, Problem{
		File: v.doc.name, Line: v.line(), Key: v.key, What: what, Right: right,
	})
}

// reportf formats what is wrong. The remedy comes first and is not a format.
func (v value) reportf(right, what string, args ...any) {
	v.report(fmt.Sprintf(what, args...), right)
}

// missing reports a key that the table v lacks, on the line where the table begins.
func (v value) missing(key, right string) {
	value{doc: v.doc, at: v.at, key: joinKey(v.key, key)}.report("is missing", right)
	if v.doc.absent == nil {
		v.doc.absent = map[Problem]place{}
	}
	v.doc.absent[v.doc.problems[len(v.doc.problems)-1]] = v.at.key(key)
}

// dropFollowUps removes the problems of missing keys that are there under a misspelt name.
func (d *document) dropFollowUps() {
	d.problems = slices.DeleteFunc(d.problems, func(p Problem) bool {
		at, absent := d.absent[p]
		return absent && d.misspelt[at]
	})
}

// as returns the value as a T. It reports a value of another type, where name stands for the type
// T. It is false if the value is absent or of another type.
func as[T any](v value, name, right string) (T, bool) {
	typed, ok := v.raw.(T)
	if !ok && v.given() {
		v.reportf(right, "is %s, not %s", typeName(v.raw), name)
	}
	return typed, ok
}

// parsed parses a string value. It reports an invalid one, where noun stands for what is parsed,
// such as "address". It is false if the value is absent or invalid.
func parsed[T any](v value, parse func(string) (T, error), noun, right string) (T, bool) {
	text, ok := as[string](v, "a string", right)
	if !ok {
		return *new(T), false
	}
	result, err := parse(text)
	if err != nil {
		v.reportf(right, "invalid %s %q", noun, text)
	}
	return result, err == nil
}

// typeName returns the name of a decoded value's type, with its article.
func typeName(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	default:
		return "a list"
	}
}

// elements returns a list's elements, whichever of its two types the decoder chose for the list.
func (v value) elements() ([]value, bool) {
	var values []value
	switch list := v.raw.(type) {
	case []any:
		for i, raw := range list {
			values = append(values, v.element(i, raw))
		}
	case []map[string]any:
		for i, raw := range list {
			values = append(values, v.element(i, raw))
		}
	default:
		return nil, false
	}
	return values, true
}

func (v value) element(i int, raw any) value {
	return value{doc: v.doc, at: v.at.index(i), key: v.key, raw: raw}
}
