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
		r.displayed().takeFrom(&counted.Services[i])
	}
	report := NewReport(c, counted)
	r.describe(&report, c)
	return report.Services
}

// displayed returns what displays are zero at, from the process before too if its counters go on.
// The caller has locked zeroing.
func (r *Running) displayed() zeroes {
	if r.zeroes == nil {
		r.zeroes = zeroes{}
		for id, counted := range r.engine.Zeroes() {
			r.zeroes[id] = Traffic(counted)
		}
	}
	return r.zeroes
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
	counted := r.engine.Report().Services
	for i := range counted {
		s := &counted[i]
		if name != "" && s.Service.Name != name {
			continue
		}
		r.zero(serviceAlone(s), s.Traffic)
		for _, rs := range s.RealServers {
			r.zero(serverID(s, rs.Address), rs.Traffic)
		}
	}
	return nil
}

// zero has displays begin at counters. The caller has locked zeroing.
func (r *Running) zero(id lvs.RealServerID, counted engine.Traffic) {
	r.displayed()[id] = Traffic(counted)
	r.engine.KeepZero(id, counted)
}
