package keepalived

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// files is where a configuration and what it includes are read from.
type files interface {
	read(name string) ([]byte, error)
	// glob gives the files that a pattern without braces stands for, sorted.
	glob(pattern string) []string
}

type disk struct{}

// read bounds what it takes, so that a device that never ends does not fill the memory.
func (disk) read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		return nil, fmt.Errorf("read %s: more than %d MiB", name, maxText>>20)
	}
	return text, err
}

// glob leaves out what is no plain file, as keepalived does, and hidden files, as glob(3) does: an editor's .web.conf.swp is no configuration.
func (disk) glob(pattern string) []string {
	names, _ := filepath.Glob(pattern) // a bad pattern stands for nothing
	var all []string
	for _, name := range names {
		hidden := strings.HasPrefix(filepath.Base(name), ".") && !strings.HasPrefix(filepath.Base(pattern), ".")
		if info, err := os.Stat(name); !hidden && (err != nil || info.Mode().IsRegular()) {
			all = append(all, name)
		}
	}
	return all
}

// braces gives the patterns that one with csh's braces stands for: {a,b}.conf is a.conf and b.conf.
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

// alternatives cuts the text behind an opening brace at the commas that are in no further braces; end is where the closing one is.
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
