package keepalived

import (
	"strings"

	"fulcrum/foreign"
)

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

// nester builds blocks from words.
type nester struct {
	*foreign.Report
	within []*entry // the open blocks; the first is the whole configuration
	last   *entry   // the entry that the line's words belong to; nil at its beginning
}

// nest builds blocks from lines. It reports unmatched braces.
func nest(r *foreign.Report, lines []line) []*entry {
	n := nester{Report: r, within: []*entry{{}}}
	for _, l := range lines {
		all, err := words(l.text)
		if err != nil {
			n.Wrong(l.place, "%v", err)
		}
		for _, w := range all {
			n.take(l.place, w)
		}
		n.last = nil
	}
	for _, e := range n.within[1:] {
		n.Wrong(e.place, "%s: unterminated block: add }", e)
	}
	return n.within[0].block
}

func (n *nester) take(at place, w word) {
	switch {
	case w == word{"{", true}:
		n.begin(at)
	case w == word{"}", true}:
		n.end(at)
	case n.last == nil:
		top := n.within[len(n.within)-1]
		n.last = &entry{place: at, words: []string{w.text}}
		top.block = append(top.block, n.last)
		n.checkPlace(top)
	default:
		n.last.words = append(n.last.words, w.text)
	}
}

// outermost are keys whose block is never inside another one. If one is, a brace is wrong, and
// the rest of the file would be misread.
var outermost = map[string]bool{
	"virtual_server": true, "virtual_server_group": true, "local_address_group": true,
	"global_defs":   true,
	"vrrp_instance": true, "vrrp_sync_group": true, "vrrp_script": true,
}

// checkPlace reports an entry that is inside the wrong block.
func (n *nester) checkPlace(top *entry) {
	switch key := n.last.words[0]; {
	case outermost[key] && len(n.within) > 1:
		n.Wrong(n.last.place, "%s: is inside the block of %s: is a } missing before it?", key, top)
	case key == "real_server" && len(n.within) == 1:
		n.Wrong(n.last.place, "%s: is outside a virtual_server: is there an extra } before it?", key)
	case key == "real_server" && len(top.words) > 0 && top.words[0] != "virtual_server":
		n.Wrong(n.last.place, "%s: is inside the block of %s: is a } missing before it?", key, top)
	}
}

// begin opens the block of the preceding entry, which may be on an earlier line.
func (n *nester) begin(at place) {
	e := n.last
	block := n.within[len(n.within)-1].block
	if e == nil && len(block) > 0 && !block[len(block)-1].open {
		e = block[len(block)-1]
	}
	switch {
	case e == nil:
		n.Wrong(at, "extra {: write a key before it")
		e = &entry{place: at}
	case len(n.within) > maxDepth:
		n.Wrong(at, "blocks are nested more than %d deep", maxDepth)
	}
	e.open = true
	n.within, n.last = append(n.within, e), nil
}

func (n *nester) end(at place) {
	if n.last = nil; len(n.within) == 1 {
		n.Wrong(at, "extra }: remove it, or add the { that it closes")
		return
	}
	n.within = n.within[:len(n.within)-1]
}
