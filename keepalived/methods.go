package keepalived

import (
	"slices"
	"strings"

	"fulcrum/config"
)

// method reads "lvs_method NAT|DR|TUN [type ipip|gue port N|gre [checksum]]" and gives a mode, or a tunnel's kind that is none.
func (i *importer) method(e *entry) string {
	switch value := e.value(); strings.ToUpper(value) {
	case "NAT":
		return "nat"
	case "DR":
		return "dr"
	case "TUN":
		return tunnel(e.words[2:])
	default:
		i.wrong(e.place, "%q is no forwarding method: write NAT, DR or TUN%s", value, hint(value))
		return "nat"
	}
}

// tunnel gives ipip, or in capitals the kind of tunnel that is not here. The type may stand anywhere among the options.
func tunnel(options []string) string {
	at := slices.Index(options, "type") + 1
	if at == 0 || at == len(options) || strings.EqualFold(options[at], "ipip") {
		return "ipip"
	}
	return strings.ToUpper(options[at])
}

// chooseMode finds the service's mode: its real servers' if they agree, else the virtual server's own, and those that differ are left.
func (i *importer) chooseMode(s *service) bool {
	for n := range s.servers {
		if s.servers[n].method == "" {
			s.servers[n].method = s.method
		}
	}
	s.Mode = s.method
	if len(s.servers) > 0 && !slices.ContainsFunc(s.servers, func(rs server) bool { return rs.method != s.servers[0].method }) {
		s.Mode = s.servers[0].method
	}
	if !slices.Contains(config.Modes(), s.Mode) {
		i.leave(s.place, s.String(), s.Mode+" tunnels are not here: only ipip")
		return false
	}
	for _, rs := range s.servers {
		if rs.method != s.Mode {
			i.leave(rs.place, rs.String(), rs.method+" in a service that is "+s.Mode+" otherwise: a service has one mode, so it has not this real server")
		}
	}
	s.servers = slices.DeleteFunc(s.servers, func(rs server) bool { return rs.method != s.Mode })
	return true
}
