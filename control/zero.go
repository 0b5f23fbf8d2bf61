package control

// zeroes are the counts from which services are shown, by protocol and address and, for real servers, by theirs.
type zeroes map[[3]string]Traffic

// Services reports on services since Zero was last asked for.
func (r *Running) Services() []ServiceReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := NewReport(r.current, r.engine.Report()).Services
	for i := range all {
		s := &all[i]
		s.Traffic = r.zeroes.since([3]string{s.Protocol, s.Address}, s.Traffic)
		for j := range s.RealServers {
			rs := &s.RealServers[j]
			rs.Traffic = r.zeroes.since([3]string{s.Protocol, s.Address, rs.Address}, rs.Traffic)
		}
	}
	return all
}

// since returns what has been counted since Zero. Counts that are below what they were then have begun anew, because the real server was gone for so
// long that it was forgotten, or its service has another mode: they are shown as they are, from then on.
func (z zeroes) since(name [3]string, now Traffic) Traffic {
	then := z[name]
	if now.Connections < then.Connections || now.InPackets < then.InPackets || now.InBytes < then.InBytes ||
		now.OutPackets < then.OutPackets || now.OutBytes < then.OutBytes {
		delete(z, name)
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
		if _, err := findService(r.current, name); err != nil {
			return err
		}
	}
	if r.zeroes == nil {
		r.zeroes = zeroes{}
	}
	for _, s := range NewReport(r.current, r.engine.Report()).Services {
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
