package control

import "slices"

// zeroes are the counts from which services are shown, by protocol and address and, for real servers, by theirs.
type zeroes map[[3]string]Traffic

// Services reports on services since Zero was last asked for.
func (r *Running) Services() []ServiceReport {
	all := r.Report().Services
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range all {
		s := &all[i]
		s.Traffic.subtract(r.zeroes[[3]string{s.Protocol, s.Address}])
		for j := range s.RealServers {
			rs := &s.RealServers[j]
			rs.Traffic.subtract(r.zeroes[[3]string{s.Protocol, s.Address, rs.Address}])
		}
	}
	return all
}

// Zero has the counts of a service begin anew for who asks for services, or those of all if the name is empty. Workers, metrics and the
// final table go on counting.
func (r *Running) Zero(name string) error {
	all := r.Report().Services
	if name != "" && !slices.ContainsFunc(all, func(s ServiceReport) bool { return s.Name == name }) {
		return noService(name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.zeroes == nil {
		r.zeroes = zeroes{}
	}
	for _, s := range all {
		if name != "" && s.Name != name {
			continue
		}
		r.zeroes[[3]string{s.Protocol, s.Address}] = s.Traffic
		for _, rs := range s.RealServers {
			r.zeroes[[3]string{s.Protocol, s.Address, rs.Address}] = rs.Traffic
		}
	}
	return nil
}

// subtract takes off what was counted before. Counts of a real server that was removed and added again go on where they were, so that they
// are never below.
func (t *Traffic) subtract(o Traffic) {
	t.Connections -= min(o.Connections, t.Connections)
	t.InPackets -= min(o.InPackets, t.InPackets)
	t.InBytes -= min(o.InBytes, t.InBytes)
	t.OutPackets -= min(o.OutPackets, t.OutPackets)
	t.OutBytes -= min(o.OutBytes, t.OutBytes)
}
