package keepalived

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of a configuration, so that a hostile one ends.
const (
	maxDepth   = 16 // of blocks, and of files that include each other
	maxFiles   = 256
	maxEntries = 1 << 20
)

// entry is a line of a configuration: words, and the block that they open.
type entry struct {
	file  string
	line  int
	words []string
	block []entry
	open  bool // it opens a block
}

func (e *entry) place() string { return fmt.Sprintf("%s:%d", e.file, e.line) }

// reader reads a configuration with what it includes.
type reader struct {
	files, entries int
	open           func(string) ([]byte, error)
}

// token is a word with its line; a brace is a word of its own unless it was quoted.
type token struct {
	text   string
	line   int
	quoted bool
}

// tokens cuts a text into lines of words. A comment goes from # or ! to the end of the line.
func tokens(name, text string) ([][]token, error) {
	var all [][]token
	for n, line := range strings.Split(text, "\n") {
		var words []token
		for rest := line; ; {
			rest = strings.TrimLeft(rest, " \t\r\f\v")
			if rest == "" || rest[0] == '#' || rest[0] == '!' {
				break
			}
			var word token
			var err error
			if word, rest, err = cut(rest); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
			}
			word.line = n + 1
			words = append(words, word)
		}
		if len(words) > 0 {
			all = append(all, words)
		}
	}
	return all, nil
}

// cut takes the first word off a text that begins with one.
func cut(text string) (token, string, error) {
	switch c := text[0]; c {
	case '{', '}':
		return token{text: text[:1]}, text[1:], nil
	case '"', '\'':
		end := strings.IndexByte(text[1:], c)
		if end < 0 {
			return token{}, "", fmt.Errorf("a string has no end: add the second %c", c)
		}
		return token{text: text[1 : 1+end], quoted: true}, text[end+2:], nil
	}
	end := strings.IndexAny(text, " \t\r\f\v{}#!\"'")
	if end < 0 {
		end = len(text)
	}
	return token{text: text[:end]}, text[end:], nil
}

// read reads a file.
func (r *reader) read(name string, depth int) ([]entry, error) {
	if r.files++; r.files > maxFiles || depth > maxDepth {
		return nil, fmt.Errorf("%s: more than %d files, or files that include each other", name, maxFiles)
	}
	text, err := r.open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	lines, err := tokens(name, string(text))
	if err != nil {
		return nil, err
	}
	p := parser{reader: r, name: name, lines: lines}
	block, err := p.block(depth, 0)
	if err == nil && p.left {
		return nil, fmt.Errorf("%s:%d: a } too many", name, p.line)
	}
	return block, err
}

// parser goes through the words of one file.
type parser struct {
	*reader
	name  string
	lines [][]token
	line  int  // of the last word
	left  bool // the last thing was a }
}

// next takes the first word; ok is false at the end of a line.
func (p *parser) next() (token, bool) {
	if len(p.lines[0]) == 0 {
		return token{}, false
	}
	t := p.lines[0][0]
	p.lines[0] = p.lines[0][1:]
	p.line = t.line
	return t, true
}

// block reads entries until the block's end, or the file's.
func (p *parser) block(files, depth int) ([]entry, error) {
	var all []entry
	p.left = false
	for len(p.lines) > 0 {
		e, done, err := p.entry(files, depth)
		if err != nil {
			return nil, err
		}
		if len(e.words) > 0 || e.open {
			if p.entries++; p.entries > maxEntries {
				return nil, fmt.Errorf("%s: more than %d entries", p.name, maxEntries)
			}
			if len(e.words) > 1 && e.words[0] == "include" {
				included, err := p.include(e, files)
				if err != nil {
					return nil, err
				}
				all = append(all, included...)
			} else {
				all = append(all, e)
			}
		}
		if done {
			p.left = true
			return all, nil
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("%s:%d: a block has no end: add }", p.name, p.line)
	}
	return all, nil
}

// entry reads one entry; done says that the block ends behind it.
func (p *parser) entry(files, depth int) (e entry, done bool, err error) {
	e.file = p.name
	for len(p.lines) > 0 {
		t, ok := p.next()
		switch {
		case !ok:
			p.lines = p.lines[1:]
			if len(e.words) > 0 && !p.opensNext() {
				return e, false, nil
			}
		case t.text == "}" && !t.quoted:
			return e, true, nil
		case t.text == "{" && !t.quoted:
			if depth == maxDepth {
				return e, false, fmt.Errorf("%s:%d: blocks in blocks more than %d deep", p.name, p.line, maxDepth)
			}
			e.open = true
			if e.line == 0 {
				e.line = t.line
			}
			e.block, err = p.block(files, depth+1)
			p.left = false
			return e, false, err
		default:
			if len(e.words) == 0 {
				e.line = t.line
			}
			e.words = append(e.words, t.text)
		}
	}
	return e, false, nil
}

// opensNext reports whether the next line begins with the brace of the entry before.
func (p *parser) opensNext() bool {
	return len(p.lines) > 0 && len(p.lines[0]) > 0 && p.lines[0][0].text == "{" && !p.lines[0][0].quoted
}

// include reads the files that a pattern names, relative to the file that includes them.
func (p *parser) include(e entry, depth int) ([]entry, error) {
	pattern := e.words[1]
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(p.name), pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("%s: there is no file %s", e.place(), pattern)
	}
	var all []entry
	for _, name := range names {
		entries, err := p.read(name, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

func readFile(name string) ([]byte, error) { return os.ReadFile(name) }
