package control

import (
	"net/netip"

	"fulcrum/config"
	"fulcrum/health"
	"fulcrum/lvs"
)

// What a change of the configuration leaves of verdicts: a real server that stays in its service
// stays up or down until its check says otherwise, also if that check is another one now.

// inherit gives a new check the verdict that its real server has.
func (k *checks) inherit(s *config.Service, rs config.RealServer, id health.ID) {
	if down, known := k.services[s.ID()].downByCheck(rs.Address); known {
		k.watch.Restore(id, !down)
	} else if k.restored[nameOf(s.ID(), rs.Address)] {
		k.watch.Restore(id, false)
	}
}

// downByCheck returns whether a real server was told to be down, and not by passive checks alone.
func (s *checked) downByCheck(address netip.AddrPort) (down, known bool) {
	down, known = s.down[address]
	return down && !s.passive[address], known
}

// compare has the service pending if its real server is not as it was told. A real server that is
// new in the service is told of only if a check that another service has took it down.
func (k *checks) compare(s *config.Service, rs config.RealServer, state *checked) {
	up, _ := k.standing(s, rs)
	_, known := state.down[rs.Address]
	if !known {
		state.down[rs.Address] = !up && !k.decided(s, rs)
	}
	if up == state.down[rs.Address] {
		k.pend(s.ID())
	}
}

// compareChoice has the service pending if others get its sessions now, as after a change of
// weights.
func (k *checks) compareChoice(s *config.Service, state *checked) {
	if choice, holds := k.choose(s, state); choice != state.choice || holds == state.lost {
		k.pend(s.ID())
	}
}

// decided reports whether a result has decided on a real server.
func (k *checks) decided(s *config.Service, rs config.RealServer) bool {
	t, _, ok := k.checkOf(s, rs)
	_, any := k.watch.Latest(t.ID)
	return ok && any
}

// beginsUp returns whether a real server is up whose check comes with the change that is being
// made.
func (k *checks) beginsUp(s *config.Service, rs config.RealServer, r *health.Rules) bool {
	if state := k.services[s.ID()]; state != nil {
		if down, known := state.downByCheck(rs.Address); known {
			return !down
		}
	}
	return !r.Down && !k.restored[nameOf(s.ID(), rs.Address)]
}

// prune forgets the real servers that a service does not have any more.
func (k *checks) prune(s *config.Service) {
	keep := map[netip.AddrPort]bool{}
	for _, rs := range s.RealServers {
		keep[rs.Address] = true
	}
	down := k.services[s.ID()].down
	for address, is := range down {
		if keep[address] {
			continue
		}
		if delete(down, address); is {
			k.pend(s.ID()) // the state folder has its name
		}
	}
}

// forget forgets a service. What the state folder has of it goes too.
func (k *checks) forget(id lvs.ServiceID) {
	delete(k.services, id)
	k.pend(id)
}
