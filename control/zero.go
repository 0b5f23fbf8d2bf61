package control

import (
	"net/netip"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// zeroes are the counts from which real servers are shown, and services, which have no address of a
// real server.
type zeroes map[lvs.RealServerID]Traffic

// Services reports on services since Zero was last asked for.
func (r *Running) Services() []ServiceReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	counted := r.engine.Report()
	all := NewReport(r.current, counted).Services
	for i := range all {
		s, counted := &all[i], &counted.Services[i]
		s.Traffic = r.zeroes.since(serviceAlone(counted), s.Traffic)
		for j := range s.RealServers {
			rs := &s.RealServers[j]
			rs.Traffic = r.zeroes.since(serverID(counted, counted.RealServers[j].Address), rs.Traffic)
		}
	}
	return all
}

func serviceAlone(s *engine.ServiceReport) lvs.RealServerID { return serverID(s, netip.AddrPort{}) }

func serverID(s *engine.ServiceReport, address netip.AddrPort) lvs.RealServerID {
	return lvs.RealServerID{Service: s.Service.ID(), Address: address}
}

// since returns what has been counted since Zero. Counts that are below what they were then have begun anew, because the real server was gone for so
// long that it was forgotten, or its service has another mode: they are shown as they are, from then on.
func (z zeroes) since(id lvs.RealServerID, now Traffic) Traffic {
	then := z[id]
	if now.Connections < then.Connections || now.InPackets < then.InPackets || now.InBytes < then.InBytes ||
		now.OutPackets < then.OutPackets || now.OutBytes < then.OutBytes {
		delete(z, id)
		return now
	}
	return Traffic{
		now.Connections - then.Connections, now.InPackets - then.InPackets, now.InBytes - then.InBytes,
		now.OutPackets - then.OutPackets, now.OutBytes - then.OutBytes,
	}
}

// Zero has the counts of a service begin anew for who asks for services, or those of all if the name is empty. Workers, metrics and the
// final table go on counting.
func (r *Running) Zero(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name != "" {
		if _, err := r.find(name); err != nil {
			return err
		}
	}
	if r.zeroes == nil {
		r.zeroes = zeroes{}
	}
	counted := r.engine.Report().Services
	for i := range counted {
		s := &counted[i]
		if name != "" && s.Service.Name != name {
			continue
		}
		r.zeroes[serviceAlone(s)] = Traffic(s.Traffic)
		for _, rs := range s.RealServers {
			r.zeroes[serverID(s, rs.Address)] = Traffic(rs.Traffic)
		}
	}
	return nil
}
