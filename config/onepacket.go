package config

import (
	"fmt"
	"slices"

	"fulcrum/lvs"
)

// checkOnePacket reports what a one-packet service cannot have: a protocol without datagrams, a
// mode whose answers need a session, and limits of its sessions.
func (c *checker) checkOnePacket(i int) {
	s := &c.Services[i]
	if !s.OnePacket {
		return
	}
	v := c.at("service", i, "one_packet")
	if s.Protocol != 0 && !s.hasDatagrams() {
		v.reportf("leave the key out, or use protocol udp",
			"protocol %s has connections; only datagrams of udp are scheduled one by one", s.Protocol)
		return
	}
	if hasLocals(s.Mode) {
		v.reportf("leave the key out, or use mode "+either(lvs.ModesWith(forwardsAlone)),
			"mode %s keeps a session for each client, since the answers need it", s.Mode)
	}
	c.checkLoneServers(i)
	c.checkNoSessions(i, "max_sessions", s.MaxSessions)
	c.checkNoSessions(i, "max_sessions_per_source", s.MaxSessionsPerSource)
}

// checkNoSessions reports a limit of the sessions of a one-packet service.
func (c *checker) checkNoSessions(i int, key string, most int) {
	if most != 0 {
		c.at("service", i, key).report("has no effect with one_packet: no session is kept",
			"leave out one of the two keys")
	}
}

// checkLoneServers reports the first real server that states a mode whose answers need a session.
func (c *checker) checkLoneServers(i int) {
	s := &c.Services[i]
	for j, rs := range s.RealServers {
		if mode := s.ModeOf(rs); hasLocals(mode) && mode != s.Mode {
			c.at("service", i, "real_server", j, "mode").reportf(
				"use mode "+either(lvs.ModesWith(forwardsAlone))+", or leave out one_packet",
				"mode %s keeps a session for each client, and the service has one_packet", mode)
			return
		}
	}
}

// hasDatagrams reports whether packets of a service can be scheduled one by one: of a mark's, those
// of UDP.
func (s *Service) hasDatagrams() bool { return s.Protocol == lvs.UDP || s.Mark != 0 }

// forwardsAlone reports whether a mode can forward a packet that leaves no session.
func forwardsAlone(m lvs.Mode) bool { return !hasLocals(m) }

// lostAnswers returns a warning for each one-packet service with real servers whose answers pass
// the director.
func (c *Config) lostAnswers() (all []string) {
	for i := range c.Services {
		s := &c.Services[i]
		modes := s.Modes()
		if at := slices.IndexFunc(modes, lvs.Mode.TwoWay); s.OnePacket && at >= 0 {
			all = append(all, fmt.Sprintf("service %s: one_packet in %s: the answers of real servers "+
				"belong to no session, so that they do not come from the VIP; use %s",
				s.Name, modes[at], either(lvs.ModesWith(oneWay))))
		}
	}
	return all
}

// uncounted returns a warning for each one-packet service whose scheduler compares sessions.
func (c *Config) uncounted() (all []string) {
	for i := range c.Services {
		s := &c.Services[i]
		if s.OnePacket && s.Scheduler.BySessions() && len(s.RealServers) > 1 {
			all = append(all, fmt.Sprintf("service %s: %s compares sessions, and one_packet keeps none: "+
				"nearly all datagrams go to one of its %d real servers; use %s, %s or %s",
				s.Name, s.Scheduler, len(s.RealServers), lvs.RR, lvs.WRR, lvs.TWOS))
		}
	}
	return all
}

func oneWay(m lvs.Mode) bool { return !m.TwoWay() }
