package control

import (
	"net/netip"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// zeroes are the counters at the last Zero, which are subtracted from those displayed. The key of a
// service itself has no real server's address.
type zeroes map[lvs.RealServerID]Traffic

// Services returns the services with their counters since the last Zero.
func (r *Running) Services() []ServiceReport {
	r.zeroing.Lock()
	defer r.zeroing.Unlock()
	counted, c := r.engine.Report(), r.Config()
	for i := range counted.Services {
		r.zeroes.takeFrom(&counted.Services[i])
	}
	report := NewReport(c, counted)
	r.describe(&report, c)
	return report.Services
}

func serviceAlone(s *engine.ServiceReport) lvs.RealServerID { return serverID(s, netip.AddrPort{}) }

func serverID(s *engine.ServiceReport, address netip.AddrPort) lvs.RealServerID {
	return lvs.RealServerID{Service: s.Service.ID(), Address: address}
}

// since returns the counters since the last Zero. Counters below those at that time have restarted:
// the real server was removed long enough to be forgotten, or its service got another mode. From
// then on since returns them unchanged.
func (z zeroes) since(id lvs.RealServerID, now Traffic) Traffic {
	then := z[id]
	if now.Connections < then.Connections ||
		now.InPackets < then.InPackets || now.InBytes < then.InBytes ||
		now.OutPackets < then.OutPackets || now.OutBytes < then.OutBytes {
		delete(z, id)
		return now
	}
	return Traffic{
		now.Connections - then.Connections, now.InPackets - then.InPackets, now.InBytes - then.InBytes,
		now.OutPackets - then.OutPackets, now.OutBytes - then.OutBytes,
	}
}

// Zero resets the displayed counters of a service, or of all services if the name is empty. It
// affects Services only: workers, metrics and the final table go on counting.
func (r *Running) Zero(name string) error {
	if name != "" {
		if _, err := r.Service(name); err != nil {
			return err
		}
	}
	r.zeroing.Lock()
	defer r.zeroing.Unlock()
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
