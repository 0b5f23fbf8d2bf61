package keepalived

import (
	"slices"
	"strings"

	"fulcrum/lvs"
)

// defaultMethod is keepalived's where lvs_method is not given.
const defaultMethod = "NAT"

// method is a way of forwarding as keepalived has it.
type method struct {
	lvs.Mode
	tunnel string // the kind of tunnel that is not here, for which Mode is NoMode
}

// none is the method of a real server that gives none.
var none = method{Mode: lvs.NoMode}

func (m method) String() string {
	if m.tunnel != "" {
		return m.tunnel
	}
	return m.Mode.String()
}

// method reads "lvs_method NAT|DR|TUN [type ipip|gue port N|gre [checksum]]".
func (i *importer) method(e *entry) method {
	value := e.value()
	mode, known := lvs.ParseMethod(value)
	switch {
	case !known || mode.Source() == lvs.Local: // keepalived.conf has no place for local addresses
		i.wrong(e.place, "%q is no forwarding method: write NAT, DR or TUN%s", value, hint(value))
	case mode.Path() == lvs.Tunnel:
		return tunnel(mode, e.words[2:])
	}
	return method{Mode: mode}
}

// tunnel gives a mode of the type among the options, wherever it stands there. Without one it is
// the mode's own.
func tunnel(mode lvs.Mode, options []string) method {
	at := slices.Index(options, "type") + 1
	if at == 0 || at == len(options) || strings.EqualFold(options[at], mode.TunnelType()) {
		return method{Mode: mode}
	}
	return method{Mode: lvs.NoMode, tunnel: strings.ToUpper(options[at])}
}

// chooseMode finds the service's mode: its real servers' if they agree, else the virtual server's own, and those that differ are left.
func (i *importer) chooseMode(s *service) bool {
	for n := range s.servers {
		if s.servers[n].method == none {
			s.servers[n].method = s.method
		}
	}
	chosen := s.method
	if len(s.servers) > 0 && !slices.ContainsFunc(s.servers, func(rs server) bool { return rs.method != s.servers[0].method }) {
		chosen = s.servers[0].method
	}
	if chosen.tunnel != "" {
		i.leave(s.place, s.String(), chosen.tunnel+" tunnels are not here: only ipip")
		return false
	}
	for _, rs := range s.servers {
		if rs.method != chosen {
			i.leave(rs.place, rs.String(), rs.method.String()+" in a service that is "+chosen.String()+
				" otherwise: a service has one mode, so it has not this real server")
		}
	}
	s.servers = slices.DeleteFunc(s.servers, func(rs server) bool { return rs.method != chosen })
	s.Mode = chosen.Mode
	return true
}
