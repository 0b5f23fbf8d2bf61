package lvs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// Match is a set of destinations: a protocol, a range of addresses and a range of ports. It is
// comparable.
type Match struct {
	Protocol    Protocol
	First, Last netip.Addr // of one family, both included; the same for a single address
	Ports       Ports
}

// Ports is a range of ports, both ends included.
type Ports struct{ First, Last uint16 }

// AllPorts is the range that is written as *.
var AllPorts = Ports{0, 65535}

// MatchOf returns the match of a single address and port.
func MatchOf(p Protocol, a netip.AddrPort) Match {
	return Match{p, a.Addr(), a.Addr(), Ports{a.Port(), a.Port()}}
}

// Single reports whether the match is a single address and port.
func (m Match) Single() bool { return m.First == m.Last && m.Ports.First == m.Ports.Last }

// OneAddress reports whether the match has one address, at whichever ports.
func (m Match) OneAddress() bool { return m.First == m.Last }

// Is6 reports whether the addresses are IPv6.
func (m Match) Is6() bool { return m.First.Is6() }

// Has reports whether an address is in the match's range.
func (m Match) Has(a netip.Addr) bool {
	return a.BitLen() == m.First.BitLen() && !a.Less(m.First) && !m.Last.Less(a)
}

// Prefix returns the prefix that the addresses are, if they are one.
func (m Match) Prefix() (netip.Prefix, bool) {
	for n := 0; n <= m.First.BitLen(); n++ {
		p, err := m.First.Prefix(n)
		if err == nil && p.Addr() == m.First && LastOf(p) == m.Last {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// LastOf returns the last address of a prefix.
func LastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// Narrower compares two matches by how little they hold: -1 if m is to be asked before o. It goes
// by the number of addresses, then by that of ports, then by the first of both, and never returns 0
// for two different matches of a protocol.
func (m Match) Narrower(o Match) int {
	return cmp.Or(
		m.wider(o),
		cmp.Compare(m.Ports.Last-m.Ports.First, o.Ports.Last-o.Ports.First),
		m.First.Compare(o.First),
		cmp.Compare(m.Ports.First, o.Ports.First),
	)
}

// wider compares the numbers of addresses of two matches, less one each.
func (m Match) wider(o Match) int {
	a, b := m.width(), o.width()
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}

// width returns the number of addresses less one, in two halves.
func (m Match) width() [2]uint64 {
	first, last := m.First.As16(), m.Last.As16()
	half := func(b [16]byte, i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }
	low, borrow := bits.Sub64(half(last, 1), half(first, 1), 0)
	high, _ := bits.Sub64(half(last, 0), half(first, 0), borrow)
	return [2]uint64{high, low}
}

// Destination returns the match without its protocol, in the notation of ParseMatch.
func (m Match) Destination() string {
	if m.Single() {
		return netip.AddrPortFrom(m.First, m.Ports.First).String()
	}
	addresses := m.First.String()
	if p, ok := m.Prefix(); ok && !p.IsSingleIP() {
		addresses = p.String()
	} else if m.First != m.Last {
		addresses += "-" + m.Last.String()
	}
	if m.Is6() {
		addresses = "[" + addresses + "]"
	}
	return addresses + ":" + m.Ports.String()
}

// String returns the protocol and the destination, as in "tcp 10.0.0.0/28:*".
func (m Match) String() string { return m.Protocol.String() + " " + m.Destination() }

// String returns the range as in a file: *, a port or first-last.
func (p Ports) String() string {
	switch {
	case p == AllPorts:
		return "*"
	case p.First == p.Last:
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// What to write in place of text that could not be read.
var (
	errDestination = errors.New(`write addresses and ports, such as "10.0.0.100:80", ` +
		`"10.0.0.1-10.0.0.9:8000-8100", "10.0.0.0/28:*" or "[fd00::/64]:80"`)
	errAddresses = errors.New("write the lower address, - and the higher, of one IP version")
	errPorts     = errors.New("write a port from 1 to 65535, two with - and the lower one first, or *")
)

// ParseDestination parses the addresses and ports of a match: "10.0.0.100:80",
// "10.0.0.1-10.0.0.9:8000-8100", "10.0.0.0/28:*", and for IPv6 "[fd00::/64]:80". A prefix stands
// for all of its addresses. Its error says what to write.
func ParseDestination(text string) (m Match, err error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return m, errDestination
	}
	addresses := text[:colon]
	inner, closed := strings.CutSuffix(addresses, "]")
	inner, opened := strings.CutPrefix(inner, "[")
	if opened != closed || opened != strings.Contains(inner, ":") {
		return m, errDestination
	}
	if m.First, m.Last, err = parseAddresses(inner); err == nil {
		m.Ports, err = parsePorts(text[colon+1:])
	}
	return m, err
}

// ParseMatch parses a protocol and a destination, as in "tcp 10.0.0.100:80".
func ParseMatch(text string) (Match, error) {
	name, destination, _ := strings.Cut(text, " ")
	protocol, known := ParseProtocol(name)
	if !known {
		return Match{}, fmt.Errorf("unknown protocol %q", name)
	}
	m, err := ParseDestination(strings.TrimSpace(destination))
	m.Protocol = protocol
	return m, err
}

func parseAddresses(text string) (first, last netip.Addr, err error) {
	if strings.Contains(text, "/") {
		return parsePrefix(text)
	}
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	if first, err = netip.ParseAddr(from); err == nil {
		last, err = netip.ParseAddr(to)
	}
	switch {
	case err != nil:
		return first, last, errDestination
	case first.BitLen() != last.BitLen() || last.Less(first) || first.Zone() != "" || last.Zone() != "":
		return first, last, errAddresses
	}
	return first, last, nil
}

func parsePrefix(text string) (first, last netip.Addr, err error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return first, last, errDestination
	case p != p.Masked():
		return first, last, fmt.Errorf("write %s, or one address", p.Masked())
	}
	return p.Addr(), LastOf(p), nil
}

func parsePorts(text string) (Ports, error) {
	if text == "*" {
		return AllPorts, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	if err != nil || err2 != nil || first == 0 || last < first {
		return Ports{}, errPorts
	}
	return Ports{uint16(first), uint16(last)}, nil
}
