package keepalived

import "strings"

// entry is a line's words, and the block that they open.
type entry struct {
	place
	words []string
	block []*entry
	open  bool // it opens a block
}

func (e *entry) String() string { return strings.Join(e.words, " ") }

// value is the word behind the key, "" for none.
func (e *entry) value() string {
	if len(e.words) < 2 {
		return ""
	}
	return e.words[1]
}

// nester makes blocks of words.
type nester struct {
	*report
	within []*entry // from the outermost, which is the whole
	last   *entry   // whose words may go on; nil at a line's beginning
}

// nest makes blocks of lines. Braces that do not match are a mistake.
func nest(r *report, lines []line) []*entry {
	n := nester{report: r, within: []*entry{{}}}
	for _, l := range lines {
		all, err := words(l.text)
		if err != nil {
			n.wrong(l.place, "%v", err)
		}
		for _, w := range all {
			n.take(l.place, w)
		}
		n.last = nil
	}
	for _, e := range n.within[1:] {
		n.wrong(e.place, "%s: its block has no end: add }", e)
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

// outermost are keys of which a block is in no other: where one is, a brace is wrong, and what comes behind it is read as something else.
var outermost = map[string]bool{
	"virtual_server": true, "virtual_server_group": true, "global_defs": true,
	"vrrp_instance": true, "vrrp_sync_group": true, "vrrp_script": true,
}

func (n *nester) checkPlace(top *entry) {
	switch key := n.last.words[0]; {
	case outermost[key] && len(n.within) > 1:
		n.wrong(n.last.place, "%s: is in the block of %s: is a } missing before it?", key, top)
	case key == "real_server" && len(n.within) == 1:
		n.wrong(n.last.place, "%s: is in no virtual_server: is there a } too many before it?", key)
	case key == "real_server" && len(top.words) > 0 && top.words[0] != "virtual_server":
		n.wrong(n.last.place, "%s: is in the block of %s: is a } missing before it?", key, top)
	}
}

// begin opens the block of the entry before, which may be on a line before.
func (n *nester) begin(at place) {
	e := n.last
	if block := n.within[len(n.within)-1].block; e == nil && len(block) > 0 && !block[len(block)-1].open {
		e = block[len(block)-1]
	}
	switch {
	case e == nil:
		n.wrong(at, "a { that nothing stands before")
		e = &entry{place: at}
	case len(n.within) > maxDepth:
		n.wrong(at, "blocks in blocks more than %d deep", maxDepth)
	}
	e.open = true
	n.within, n.last = append(n.within, e), nil
}

func (n *nester) end(at place) {
	if n.last = nil; len(n.within) == 1 {
		n.wrong(at, "a } too many")
		return
	}
	n.within = n.within[:len(n.within)-1]
}
