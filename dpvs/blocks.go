package dpvs

import (
	"strings"

	"fulcrum/foreign"
)

// Bounds of a configuration, so that reading a hostile one ends.
const (
	maxDepth = 16       // nested blocks
	maxText  = 16 << 20 // bytes of the file
)

// place is a line of a file, embedded in what was read from it.
type place = foreign.Place

// entry is the words of a line, with the block that they open.
type entry struct {
	place
	words []string
	block []*entry
	open  bool // whether it opens a block
}

func (e *entry) String() string { return strings.Join(e.words, " ") }

// value returns the word after the key, or "".
func (e *entry) value() string {
	if len(e.words) < 2 {
		return ""
	}
	return e.words[1]
}

// nester builds blocks from lines.
type nester struct {
	*foreign.Report
	within []*entry // the open blocks; the first is the whole configuration
}

// nest builds blocks from the lines of a file. It reports unmatched braces.
func nest(r *foreign.Report, file, text string) []*entry {
	n := nester{Report: r, within: []*entry{{}}}
	line := 0
	for raw := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line++
		if all := words(strings.TrimSuffix(raw, "\n")); len(all) > 0 && !n.Full() {
			n.take(place{File: file, Line: line}, all)
		}
	}
	for _, e := range n.within[1:] {
		n.Wrong(e.place, "%s: unterminated block: add }", e)
	}
	return n.within[0].block
}

// take reads the words of a line. DPVS ignores what follows a } at the beginning of a line.
func (n *nester) take(at place, all []string) {
	if all[0] == "}" {
		n.end(at)
		return
	}
	opens := all[len(all)-1] == "{"
	if opens {
		all = all[:len(all)-1]
	}
	for _, w := range all {
		if strings.ContainsAny(w, "{}") {
			n.Wrong(at, "%s: misplaced brace: write { at the end of a line, after a space, "+
				"and } on a line of its own", w)
			return
		}
	}
	top := n.within[len(n.within)-1]
	if len(all) > 0 {
		top.block = append(top.block, &entry{place: at, words: all})
	}
	if opens {
		n.begin(at, top.block)
	}
}

// begin opens the block of the last entry, which may be on an earlier line.
func (n *nester) begin(at place, block []*entry) {
	switch {
	case len(block) == 0 || block[len(block)-1].open:
		n.Wrong(at, "extra {: write a key before it")
		block = []*entry{{place: at}}
	case len(n.within) > maxDepth:
		n.Wrong(at, "blocks are nested more than %d deep", maxDepth)
	}
	e := block[len(block)-1]
	e.open = true
	n.within = append(n.within, e)
}

func (n *nester) end(at place) {
	if len(n.within) == 1 {
		n.Wrong(at, "extra }: remove it, or add the { that it closes")
		return
	}
	n.within = n.within[:len(n.within)-1]
}
