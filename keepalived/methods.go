package keepalived

import (
	"slices"
	"strings"

	"fulcrum/lvs"
)

// defaultMethod is keepalived's method if lvs_method is absent.
const defaultMethod = "NAT"

// method is a forwarding method of keepalived.
type method struct {
	lvs.Mode
	absent string // an unsupported type of tunnel, or snat, with Mode NoMode; otherwise ""
}

// snat is a method of DPVS.
const snat = "SNAT"

// none is the method of a real server without lvs_method.
var none = method{Mode: lvs.NoMode}

func (m method) String() string {
	if m.absent != "" {
		return m.absent
	}
	return m.Mode.String()
}

// why returns why the method is not supported.
func (m method) why() string {
	if m.absent == snat {
		return noSNAT
	}
	return m.absent + " tunnels are not supported: use type ipip"
}

// method parses "lvs_method NAT|DR|TUN [type ipip|gue port N|gre [checksum]]", and DPVS's FNAT and
// SNAT.
func (i *importer) method(e *entry) method {
	value := e.value()
	mode, known := lvs.ParseMethod(value)
	switch {
	case strings.EqualFold(value, snat):
		return method{Mode: lvs.NoMode, absent: snat}
	case !known:
		i.Wrong(e.place, "unknown forwarding method %q: write NAT, DR, TUN or FNAT%s", value, hint(value))
	case mode.Path() == lvs.Tunnel:
		return tunnel(mode, e.words[2:])
	}
	return method{Mode: mode}
}

// tunnel returns the method for the tunnel type in the options, wherever it stands there. Without
// a type it returns the mode's own.
func tunnel(mode lvs.Mode, options []string) method {
	at := slices.Index(options, "type") + 1
	if at == 0 || at == len(options) || strings.EqualFold(options[at], mode.TunnelType()) {
		return method{Mode: mode}
	}
	return method{Mode: lvs.NoMode, absent: strings.ToUpper(options[at])}
}

// chooseMode sets the modes of the service and its real servers. The service's is the method of its
// real servers if they agree, otherwise the virtual server's own. Real servers state another one.
// Those with a method that is not supported are left out.
func (i *importer) chooseMode(s *service) bool {
	for n := range s.servers {
		if s.servers[n].method == none {
			s.servers[n].method = s.method
		}
	}
	chosen := s.serviceMethod()
	if chosen.absent != "" {
		i.Leave(s.place, s.String(), chosen.why())
		return false
	}
	for _, rs := range s.servers {
		if rs.method.absent != "" {
			i.Leave(rs.place, rs.String(), rs.method.why())
		}
	}
	s.servers = slices.DeleteFunc(s.servers, func(rs server) bool { return rs.method.absent != "" })
	for n := range s.servers {
		if rs := &s.servers[n]; rs.method != chosen {
			rs.Mode = lvs.Own(rs.method.Mode)
		}
	}
	s.Mode = chosen.Mode
	return true
}

// serviceMethod returns the method that the service gets: the real servers' if they agree, or the
// first supported one of theirs if the virtual server's own is not.
func (s *service) serviceMethod() method {
	if len(s.servers) == 0 {
		return s.method
	}
	if first := s.servers[0].method; !slices.ContainsFunc(s.servers, otherThan(first)) {
		return first
	}
	if s.method.absent == "" {
		return s.method
	}
	n := slices.IndexFunc(s.servers, func(rs server) bool { return rs.method.absent == "" })
	if n < 0 {
		return s.method
	}
	return s.servers[n].method
}

// otherThan returns whether a real server has another method.
func otherThan(m method) func(server) bool {
	return func(rs server) bool { return rs.method != m }
}
