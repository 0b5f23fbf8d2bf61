package config

import (
	"fmt"
	"time"
)

// document is a file in the making: where its parts stand and what is wrong with them.
type document struct {
	name     string
	lines    map[place]int
	problems Problems
}

// value is what the file gives for one key or array element, with the place to blame.
type value struct {
	doc *document
	at  place
	key string // as a person would write it
	raw any    // as decoded from TOML; nil where the file gives nothing
}

func (v value) given() bool { return v.raw != nil }

func (v value) line() int { return max(1, v.doc.lines[v.at]) }

func (v value) report(what, right string) {
	v.doc.problems = append(v.doc.problems, Problem{File: v.doc.name, Line: v.line(), Key: v.key, What: what, Right: right})
}

func (v value) reportf(right, what string, args ...any) { v.report(fmt.Sprintf(what, args...), right) }

// missing reports a key that a table lacks, on the line where the table begins.
func (v value) missing(key, right string) {
	value{doc: v.doc, at: v.at, key: joinKey(v.key, key)}.report("is missing", right)
}

// refuse reports a key whose feature does not exist, whatever its value.
func (v value) refuse() {
	if v.given() {
		v.report("is not supported yet", "leave the key out")
	}
}

// as gives the value as a T, which people call by the name given. It is false where there is no value or a wrong one.
func as[T any](v value, name, right string) (T, bool) {
	typed, ok := v.raw.(T)
	if !ok && v.given() {
		v.reportf(right, "is %s, not %s", typeName(v.raw), name)
	}
	return typed, ok
}

// parsed gives the T that a string stands for.
func parsed[T any](v value, parse func(string) (T, error), name, right string) (T, bool) {
	text, ok := as[string](v, name, right)
	if !ok {
		return *new(T), false
	}
	result, err := parse(text)
	if err != nil {
		v.reportf(right, "%q is not %s", text, name)
	}
	return result, err == nil
}

// typeName says in a person's words what the decoder made of a value.
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

// elements gives a list's elements, however the decoder typed the list.
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
