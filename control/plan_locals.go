package control

import (
	"fmt"
	"net/netip"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// LocalSessions tells how many sessions use local addresses. An *engine.Engine is one.
type LocalSessions interface {
	// LocalSessions returns the number of a service's sessions from a local address.
	LocalSessions(lvs.ServiceID, netip.Addr) int
	// RetiredLocals returns the local addresses that only old sessions use.
	RetiredLocals() []engine.RetiredLocal
}

// removeLocals notes the local addresses that a service would have no longer, if sessions use them.
func (p *planner) removeLocals(old, next *config.Service) {
	stays := placesOf(next.LocalAddresses, func(a netip.Addr) netip.Addr { return a })
	for _, a := range old.LocalAddresses {
		if _, there := stays[a]; there {
			continue
		}
		if n := p.locals.LocalSessions(old.ID(), a); n > 0 {
			p.Changes = append(p.Changes, Change{
				Action: Remove, Object: fmt.Sprintf("local address %s of %s", a, next.Name),
				Sessions: n, Effect: p.effectOnLocal(a),
			})
		}
	}
}

// effectOnLocal says what becomes of the sessions from a local address that is removed.
func (p *planner) effectOnLocal(a netip.Addr) string {
	if by, taken := p.stations()[a]; taken {
		return "are lost: it becomes " + by
	}
	return "go on; it stays until the last of them ends"
}

// compareRetired notes the retired local addresses that would become other stations'.
func (p *planner) compareRetired() {
	for _, r := range p.locals.RetiredLocals() {
		if by, taken := p.stations()[r.Address]; taken && r.Sessions > 0 {
			p.Changes = append(p.Changes, Change{
				Action: Remove, Object: fmt.Sprintf("retired local address %s", r.Address),
				Sessions: r.Sessions, Effect: "are lost: it becomes " + by,
			})
		}
	}
}

// stations returns what the next configuration uses addresses for that cannot be local addresses as
// well.
func (p *planner) stations() map[netip.Addr]string {
	if p.taken != nil {
		return p.taken
	}
	p.taken = map[netip.Addr]string{}
	for _, n := range p.next.Neighbours {
		p.taken[n.Address] = "a static neighbour"
	}
	for _, r := range p.next.Routes {
		p.taken[r.Via] = "a gateway"
	}
	for i := range p.next.Services {
		s := &p.next.Services[i]
		for _, rs := range s.RealServers {
			p.taken[rs.Address.Addr()] = "a real server of " + s.Name
		}
		for _, vip := range p.next.VIPs(s) {
			p.taken[vip] = "the VIP of " + s.Name
		}
	}
	return p.taken
}

// noLocals is a LocalSessions without sessions.
type noLocals struct{}

func (noLocals) LocalSessions(lvs.ServiceID, netip.Addr) int { return 0 }

func (noLocals) RetiredLocals() []engine.RetiredLocal { return nil }
