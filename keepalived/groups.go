package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fulcrum/lvs"
)

// Bounds of the result, so that a small file cannot ask for an endless one.
const (
	maxGroup    = 4096    // addresses of a range or prefix that is written out
	maxServices = 1 << 16 // services, and members of a group
	maxServers  = 1 << 20 // real servers of all services
)

// takeGroup records a group under its name.
func (i *importer) takeGroup(groups map[string]*entry, e *entry) {
	if len(e.words) != 2 || !e.open {
		i.Wrong(e.place, "%s: write a name and a block after %s", e, e.words[0])
		return
	}
	if first := groups[e.value()]; first != nil {
		i.Wrong(e.place, "%s: is already defined at %s: rename one of them", e, first.place)
		return
	}
	groups[e.value()] = e
}

// groupTargets returns the members of "virtual_server group NAME".
func (i *importer) groupTargets(e *entry) []target {
	name := strings.Join(e.words[2:], " ")
	group := i.groups[name]
	if group == nil {
		i.Wrong(e.place, "%s: unknown virtual_server_group %q%s", e, name, hint(name))
		return nil
	}
	all, known := i.expanded[group]
	if !known {
		all = i.members(group)
		i.expanded[group] = all
	}
	return all
}

// members returns what a group lists.
func (i *importer) members(group *entry) (all []target) {
	for _, x := range group.block {
		if t, ok := i.member(x); ok {
			all = append(all, t)
		}
		if len(all) > maxServices {
			i.Wrong(x.place, "%s: the group has more than %d members", x, maxServices)
			return nil
		}
	}
	return all
}

// member parses a group's "fwmark N [inet|inet6]" or "ADDRESSES [PORT]".
func (i *importer) member(e *entry) (target, bool) {
	if e.words[0] == "fwmark" {
		return i.mark(e, e.words[1:])
	}
	first, last, err := ends(e.words[0])
	port, fine := uint16(0), true
	if e.value() != "" {
		port, fine = i.port(e, e.value())
	}
	if err != nil {
		i.Wrong(e.place, "%s: %v%s", e, err, hint(e.words[0]))
		return target{}, false
	}
	if !fine || !i.areHosts(e, first, last) {
		return target{}, false
	}
	return target{Match: lvs.Match{First: first, Last: last, Ports: portsOf(port)}}, true
}

// notHosts are the addresses between others that no host can have.
var notHosts = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::ffff:0:0/96"),
}

// areHosts notes a range with an address that no other host can reach. It is false for such a one.
func (i *importer) areHosts(e *entry, first, last netip.Addr) bool {
	m := lvs.Match{First: first, Last: last}
	inside := slices.ContainsFunc(notHosts, func(p netip.Prefix) bool { return m.Has(p.Addr()) })
	if first.Zone() != "" || !isHost(first) || !isHost(last) || inside {
		i.Leave(e.place, e.String(), e.words[0]+notReached)
		return false
	}
	return true
}

// ends parses an address, a prefix or a range, and returns its first and last address. The end of a
// range may be the last part of an address only.
func ends(text string) (first, last netip.Addr, err error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked().Addr(), lvs.LastOf(prefix), nil
	}
	begin, end, ranged := strings.Cut(text, "-")
	first, err = netip.ParseAddr(begin)
	if last = first; ranged && err == nil {
		last, err = lastOf(first, end)
	}
	if err != nil || first.Is4() != last.Is4() {
		return first, last, errors.New("invalid address, range or prefix: " +
			"write one such as 10.0.0.1, 10.0.0.1-20 or 10.0.0.0/28")
	}
	if !ranged {
		first, last = first.Unmap(), last.Unmap()
	}
	if last.Less(first) {
		return first, last, errors.New("the range ends before it begins: exchange its ends")
	}
	return first, last, nil
}

// span returns all addresses of an address, a prefix or a range.
func span(text string) ([]netip.Addr, error) {
	first, last, err := ends(text)
	if err != nil {
		return nil, err
	}
	return upTo(first, last)
}

// lastOf parses the end of a range: an address, or a number that replaces the last part of the
// first address. The number is decimal in IPv4 and hexadecimal in IPv6.
func lastOf(first netip.Addr, text string) (netip.Addr, error) {
	if strings.ContainsAny(text, ".:") {
		return netip.ParseAddr(text)
	}
	bytes, base, bits := first.AsSlice(), 10, 8
	if first.Is6() {
		base, bits = 16, 16
	}
	n, err := strconv.ParseUint(text, base, bits)
	if bytes[len(bytes)-1] = byte(n); first.Is6() {
		bytes[len(bytes)-2] = byte(n >> 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last, err
}

// upTo returns the addresses from first to last.
func upTo(first, last netip.Addr) (all []netip.Addr, err error) {
	for a := first; a.IsValid() && !last.Less(a); a = a.Next() {
		if all = append(all, a); len(all) > maxGroup {
			return nil, fmt.Errorf("more than %d addresses: write a smaller range", maxGroup)
		}
	}
	return all, nil
}
