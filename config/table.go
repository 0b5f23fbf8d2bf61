package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is a TOML table that is being read. Every key asked for is a known key; done reports the others.
type table struct {
	value
	entries map[string]any
	known   []string
}

func newTable(v value) *table {
	entries, _ := v.raw.(map[string]any)
	return &table{value: v, entries: entries}
}

// get gives a key's value, which may be absent.
func (t *table) get(key string) value {
	t.known = append(t.known, key)
	return t.child(key)
}

func (t *table) child(key string) value {
	return value{doc: t.doc, at: t.at.key(key), key: joinKey(t.key, key), raw: t.entries[key]}
}

// need gives the value of a key that must be there, if there is a table for it to be in.
func (t *table) need(key, right string) value {
	v := t.get(key)
	if t.entries != nil && !v.given() {
		t.missing(key, right)
	}
	return v
}

// table gives the table below a key, an empty one where the file has none.
func (t *table) table(key string) *table {
	v := t.get(key)
	as[map[string]any](v, "a table", "write ["+v.key+"] and its keys below it")
	return newTable(v)
}

// tables gives the array of tables below a key.
func (t *table) tables(key string) []*table {
	v := t.get(key)
	right := "write [[" + v.key + "]] for each one and its keys below it"
	list, ok := v.elements()
	if !ok && v.given() {
		v.reportf(right, "is %s, not an array of tables", typeName(v.raw))
	}
	tables := make([]*table, len(list))
	for i, element := range list {
		as[map[string]any](element, "a table", right)
		tables[i] = newTable(element)
	}
	return tables
}

// done reports the keys that nobody has asked for.
func (t *table) done() {
	for _, key := range slices.Sorted(maps.Keys(t.entries)) {
		if !slices.Contains(t.known, key) {
			t.child(key).report("unknown key", suggest(key, t.known))
		}
	}
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// joinKey writes a dotted key as TOML wants it.
func joinKey(parent, key string) string {
	if !bareKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	return strings.TrimPrefix(parent+"."+key, ".")
}
