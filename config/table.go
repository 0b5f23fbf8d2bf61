package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is a TOML table that is being read. The keys that get was asked for are the known ones;
// done reports all others.
type table struct {
	value
	entries map[string]any
	known   []string
}

func newTable(v value) *table {
	entries, _ := v.raw.(map[string]any)
	return &table{value: v, entries: entries}
}

// get returns a key's value, which may be absent. The key becomes a known one.
func (t *table) get(key string) value {
	t.known = append(t.known, key)
	return t.child(key)
}

// child returns a key's value without making the key a known one.
func (t *table) child(key string) value {
	return value{doc: t.doc, at: t.at.key(key), key: joinKey(t.key, key), raw: t.entries[key]}
}

// need returns the value of a required key and reports an absent one. It reports nothing if the
// table itself is absent.
func (t *table) need(key, right string) value {
	v := t.get(key)
	if t.entries != nil && !v.given() {
		t.missing(key, right)
	}
	return v
}

// table returns the table below a key. It is empty if the file has none.
func (t *table) table(key string) *table {
	v := t.get(key)
	as[map[string]any](v, "a table", "write ["+v.key+"] and its keys below it")
	return newTable(v)
}

// tables returns the array of tables below a key.
func (t *table) tables(key string) []*table {
	v := t.get(key)
	right := "write [[" + v.key + "]] for each element and its keys below it"
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

// done reports the unknown keys.
func (t *table) done() {
	for _, key := range slices.Sorted(maps.Keys(t.entries)) {
		if !slices.Contains(t.known, key) {
			t.child(key).report("unknown key", suggest(key, t.known))
			t.noteMisspelt(key)
		}
	}
}

// noteMisspelt notes the key that an unknown one most likely stands for.
func (t *table) noteMisspelt(key string) {
	if near, ok := Nearest(key, t.known); ok {
		if t.doc.misspelt == nil {
			t.doc.misspelt = map[place]bool{}
		}
		t.doc.misspelt[t.at.key(near)] = true
	}
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// joinKey returns a dotted key in TOML's notation.
func joinKey(parent, key string) string {
	if !bareKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	return strings.TrimPrefix(parent+"."+key, ".")
}
