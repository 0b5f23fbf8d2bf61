package keepalived

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a configuration, so that a hostile one ends.
const (
	maxDepth = 16       // of files in files, of definitions in definitions, of blocks in blocks
	maxFiles = 4096     // read for one configuration
	maxPaths = 1 << 16  // looked for, with their braces written out
	maxPath  = 4096     // bytes of one, as in Linux
	maxText  = 16 << 20 // bytes, of one file and of all that files and definitions give
	maxLine  = 1 << 20  // bytes of a line with its definitions filled in
)

// line is a line without its comment.
type line struct {
	place
	text string
}

// reader makes one sequence of lines of a configuration and what it includes, with definitions filled in.
type reader struct {
	files
	*report
	id          string // of the host whose conditional lines count; "" for none
	definitions map[string]*definition
	defining    *definition   // whose further lines come next
	long        []*definition // of several lines
	lines       []line
	reading     []string // files, from the outermost
	count       int      // of files
	paths       int      // looked for
	size        int      // bytes
	condition   *place   // of the first line that is left out because it is for some hosts only
}

// file reads a file's lines.
func (r *reader) file(name string) error {
	if r.count++; r.count > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	if slices.Contains(r.reading, name) || len(r.reading) == maxDepth {
		return fmt.Errorf("files include each other")
	}
	text, err := r.read(name)
	if err != nil {
		return err
	}
	r.reading = append(r.reading, name)
	for n, raw := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
		r.take(line{place{name, n + 1}, uncomment(raw)}, 0)
	}
	r.reading, r.defining = r.reading[:len(r.reading)-1], nil
	return nil
}

// uncomment takes off the comment, which begins with # or ! outside of double quotes, and the space around the rest. A \ at a comment's end
// still says that a definition goes on.
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

// take does what a line says about lines, or keeps it. Depth counts definitions in definitions.
func (r *reader) take(l line, depth int) {
	if len(r.problems) > maxProblems {
		return // enough to mend
	}
	if len(l.text) > maxLine {
		r.wrong(l.place, "a line of more than %d MiB", maxLine>>20)
		return
	}
	if r.size += len(l.text) + 1; r.size > maxText {
		r.wrong(l.place, "more than %d MiB with all files and definitions", maxText>>20)
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
		r.leave(l.place, l.text, "repeated lines (~SEQ, ~LST) are not read: write them out")
	case !r.define(l):
		r.fillIn(l, depth)
	}
}

// conditional reads a line for one host, or for all but one.
func (r *reader) conditional(l line, depth int) {
	host, rest, _ := strings.Cut(strings.ReplaceAll(l.text[1:], "\t", " "), " ")
	name, others := strings.CutPrefix(host, "^")
	switch {
	case r.id == "":
		if r.condition == nil {
			r.condition = &l.place
		}
		r.leave(l.place, "@"+host+" "+key(rest), "is for some hosts only: say for which with --config-id")
	case (name == r.id) != others:
		r.take(line{l.place, strings.TrimSpace(rest)}, depth)
	}
}

// key gives a line's first word, of a definition its name. Values stay out of what is said about lines of any kind: they may be passwords.
func key(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	name, _, _ := strings.Cut(first, "=")
	return name
}

// include reads the files that a pattern stands for, relative to the file that includes them. How is the letter of keepalived's variants: those
// but r insist on a match.
func (r *reader) include(l line, how, pattern string) {
	path := pattern
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.file), path)
	}
	if len(path) > maxPath || r.paths > maxPaths {
		r.wrong(l.place, "a path of more than %d bytes, or more than %d paths to look for", maxPath, maxPaths)
		return
	}
	var names []string
	for _, p := range braces(path) {
		r.paths++
		found := r.glob(p)
		if len(found) == 0 && how != "" && strings.Contains("wba", how) {
			r.wrong(l.place, "include %s: there is no file %s", pattern, p)
		}
		names = append(names, found...)
	}
	switch optional := strings.ContainsAny(path, "*?[{") && how != "m"; {
	case len(names) == 0 && optional:
		r.leave(l.place, l.text, "there is no such file")
	case len(names) == 0 && how != "w" && how != "b" && how != "a":
		r.wrong(l.place, "include %s: there is no file %s", pattern, path)
	}
	for _, name := range names {
		if err := r.file(name); err != nil {
			r.wrong(l.place, "include %s: %v", pattern, err)
		}
	}
}
