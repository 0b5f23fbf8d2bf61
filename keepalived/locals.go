package keepalived

import (
	"net/netip"
	"strings"

	"fulcrum/lvs"
)

// mostLocals bounds the local addresses of one service and of all, as config and as memory do.
const (
	mostLocals    = 4096
	mostAllLocals = 1 << 22
)

// locals are the addresses of a local_address_group, in file order and without duplicates.
type locals struct{ all, v4 []netip.Addr }

// of returns those that a service with a VIP may use: none of IPv6 with a VIP of IPv4.
func (l *locals) of(vip netip.Addr) []netip.Addr {
	if vip.Is4() {
		return l.v4
	}
	return l.all
}

// reach reports whether there is an address of the real server's IP version.
func (l *locals) reach(server netip.Addr) bool {
	if server.Is4() {
		return len(l.v4) > 0
	}
	return len(l.all) > len(l.v4)
}

// takeLocals finds the local addresses of a service whose mode has some. It is false if there are
// none.
func (i *importer) takeLocals(s *service) bool {
	mode := s.localMode()
	if mode == lvs.NoMode {
		return true // a group is ignored, as in DPVS
	}
	if s.localGroup == nil {
		i.Leave(s.place, s.String(), "mode "+mode.String()+
			" needs local addresses: name a local_address_group by laddr_group_name")
		return false
	}
	name := strings.Join(s.localGroup.words[1:], " ")
	group := i.localGroups[name]
	if group == nil {
		i.Wrong(s.localGroup.place, "%s: unknown local_address_group %q%s",
			s.localGroup, name, hint(name))
		return false
	}
	if i.locals[group] == nil {
		i.locals[group] = i.localsOf(group)
	}
	s.locals = i.locals[group]
	return true
}

// localMode returns the mode of the service, or else of a real server, that has local addresses;
// NoMode if none has.
func (s *service) localMode() lvs.Mode {
	if s.Mode.Source() == lvs.Local {
		return s.Mode
	}
	for n := range s.servers {
		if mode := s.servers[n].method.Mode; mode.Source() == lvs.Local {
			return mode
		}
	}
	return lvs.NoMode
}

// localsOf returns the addresses of a group, whose lines are "ADDRESSES [DEVICE]".
func (i *importer) localsOf(group *entry) *locals {
	l, taken := &locals{}, map[netip.Addr]bool{}
	for _, e := range group.block {
		for _, a := range i.localMember(e) {
			switch {
			case taken[a]:
				continue
			case len(l.all) == mostLocals:
				i.Wrong(e.place, "%s: the group has more than %d addresses", e, mostLocals)
				return l
			case a.Is4():
				l.v4 = append(l.v4, a)
			}
			l.all, taken[a] = append(l.all, a), true
		}
	}
	return l
}

// localMember parses a line of a group.
func (i *importer) localMember(e *entry) []netip.Addr {
	addresses, err := span(e.words[0])
	if err != nil {
		i.Wrong(e.place, "%s: %v%s", e, err, hint(e.words[0]))
		return nil
	}
	if e.value() != "" {
		i.Leave(e.place, "device "+e.value(), "routes choose the port of a local address")
	}
	var all []netip.Addr
	for _, a := range addresses {
		if a, ok := i.address(e, a.String()); ok {
			all = append(all, a)
		}
	}
	return all
}
