package engine

import "fulcrum/packet"

// Readers do not wait for changes. They read views of the services: a change makes the views of the
// services that it touches when it is complete, and publishes them before its snapshot. So a reader
// sees each service as it was before the change or as it is after it.

// serviceView is what readers see of a service. It never changes.
type serviceView struct {
	settings   Service // as in liveService, like the fields below
	configured bool
	numbers    *localNumbers
	forgotten  Traffic
	inherited  Traffic
	released   uint32
	// servers holds the real servers of settings in their order, and then those that were removed
	// and are remembered.
	servers []*liveServer
}

// renew has the change publish another view of a service.
func (c *change) renew(live *liveService) { c.renewed[live] = true }

// publishViews shows readers the services that the change has touched.
func (c *change) publishViews() {
	for live := range c.renewed {
		live.view.Store(c.registry.newView(live))
	}
}

func (r *registry) newView(s *liveService) *serviceView {
	v := &serviceView{
		settings: s.settings, configured: s.configured, numbers: s.numbers,
		forgotten: s.forgotten, inherited: s.inherited, released: s.released,
		servers: make([]*liveServer, 0, len(s.servers)),
	}
	for _, rs := range s.settings.RealServers {
		v.servers = append(v.servers, r.live[s.servers[rs.Address]])
	}
	if len(v.servers) < len(s.servers) {
		v.servers = r.appendRemoved(v.servers, s)
	}
	return v
}

// appendRemoved appends the real servers of a service that were removed and are remembered.
func (r *registry) appendRemoved(all []*liveServer, s *liveService) []*liveServer {
	for _, id := range s.servers {
		if server := r.live[id]; !server.gone.IsZero() {
			all = append(all, server)
		}
	}
	return all
}

// current returns the real servers of the settings, in their order.
func (v *serviceView) current() []*liveServer { return v.servers[:len(v.settings.RealServers)] }

// counts reports whether the ids of the view's real servers have counted for them alone. now is the
// view after the ids' counts were read: if a real server was released meanwhile, workers may have
// counted for the next one of its id.
func (v *serviceView) counts(now *serviceView) bool {
	return now.configured && now.released == v.released
}

// sessionsFrom returns how many sessions of a service's real servers are from a local address.
// Those of removed real servers do not count: their packets are dropped.
func (v *serviceView) sessionsFrom(a packet.Addr) (n int) {
	for _, server := range v.current() {
		n += server.use.Load().sessions(a)
	}
	return n
}
