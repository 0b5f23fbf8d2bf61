package config

import "github.com/BurntSushi/toml"

// ParseServices reads the [[service]] tables of a text, such as RenderServices returns. It checks
// each value, but not how services fit each other or a director: Site does. The name appears in
// problems. The error is always of type Problems.
func ParseServices(name string, text string) ([]Service, error) {
	var entries map[string]any
	if _, err := toml.Decode(text, &entries); err != nil {
		return nil, Problems{syntaxProblem(name, text, err)}
	}
	doc := &document{name: name, lines: locate(text)}
	t := newTable(value{doc: doc, at: root, raw: entries})
	var all []Service
	for _, table := range t.tables("service") {
		s, locals := readService(table)
		s.LocalAddresses = distinct(locals)
		all = append(all, s)
	}
	t.done()
	if len(doc.problems) > 0 {
		doc.problems.sort()
		return nil, doc.problems
	}
	return all, nil
}
