package keepalived

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"fulcrum/config"
)

// pool is what a virtual server does about real servers that are down.
type pool struct {
	quorum, hysteresis, sorry, sorryMode *entry // nil without them

	need, slack  int // quorum, hysteresis
	up, down     config.Words
	sorryAddress netip.AddrPort
	sorryMethod  method
}

const ownUser = "the program runs as the director's user"

// takePool reads a key about real servers that are down. It is false for other keys.
func (i *importer) takePool(p *pool, e *entry) bool {
	switch e.words[0] {
	case "quorum":
		p.quorum, p.need = e, i.number(e, 1, math.MaxInt32)
	case "hysteresis":
		p.hysteresis, p.slack = e, i.number(e, 0, math.MaxInt32)
	case "quorum_up":
		p.up = i.quorumProgram(e)
	case "quorum_down":
		p.down = i.quorumProgram(e)
	case "sorry_server":
		if a, ok := i.socket(e); ok {
			p.sorry, p.sorryAddress = e, a
		}
	case "sorry_server_lvs_method":
		p.sorryMode, p.sorryMethod = e, i.method(e)
	default:
		return false
	}
	return true
}

func (i *importer) quorumProgram(e *entry) config.Words {
	if len(e.words) > 2 || i.scriptUser != "" {
		i.Leave(e.place, "user of "+e.words[0], ownUser)
	}
	return i.program(e)
}

// fixQuorum sets the quorum of a service. keepalived lowers one that cannot be reached, and a
// hysteresis that is not below it.
func (i *importer) fixQuorum(s *service, c *config.Service) {
	c.QuorumUp, c.QuorumDown = s.pool.up, s.pool.down
	c.Quorum, c.QuorumHysteresis = s.pool.need, s.pool.slack
	sum := 0
	for _, rs := range c.RealServers {
		sum += rs.Weight
	}
	if most := max(1, sum); c.Quorum > most {
		i.Leave(s.pool.quorum.place, s.pool.quorum.String(), fmt.Sprintf("the weights sum up to %d: "+
			"the quorum is %d, as in keepalived", sum, most))
		c.Quorum = most
	}
	if below := max(1, c.Quorum) - 1; c.QuorumHysteresis > below {
		i.Leave(s.pool.hysteresis.place, s.pool.hysteresis.String(), fmt.Sprintf(
			"is not below the quorum: the hysteresis is %d, as in keepalived", below))
		c.QuorumHysteresis = below
	}
	if c.Quorum == 1 {
		c.Quorum = 0 // the default
	}
}

// addSorryServer gives a service its sorry server, which has the service's mode.
func (i *importer) addSorryServer(s *service, c *config.Service) {
	if s.pool.sorry == nil {
		return
	}
	chosen := method{Mode: c.Mode}
	if e := s.pool.sorryMode; e != nil && s.pool.sorryMethod != chosen {
		i.Leave(e.place, e.String(), "a sorry server has the service's mode")
	}
	sorry := server{entry: s.pool.sorry, method: chosen}
	sorry.Address = s.pool.sorryAddress
	address := i.realAddress(s, sorry, *c)
	real := func(rs config.RealServer) bool { return rs.Address == address }
	switch {
	case !address.IsValid():
	case slices.ContainsFunc(c.RealServers, real):
		i.Leave(sorry.place, sorry.String(), "is a real server of this service too")
	default:
		c.SorryServers = []netip.AddrPort{address}
	}
}
