package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"

	"fulcrum/config"
	"fulcrum/lvs"
)

// server is a real server that is being read.
type server struct {
	*entry
	config.RealServer
	method method // none if the virtual server's applies
	plain  bool   // has no weight of its own
	checks []*entry
	// options are those of all its checks.
	options options
}

// The limits of IPVS and config.
const (
	mostWeight    = 1<<16 - 1
	mostThreshold = 1<<31 - 1
)

func (i *importer) takeRealServer(s *service, e *entry) {
	address, ok := i.socket(e)
	if !ok {
		return
	}
	rs := server{entry: e, RealServer: config.RealServer{Address: address}, method: none, plain: true}
	for _, x := range e.block {
		i.takeServerKey(&rs, x)
	}
	i.fixThresholds(&rs)
	s.servers = append(s.servers, rs)
}

func (i *importer) takeServerKey(rs *server, e *entry) {
	switch key := e.words[0]; key {
	case "weight":
		rs.Weight, rs.plain = i.number(e, 0, mostWeight), false
	case "uthreshold":
		rs.UpperThreshold = i.number(e, 0, mostThreshold)
	case "lthreshold":
		rs.LowerThreshold = i.number(e, 0, mostThreshold)
	case "lb_kind", "lvs_method":
		rs.method = i.method(e)
	default:
		switch {
		case kinds[key] != nil:
			rs.checks = append(rs.checks, e)
		case !i.takeOption(&rs.options, e, false) && !i.undefined(e):
			i.leaveKey(e)
		}
	}
}

// number parses an integer from least to most.
func (i *importer) number(e *entry, least, most int) int {
	n, err := strconv.Atoi(e.value())
	if err != nil || n < least || n > most {
		i.Wrong(e.place, "invalid %s %q: write a number from %d to %d%s",
			e.words[0], e.value(), least, most, hint(e.value()))
	}
	return n
}

// shareWeight gives real servers without a weight the virtual server's. It runs after the whole
// block has been read, since the weight may follow the real servers.
func (s *service) shareWeight() {
	for n := range s.servers {
		if s.servers[n].plain {
			s.servers[n].Weight = s.weight
		}
	}
}

// fixThresholds drops a lower threshold above the upper one, which has no effect.
func (i *importer) fixThresholds(rs *server) {
	if rs.LowerThreshold > rs.UpperThreshold {
		i.Leave(rs.place, fmt.Sprintf("%s: lthreshold %d", rs, rs.LowerThreshold),
			fmt.Sprintf("is above uthreshold %d", rs.UpperThreshold))
		rs.LowerThreshold = 0
	}
}

// realServers returns the real servers of one of a virtual server's services.
func (i *importer) realServers(s *service, c config.Service) []config.RealServer {
	var all []config.RealServer
	taken := map[netip.AddrPort]place{}
	for _, rs := range s.servers {
		port := rs.Address.Port()
		if rs.Address = i.realAddress(s, rs, c); !rs.Address.IsValid() {
			continue
		}
		if first, known := taken[rs.Address]; known {
			i.Leave(rs.place, rs.String(),
				fmt.Sprintf("%s is already a real server of this service, at %s", rs.Address, first))
			continue
		}
		taken[rs.Address] = rs.place
		i.fixTarget(&rs, port)
		all = append(all, rs.RealServer)
	}
	return all
}

// realAddress returns a real server's address in a service. It has the service's port if it has
// none, or if the mode does not rewrite ports; of a service with several it is 0, each packet's.
// The address is invalid if the mode does not reach the real server.
func (i *importer) realAddress(s *service, rs server, c config.Service) netip.AddrPort {
	fitting, mode := netip.AddrPortFrom(rs.Address.Addr(), c.Address.Port()), rs.method.Mode
	switch {
	case !mode.Reaches(c.Address.Addr().Is6(), rs.Address.Addr().Is6()):
		i.Leave(rs.place, rs.String(), fmt.Sprintf("mode %s cannot forward to it from %s: "+
			"their IP versions differ", mode, comesTo(c)))
		return netip.AddrPort{}
	case mode.Source() == lvs.Local && !s.locals.reach(rs.Address.Addr()):
		i.Leave(rs.place, rs.String(), s.localGroup.value()+" has no address of its IP version")
		return netip.AddrPort{}
	case rs.Address.Port() == 0 || rs.Address == fitting:
		return fitting
	case !mode.FixedPort():
		return rs.Address
	}
	used := "the service's port"
	if fitting.Port() == 0 {
		used = "each packet's port"
	}
	i.Leave(rs.place, "port of "+rs.words[0],
		"mode "+mode.String()+" does not rewrite ports: "+used+" is used")
	return fitting
}
