package keepalived

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fulcrum/foreign"
)

// Bounds of a configuration, so that reading a hostile one ends.
const (
	maxDepth = 16       // nested files, nested definitions, nested blocks
	maxFiles = 4096     // files read for one configuration
	maxPaths = 1 << 16  // paths looked for, with their braces expanded
	maxPath  = 4096     // bytes of a path, as in Linux
	maxText  = 16 << 20 // bytes of one file, and of all files and definitions together
	maxLine  = 1 << 20  // bytes of a line with its definitions filled in
)

// line is a line without its comment.
type line struct {
	place
	text string
}

// reader joins the lines of a configuration and its includes, with definitions replaced.
type reader struct {
	files
	*foreign.Report
	id          string // of the host whose conditional lines are read; "" for none
	definitions map[string]*definition
	defining    *definition   // the definition that continues on the next line, or nil
	long        []*definition // definitions of several lines
	lines       []line
	reading     []string // the files being read, the outermost first
	count       int      // files read so far
	paths       int      // paths looked for so far
	size        int      // bytes read so far
	condition   *place   // the first line left out because it applies to some hosts only
}

// file reads the lines of a file.
func (r *reader) file(name string) error {
	if r.count++; r.count > maxFiles {
		return fmt.Errorf("includes exceed %d files", maxFiles)
	}
	if slices.Contains(r.reading, name) || len(r.reading) == maxDepth {
		return fmt.Errorf("files include each other, or are nested more than %d deep", maxDepth)
	}
	text, err := r.read(name)
	if err != nil {
		return err
	}
	r.reading = append(r.reading, name)
	for n, raw := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
		r.take(line{place{File: name, Line: n + 1}, uncomment(raw)}, 0)
	}
	r.reading, r.defining = r.reading[:len(r.reading)-1], nil
	return nil
}

// uncomment removes the comment and surrounding space. A comment begins with # or ! outside double
// quotes. A \ at the end of a comment still continues a definition.
func uncomment(text string) string {
	text = strings.TrimSpace(text)
	var kept []byte
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			if i++; quoted || text[i] != '#' && text[i] != '!' {
				kept = append(kept, '\\')
			}
		case c == '"':
			quoted = !quoted
		case (c == '#' || c == '!') && !quoted:
			if strings.HasSuffix(text, `\`) {
				kept = append(kept, '\\')
			}
			return strings.TrimSpace(string(kept))
		}
		kept = append(kept, text[i])
	}
	return string(kept)
}

var includes = regexp.MustCompile(`^include([rmwba]?)[ \t]+(.+)$`)

// take executes includes, conditions and definitions, and keeps other lines. depth counts nested
// definitions.
func (r *reader) take(l line, depth int) {
	if r.Full() {
		return // enough to report
	}
	if len(l.text) > maxLine {
		r.Wrong(l.place, "line is longer than %d MiB", maxLine>>20)
		return
	}
	if r.size += len(l.text) + 1; r.size > maxText {
		r.Wrong(l.place, "the configuration exceeds %d MiB with all files and definitions", maxText>>20)
		return
	}
	include := includes.FindStringSubmatch(l.text)
	switch {
	case r.defining != nil:
		r.goOn(l.text)
	case l.text == "":
	case include != nil:
		r.include(l, include[1], strings.Trim(include[2], `"' `))
	case l.text[0] == '@':
		r.conditional(l, depth)
	case l.text[0] == '~':
		r.Leave(l.place, l.text, "repeated lines (~SEQ, ~LST) are not supported: write each line out")
	case !r.define(l):
		r.fillIn(l, depth)
	}
}

// conditional takes a line for one host (@host) or for all but one (@^host).
func (r *reader) conditional(l line, depth int) {
	host, rest, _ := strings.Cut(strings.ReplaceAll(l.text[1:], "\t", " "), " ")
	name, others := strings.CutPrefix(host, "^")
	switch {
	case r.id == "":
		if r.condition == nil {
			r.condition = &l.place
		}
		r.Leave(l.place, "@"+host+" "+key(rest),
			"applies to some hosts only: name the host with --config-id")
	case (name == r.id) != others:
		r.take(line{l.place, strings.TrimSpace(rest)}, depth)
	}
}

// key returns the first word of a line, or the name of a definition. Notes about arbitrary lines
// omit values, since they may be passwords.
func key(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	name, _, _ := strings.Cut(first, "=")
	return name
}

// include reads the files that match a pattern, relative to the including file. how is the letter
// of keepalived's variant; all but r require a match.
func (r *reader) include(l line, how, pattern string) {
	path := pattern
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.File), path)
	}
	if len(path) > maxPath || r.paths > maxPaths {
		r.Wrong(l.place, "path is longer than %d bytes, or includes exceed %d paths", maxPath, maxPaths)
		return
	}
	var names []string
	for _, p := range braces(path) {
		r.paths++
		found := r.glob(p)
		if len(found) == 0 && how != "" && strings.Contains("wba", how) {
			r.Wrong(l.place, "include %s: no such file: %s", pattern, p)
		}
		names = append(names, found...)
	}
	switch optional := strings.ContainsAny(path, "*?[{") && how != "m"; {
	case len(names) == 0 && optional:
		r.Leave(l.place, l.text, "no file matches")
	case len(names) == 0 && how != "w" && how != "b" && how != "a":
		r.Wrong(l.place, "include %s: no such file: %s", pattern, path)
	}
	for _, name := range names {
		if err := r.file(name); err != nil {
			r.Wrong(l.place, "include %s: %v", pattern, err)
		}
	}
}
