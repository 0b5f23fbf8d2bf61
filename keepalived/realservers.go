package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"

	"fulcrum/config"
)

// server is a real server while it is read.
type server struct {
	*entry
	config.RealServer
	method method // none for the virtual server's
	plain  bool   // it says no weight
}

// What numbers may be, as in IPVS and in config.
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
		if !i.undefined(e) {
			i.leaveKey(e)
		}
	}
}

func (i *importer) number(e *entry, least, most int) int {
	n, err := strconv.Atoi(e.value())
	if err != nil || n < least || n > most {
		i.wrong(e.place, "%q is no %s: write a number from %d to %d%s", e.value(), e.words[0], least, most, hint(e.value()))
	}
	return n
}

// shareWeight gives real servers that say no weight the virtual server's, wherever in its block that stands.
func (s *service) shareWeight() {
	for n := range s.servers {
		if s.servers[n].plain {
			s.servers[n].Weight = s.weight
		}
	}
}

// fixThresholds leaves a lower threshold that does nothing.
func (i *importer) fixThresholds(rs *server) {
	if rs.LowerThreshold > rs.UpperThreshold {
		i.leave(rs.place, fmt.Sprintf("%s: lthreshold %d", rs, rs.LowerThreshold), fmt.Sprintf("is above uthreshold %d", rs.UpperThreshold))
		rs.LowerThreshold = 0
	}
}

// realServers gives those of a service for one of its addresses.
func (i *importer) realServers(s *service, c config.Service) []config.RealServer {
	var all []config.RealServer
	taken := map[netip.AddrPort]place{}
	for _, rs := range s.servers {
		if rs.Address = i.realAddress(rs, c); !rs.Address.IsValid() {
			continue
		}
		if first, known := taken[rs.Address]; known {
			i.leave(rs.place, rs.String(), fmt.Sprintf("%s is a real server of the same service already, at %s", rs.Address, first))
			continue
		}
		taken[rs.Address] = rs.place
		all = append(all, rs.RealServer)
	}
	return all
}

// realAddress gives a real server's address in a service: with the service's port where it has none, or where the mode cannot rewrite it. It is
// invalid where the mode does not reach it.
func (i *importer) realAddress(rs server, c config.Service) netip.AddrPort {
	fitting := netip.AddrPortFrom(rs.Address.Addr(), c.Address.Port())
	switch {
	case !c.Mode.Reaches(c.Address.Addr().Is6(), rs.Address.Addr().Is6()):
		i.leave(rs.place, rs.String(), fmt.Sprintf("%s does not lead from %s to it: they are of different versions of IP", c.Mode, c.Address.Addr()))
		return netip.AddrPort{}
	case rs.Address.Port() == 0 || rs.Address == fitting:
		return fitting
	case !c.Mode.FixedPort():
		return rs.Address
	}
	i.leave(rs.place, "port of real_server", c.Mode.String()+" does not rewrite ports, so it gets the service's")
	return fitting
}
