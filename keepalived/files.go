package keepalived

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// files is the source of a configuration and its includes.
type files interface {
	read(name string) ([]byte, error)
	// glob returns the files that match a pattern without braces, sorted.
	glob(pattern string) []string
}

// disk reads files from the file system.
type disk struct{}

// read limits the size, so that an endless device does not fill the memory.
func (disk) read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		return nil, fmt.Errorf("read %s: file is larger than %d MiB", name, maxText>>20)
	}
	return text, err
}

// glob skips everything but regular files, as keepalived does. It skips hidden files, as glob(3)
// does, so that an editor's .web.conf.swp is not read.
func (disk) glob(pattern string) []string {
	names, _ := filepath.Glob(pattern) // a malformed pattern matches nothing
	dotted := func(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }
	var all []string
	for _, name := range names {
		hidden := dotted(name) && !dotted(pattern)
		if info, err := os.Stat(name); !hidden && (err != nil || info.Mode().IsRegular()) {
			all = append(all, name)
		}
	}
	return all
}

// braces expands csh's braces in a pattern: {a,b}.conf becomes a.conf and b.conf.
func braces(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}
	}
	parts, end := alternatives(pattern[open+1:])
	if end < 0 {
		return []string{pattern}
	}
	var all []string
	for _, part := range parts {
		all = append(all, braces(pattern[:open]+part+pattern[open+1+end+1:])...)
		if len(all) > maxFiles {
			break
		}
	}
	return all
}

// alternatives splits the text after an opening brace at the commas outside nested braces. end is
// the index of the closing brace, or -1.
func alternatives(text string) (parts []string, end int) {
	depth, start := 0, 0
	for i, c := range text {
		switch {
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == ',' && depth == 0:
			parts, start = append(parts, text[start:i]), i+1
		case c == '}':
			return append(parts, text[start:i]), i
		}
	}
	return nil, -1
}
