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

// localUse returns the use of a local address towards a real server.
func (r *registry) localUse(server *liveServer, a packet.Addr) LocalUse {
	use, most := LocalUse{Address: a.Netip()}, 0
	sharing := *server.use.Load().socket.servers.Load()
	for worker := range r.workers {
		n := 0
		for _, s := range sharing {
			n += s.use.Load().by(worker, a)
		}
		use.Used += n
		most = max(most, n)
	}
	use.Share = min(float64(most*r.workers)/localPorts, 1)
	return use
}

// localUses returns the use of the local addresses of a service that a real server of it can use;
// none if its mode has no local addresses.
func (r *registry) localUses(v *serviceView, rs *RealServer, server *liveServer) []LocalUse {
	if !v.settings.hasLocals(rs) {
		return nil
	}
	uses := make([]LocalUse, 0, len(v.settings.LocalAddresses))
	for _, a := range v.settings.LocalAddresses {
		if a.Is4() == server.id.Address.Addr().Is4() {
			uses = append(uses, r.localUse(server, packet.AddrOf(a)))
		}
	}
	return uses
}

// localAddresses returns the director's local addresses with their sessions, by address.
func (e *Engine) localAddresses() []LocalAddressReport {
	sessions := map[packet.Addr]int{}
	n := e.snap.Load()
	for _, s := range n.order {
		n.addLocals(s.live.view.Load(), sessions)
	}
	var all []LocalAddressReport
	for a, count := range sessions {
		kind, _ := n.kindOf(a)
		all = append(all, LocalAddressReport{a.Netip(), count, kind == retiredAddress})
	}
	slices.SortFunc(all, func(a, b LocalAddressReport) int { return a.Address.Compare(b.Address) })
	return all
}

// addLocals adds the sessions of a service from each of its local addresses, the retired ones
// included.
func (n *snapshot) addLocals(v *serviceView, sessions map[packet.Addr]int) {
	for _, a := range v.numbers.all() {
		if kind, _ := n.kindOf(a); kind.isLocal() {
			sessions[a] += v.sessionsFrom(a)
		}
	}
}

// LocalSessions returns how many sessions of a service's real servers are from a local address. It
// is 0 for an unknown service. Any goroutine may call it.
func (e *Engine) LocalSessions(id lvs.ServiceID, a netip.Addr) int {
	e.registry.mu.RLock()
	live := e.registry.services[id]
	e.registry.mu.RUnlock()
	if live == nil {
		return 0
	}
	return live.view.Load().sessionsFrom(packet.AddrOf(a))
}

// RetiredLocal is a local address that a service has no longer, with its sessions.
type RetiredLocal struct {
	Service  lvs.ServiceID
	Address  netip.Addr
	Sessions int
}

// RetiredLocals returns the retired local addresses, sorted by address. Any goroutine may call it.
func (e *Engine) RetiredLocals() (all []RetiredLocal) {
	snap := e.snap.Load()
	for _, l := range snap.retired {
		if kind, _ := snap.kindOf(l.address); !kind.isLocal() {
			continue // another station has it
		}
		n := l.service.view.Load().sessionsFrom(l.address)
		all = append(all, RetiredLocal{l.service.id, l.address.Netip(), n})
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
		crowded = e.appendCrowded(crowded, s.live.view.Load(), share)
	}
	return crowded
}

// appendCrowded is CrowdedLocals for a service.
func (e *Engine) appendCrowded(all []CrowdedLocal, v *serviceView, share float64) []CrowdedLocal {
	r := e.registry
	for i, server := range v.current() {
		rs := &v.settings.RealServers[i]
		if !v.settings.hasLocals(rs) ||
			server.sharedSessions() < int(share*localPorts)/r.workers {
			continue
		}
		for _, use := range r.localUses(v, rs, server) {
			if use.Share >= share {
				all = append(all, CrowdedLocal{v.settings.Name, server.id.Address, use})
			}
		}
	}
	return all
}

// sharedSessions returns the sessions of all real servers with the socket of one.
func (s *liveServer) sharedSessions() (n int) {
	use := s.use.Load()
	if use == nil {
		return 0
	}
	for _, server := range *use.socket.servers.Load() {
		n += int(server.load.Total())
	}
	return n
}
