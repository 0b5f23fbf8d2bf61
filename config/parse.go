package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load reads and checks a file. The error is of type Problems if the file could be read but its
// content is wrong.
func Load(file string) (*Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w; name a readable TOML file", err)
	}
	return Parse(file, data)
}

// Parse checks data as the content of a file. The name appears in problems and in Config.File only.
// The error is always of type Problems.
func Parse(name string, data []byte) (*Config, error) {
	return parse(name, string(data), machineCPUs())
}

// parse is Parse on a machine and for a process with the given CPUs.
func parse(name, text string, cpus cpuSets) (*Config, error) {
	var entries map[string]any
	if _, err := toml.Decode(text, &entries); err != nil {
		return nil, Problems{notTOML(name, text, err)}
	}
	doc := &document{name: name, lines: locate(text)}
	draft := read(doc, entries, cpus)
	newChecker(doc, draft).check()
	doc.dropFollowUps()
	if len(doc.problems) > 0 {
		doc.problems.sort()
		return nil, doc.problems
	}
	c := draft.finish()
	c.Text = text
	return c, nil
}

// notTOML returns the problem of text that the TOML decoder refused.
func notTOML(name, text string, err error) Problem {
	if p, is := foreignProblem(name, text); is {
		return p
	}
	return syntaxProblem(name, text, err)
}

// syntaxProblem returns the problem of text that is not TOML. The decoder stops at the first error.
func syntaxProblem(name, text string, err error) Problem {
	p := Problem{
		File: name,
		Line: 1,
		Key:  "syntax",
		What: err.Error(),
		Right: `write TOML: key = value lines under [table] and [[table]] headers, ` +
			`strings in double quotes, each key once`,
	}
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		// The decoder's line number is one too high if the error is at the line's end. Its position
		// is -1 at the very first byte.
		p.Line = 1 + strings.Count(text[:min(max(e.Position.Start, 0), len(text))], "\n")
		p.What = strings.TrimSuffix(e.Message, ".")
	}
	return p
}
