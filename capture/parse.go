package capture

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fulcrum/packet"
)

// maxWords limits the length of a filter, and thereby the time that it takes per packet.
const maxWords = 100

// ParseFilter parses a filter such as "tcp and (host 10.0.0.1 or dst net 10.1.0.0/16) and not
// port 80". The language is a part of tcpdump's:
//
//	arp ip ip6 tcp udp sctp icmp icmp6 fragment
//	[src|dst] host ADDRESS
//	[src|dst] net PREFIX
//	[src|dst] port NUMBER or FIRST-LAST
//	not X, X and Y, X or Y, ( X )
//
// "not" binds closest, then "and", then "or". A port test matches TCP, UDP and SCTP packets only,
// and no fragments. An empty filter matches all packets. The error names the wrong word and what
// to write instead.
func ParseFilter(text string) (Filter, error) {
	p := parser{words: split(text)}
	if len(p.words) == 0 {
		return Filter{}, nil
	}
	if len(p.words) > maxWords {
		return Filter{}, fmt.Errorf("filter has %d words: at most %d are allowed", len(p.words), maxWords)
	}
	p.parseOr()
	if p.err == nil && p.at < len(p.words) {
		p.fail(`"and" or "or", or end the filter before it`)
	}
	if p.err != nil {
		return Filter{}, fmt.Errorf("filter %q: %w", text, p.err)
	}
	return Filter{p.tests}, nil
}

// split returns the words of a filter. Parentheses are separate words.
func split(text string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
}

// parser is a recursive-descent parser. It stops at the first error.
type parser struct {
	words []string
	at    int
	tests []test
	err   error
}

// accept consumes the next word if it is the given one.
func (p *parser) accept(word string) bool {
	if p.err == nil && p.at < len(p.words) && p.words[p.at] == word {
		p.at++
		return true
	}
	return false
}

// next consumes and returns the next word, or "" at the end.
func (p *parser) next() string {
	if p.err != nil || p.at == len(p.words) {
		return ""
	}
	p.at++
	return p.words[p.at-1]
}

func (p *parser) fail(wanted string) {
	switch {
	case p.err != nil:
	case p.at < len(p.words):
		p.err = fmt.Errorf("word %d is %q; write %s", p.at+1, p.words[p.at], wanted)
	default:
		p.err = fmt.Errorf("unexpected end; continue with %s", wanted)
	}
}

// failAt is fail for a word that next has consumed.
func (p *parser) failAt(word, wanted string) {
	if word != "" {
		p.at--
	}
	p.fail(wanted)
}

// add appends a test and returns its index.
func (p *parser) add(t test) int {
	p.tests = append(p.tests, t)
	return len(p.tests) - 1
}

func (p *parser) parseOr() int {
	left := p.parseAnd()
	for p.accept("or") {
		left = p.add(test{operation: or, left: left, right: p.parseAnd()})
	}
	return left
}

func (p *parser) parseAnd() int {
	left := p.parseNot()
	for p.accept("and") {
		left = p.add(test{operation: and, left: left, right: p.parseNot()})
	}
	return left
}

func (p *parser) parseNot() int {
	if p.accept("not") {
		return p.add(test{operation: not, left: p.parseNot()})
	}
	if p.accept("(") {
		inner := p.parseOr()
		if !p.accept(")") {
			p.fail(")")
		}
		return inner
	}
	return p.parseTest()
}

func (p *parser) parseTest() int {
	if p.err == nil && p.at < len(p.words) {
		if kinds, known := words[p.words[p.at]]; known {
			p.at++
			return p.add(test{operation: isKind, kinds: uint32(kinds)})
		}
	}
	t := test{side: p.parseSide()}
	switch {
	case p.accept("host"):
		p.parseHost(&t)
	case p.accept("net"):
		p.parseNet(&t)
	case p.accept("port"):
		p.parsePorts(&t)
	default:
		protocols := strings.Join(slices.Sorted(maps.Keys(words)), ", ")
		p.fail("not, (, src, dst, host, net, port, or one of " + protocols)
	}
	return p.add(t)
}

func (p *parser) parseSide() side {
	switch {
	case p.accept("src"):
		return srcSide
	case p.accept("dst"):
		return dstSide
	}
	return anySide
}

func (p *parser) parseHost(t *test) {
	word := p.next()
	a, err := netip.ParseAddr(word)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		p.failAt(word, "an address such as 10.0.0.1 or fd00::1")
		return
	}
	t.within(netip.PrefixFrom(a, a.BitLen()))
}

func (p *parser) parseNet(t *test) {
	word := p.next()
	n, err := netip.ParsePrefix(word)
	if err != nil || n.Addr().Is4In6() || n != n.Masked() {
		p.failAt(word, "a subnet such as 10.1.0.0/16, with no bits set behind its prefix")
		return
	}
	t.within(n)
}

// within makes t a test for addresses in a prefix.
func (t *test) within(n netip.Prefix) {
	bits := n.Bits()
	if n.Addr().Is4() {
		bits += 96
	}
	t.operation, t.mask, t.address = hasHost, packet.PrefixMask(bits), packet.AddrOf(n.Addr())
}

func (p *parser) parsePorts(t *test) {
	word := p.next()
	first, last, isRange := strings.Cut(word, "-")
	if !isRange {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 16)
	high, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || low > high {
		p.failAt(word, "a port such as 80 or a range such as 8000-8080")
		return
	}
	t.operation, t.low, t.high = hasPort, uint16(low), uint16(high)
}
