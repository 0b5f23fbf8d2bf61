package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load reads the file. The error is of type Problems when the file's content is bad.
func Load(file string) (*Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w; name a readable TOML file", err)
	}
	return Parse(file, data)
}

// Parse reads data as the content of the file called name. Its error is always of type Problems.
func Parse(name string, data []byte) (*Config, error) {
	return parse(name, string(data), allowedCPUs())
}

// parse is Parse on a machine whose process may run on the CPUs given.
func parse(name, text string, cpus []int) (*Config, error) {
	var entries map[string]any
	if _, err := toml.Decode(text, &entries); err != nil {
		return nil, Problems{syntaxProblem(name, text, err)}
	}
	doc := &document{name: name, lines: locate(text)}
	draft := read(doc, entries, cpus)
	newChecker(doc, draft).check()
	if len(doc.problems) > 0 {
		doc.problems.sort()
		return nil, doc.problems
	}
	return draft.finish(), nil
}

// syntaxProblem reports text that is not TOML at all. The decoder stops at the first such place.
func syntaxProblem(name, text string, err error) Problem {
	p := Problem{
		File:  name,
		Line:  1,
		Key:   "syntax",
		What:  err.Error(),
		Right: `write TOML: key = value lines under [table] and [[table]] headers, strings in double quotes, each key once`,
	}
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		// The decoder's own line number is one too high when what it trips over is the line's end; its position is -1 at the very first byte.
		p.Line = 1 + strings.Count(text[:min(max(e.Position.Start, 0), len(text))], "\n")
		p.What = strings.TrimSuffix(e.Message, ".")
	}
	return p
}
