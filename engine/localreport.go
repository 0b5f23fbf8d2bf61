package engine

import (
	"net/netip"
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// LocalPorts is how many local ports each real server has at each local address.
const LocalPorts = localPorts

// LocalUse tells how many of the local ports of one local address towards one real server are in
// use. Services that share both share the ports; the count is of all of them.
type LocalUse struct {
	Address netip.Addr
	Used    int // of LocalPorts
	// Share is the used share, 0 to 1, of the worker that has used the largest share of its own
	// ports. Each worker has an equal part of the ports.
	Share float64
}

// LocalAddressReport is a local address's part of a Report.
type LocalAddressReport struct {
	Address  netip.Addr
	Sessions int  // of all real servers
	Retired  bool // no service has it any more; it stays until its sessions have ended
}

// localUse returns the use of a local address towards a real server. The caller has
// locked the registry.
func (r *registry) localUse(server *liveServer, a packet.Addr) LocalUse {
	use, most := LocalUse{Address: a.Netip()}, 0
	sharing := r.sockets[endKey(server.id)]
	for worker := range r.workers {
		n := 0
		for _, s := range sharing {
			n += s.use.by(worker, a)
		}
		use.Used += n
		most = max(most, n)
	}
	use.Share = min(float64(most*r.workers)/localPorts, 1)
	return use
}

// localUses returns the use of the local addresses of a service that a real server of it can use;
// none if its mode has no local addresses.
func (r *registry) localUses(live *liveService, rs *RealServer) []LocalUse {
	if !live.settings.hasLocals(rs) {
		return nil
	}
	server := r.live[live.servers[rs.Address]]
	uses := make([]LocalUse, 0, len(live.settings.LocalAddresses))
	for _, a := range live.settings.LocalAddresses {
		if a.Is4() == server.id.Address.Addr().Is4() {
			uses = append(uses, r.localUse(server, packet.AddrOf(a)))
		}
	}
	return uses
}

// localAddresses returns the director's local addresses with their sessions, by address.
func (e *Engine) localAddresses() []LocalAddressReport {
	sessions := map[packet.Addr]int{}
	for _, s := range e.snap.Load().order {
		e.addLocals(s.live, sessions)
	}
	n := e.snap.Load()
	var all []LocalAddressReport
	for a, count := range sessions {
		kind, _ := n.kindOf(a)
		all = append(all, LocalAddressReport{a.Netip(), count, kind == retiredAddress})
	}
	slices.SortFunc(all, func(a, b LocalAddressReport) int { return a.Address.Compare(b.Address) })
	return all
}

// addLocals adds the sessions of a service from each of its local addresses, the retired ones
// included. It locks the registry for one service.
func (e *Engine) addLocals(live *liveService, sessions map[packet.Addr]int) {
	r := e.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range live.numbers.all() {
		if r.locals[a] > 0 || slices.Contains(r.retired[a], live) {
			sessions[a] += r.sessionsFrom(live, a)
		}
	}
}

// LocalSessions returns how many sessions of a service's real servers are from a local address. It
// is 0 for an unknown service. Any goroutine may call it.
func (e *Engine) LocalSessions(id lvs.ServiceID, a netip.Addr) int {
	r := e.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	live := r.services[id]
	if live == nil {
		return 0
	}
	return r.sessionsFrom(live, packet.AddrOf(a))
}

// RetiredLocal is a local address that a service has no longer, with its sessions.
type RetiredLocal struct {
	Service  lvs.ServiceID
	Address  netip.Addr
	Sessions int
}

// RetiredLocals returns the retired local addresses, sorted by address. Any goroutine may call it.
func (e *Engine) RetiredLocals() (all []RetiredLocal) {
	r := e.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	snap := e.snap.Load()
	for a, services := range r.retired {
		if kind, _ := snap.kindOf(a); !kind.isLocal() {
			continue // another station has it
		}
		for _, live := range services {
			all = append(all, RetiredLocal{live.id, a.Netip(), r.sessionsFrom(live, a)})
		}
	}
	slices.SortStableFunc(all, func(a, b RetiredLocal) int { return a.Address.Compare(b.Address) })
	return all
}

// CrowdedLocal is a local address whose ports towards a real server are nearly used up.
type CrowdedLocal struct {
	Service    string
	RealServer netip.AddrPort
	LocalUse
}

// CrowdedLocals returns the local addresses of which at least a share of the ports towards a real
// server is in use, in the order of the configuration. It looks only at real servers with so many
// sessions. Any goroutine may call it.
func (e *Engine) CrowdedLocals(share float64) []CrowdedLocal {
	var crowded []CrowdedLocal
	for _, s := range e.snap.Load().order {
		crowded = e.appendCrowded(crowded, s.live, share)
	}
	return crowded
}

// appendCrowded is CrowdedLocals for a service. It locks the registry.
func (e *Engine) appendCrowded(all []CrowdedLocal, live *liveService, share float64) []CrowdedLocal {
	r := e.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range live.settings.RealServers {
		server := r.live[live.servers[rs.Address]]
		if !live.settings.hasLocals(&rs) ||
			r.sharedSessions(server) < int(share*localPorts)/r.workers {
			continue
		}
		for _, use := range r.localUses(live, &rs) {
			if use.Share >= share {
				all = append(all, CrowdedLocal{live.settings.Name, rs.Address, use})
			}
		}
	}
	return all
}

// sharedSessions returns the sessions of all real servers with the socket of one.
func (r *registry) sharedSessions(server *liveServer) int {
	n := 0
	for _, s := range r.sockets[endKey(server.id)] {
		n += int(s.load.Total())
	}
	return n
}
