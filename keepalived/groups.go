package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of the result, so that a small file cannot ask for an endless one.
const (
	maxGroup    = 4096    // addresses of a range or prefix; every address becomes a service
	maxServices = 1 << 16 // services, and addresses of a group
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

// groupAddresses returns the addresses of "virtual_server group NAME".
func (i *importer) groupAddresses(e *entry) []netip.AddrPort {
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

// members returns the addresses of a group.
func (i *importer) members(group *entry) (all []netip.AddrPort) {
	for _, x := range group.block {
		if all = append(all, i.member(x)...); len(all) > maxServices {
			i.Wrong(x.place, "%s: the group has more than %d addresses", x, maxServices)
			return nil
		}
	}
	return all
}

// member parses a group's "fwmark N" or "ADDRESSES [PORT]".
func (i *importer) member(e *entry) []netip.AddrPort {
	if e.words[0] == "fwmark" {
		i.Leave(e.place, e.String(), noMarks)
		return nil
	}
	addresses, err := span(e.words[0])
	port, fine := uint16(0), true
	if e.value() != "" {
		port, fine = i.port(e, e.value())
	}
	switch {
	case err != nil:
		i.Wrong(e.place, "%s: %v%s", e, err, hint(e.words[0]))
	case fine && port == 0:
		i.Leave(e.place, e.String(), everyPort)
	case fine:
		return i.sockets(e, addresses, port)
	}
	return nil
}

// sockets returns each address with the port.
func (i *importer) sockets(e *entry, addresses []netip.Addr, port uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for _, a := range addresses {
		if a, ok := i.address(e, a.String()); ok {
			all = append(all, netip.AddrPortFrom(a, port))
		}
	}
	return all
}

// span parses an address, a prefix or a range. The end of a range may be the last part of an
// address only.
func span(text string) ([]netip.Addr, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return upTo(prefix.Masked().Addr(), func(a netip.Addr) bool { return prefix.Contains(a) })
	}
	begin, end, ranged := strings.Cut(text, "-")
	first, err := netip.ParseAddr(begin)
	last := first
	if ranged && err == nil {
		last, err = lastOf(first, end)
	}
	if err != nil {
		return nil, errors.New("invalid address, range or prefix: " +
			"write one such as 10.0.0.1, 10.0.0.1-20 or 10.0.0.0/28")
	}
	return upTo(first, func(a netip.Addr) bool { return !last.Less(a) })
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

// upTo returns the addresses from first on, up to the first one that does not belong to the range.
func upTo(first netip.Addr, belongs func(netip.Addr) bool) ([]netip.Addr, error) {
	var all []netip.Addr
	for a := first; a.IsValid() && belongs(a); a = a.Next() {
		if all = append(all, a); len(all) > maxGroup {
			return nil, fmt.Errorf("more than %d addresses: write a smaller range", maxGroup)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the range ends before it begins: exchange its ends")
	}
	return all, nil
}
