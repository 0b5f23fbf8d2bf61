package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of the addresses of a range, each of which becomes a service, and of all services.
const (
	maxGroup    = 4096
	maxServices = 1 << 16
	maxServers  = 1 << 20 // real servers of all services
)

func (i *importer) takeGroup(e *entry) {
	if len(e.words) != 2 || !e.open {
		i.wrong(e.place, "%s: write a name and a block behind virtual_server_group", e)
		return
	}
	if first := i.groups[e.value()]; first != nil {
		i.wrong(e.place, "%s: is a group already, at %s", e, first.place)
		return
	}
	i.groups[e.value()] = e
}

// groupAddresses gives the addresses of "virtual_server group NAME".
func (i *importer) groupAddresses(e *entry) []netip.AddrPort {
	name := strings.Join(e.words[2:], " ")
	group := i.groups[name]
	if group == nil {
		i.wrong(e.place, "%s: there is no virtual_server_group %s%s", e, name, hint(name))
		return nil
	}
	all, known := i.expanded[group]
	if !known {
		all = i.members(group)
		i.expanded[group] = all
	}
	return all
}

func (i *importer) members(group *entry) (all []netip.AddrPort) {
	for _, x := range group.block {
		if all = append(all, i.member(x)...); len(all) > maxServices {
			i.wrong(x.place, "%s: a group of more than %d addresses", x, maxServices)
			return nil
		}
	}
	return all
}

// member reads a group's "fwmark N" or "ADDRESSES [PORT]".
func (i *importer) member(e *entry) []netip.AddrPort {
	if e.words[0] == "fwmark" {
		i.leave(e.place, e.String(), noMarks)
		return nil
	}
	addresses, err := span(e.words[0])
	port, fine := uint16(0), true
	if e.value() != "" {
		port, fine = i.port(e, e.value())
	}
	switch {
	case err != nil:
		i.wrong(e.place, "%s: %v%s", e, err, hint(e.words[0]))
	case fine && port == 0:
		i.leave(e.place, e.String(), everyPort)
	case fine:
		return i.sockets(e, addresses, port)
	}
	return nil
}

// sockets gives each address with the port.
func (i *importer) sockets(e *entry, addresses []netip.Addr, port uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for _, a := range addresses {
		if a, ok := i.address(e, a.String()); ok {
			all = append(all, netip.AddrPortFrom(a, port))
		}
	}
	return all
}

// span reads an address, a prefix, or a range of which the last address may be its last part only.
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
		return nil, errors.New("is no address, range of addresses or prefix: write such as 10.0.0.1, 10.0.0.1-20 or 10.0.0.0/28")
	}
	return upTo(first, func(a netip.Addr) bool { return !last.Less(a) })
}

// lastOf reads a range's end: an address, or what takes the place of the first one's last part, in its base.
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

// upTo gives the addresses from the first for as long as they belong to it.
func upTo(first netip.Addr, belongs func(netip.Addr) bool) ([]netip.Addr, error) {
	var all []netip.Addr
	for a := first; a.IsValid() && belongs(a); a = a.Next() {
		if all = append(all, a); len(all) > maxGroup {
			return nil, fmt.Errorf("has more than %d addresses", maxGroup)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the range's end is before its beginning")
	}
	return all, nil
}
