package control

import (
	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// EngineConfig returns the part of a configuration that is fixed from start to end. The caller adds
// ports and threads.
func EngineConfig(c *config.Config) engine.Config {
	e := engine.Config{
		CPUs:       c.Director.Workers,
		Sessions:   c.Session.Max,
		SessionsV6: c.Session.MaxV6,
		Templates:  c.Session.Templates,
		Keep:       c.Session.Keep,
		Huge:       c.DPDK.Hugepages != config.HugePagesOff,
	}
	if c.Director.Idle == config.IdleBusy {
		e.Idle = engine.IdleBusy
	}
	return e
}

// EngineSettings returns what of a configuration the engine can change while it runs.
// No host interface holds any VIP.
func EngineSettings(c *config.Config) engine.Settings { return settingsWith(c, nil) }

// settingsWith is EngineSettings while host interfaces hold addresses.
func settingsWith(c *config.Config, held Held) engine.Settings {
	s := engine.Settings{
		SloppyTCP: c.Session.SloppyTCP, ExpireNoDest: c.Session.ExpireNoDest,
		ExpireQuiescent: c.Session.ExpireQuiescent,
		ResetUnknown:    resets[c.Session.ResetUnknown],
		Announcements:   c.Director.AnnounceRepeat,
		RouteUnmatched:  c.Session.RouteUnmatched,
		SloppySCTP:      c.Session.SloppySCTP,
		ConnReuseMode:   uint8(c.Session.ConnReuseMode),
		NATICMPSend:     c.Session.NATICMPSend,
		PMTUDisc:        c.Session.PMTUDisc,
		ScheduleICMP:    c.Session.ScheduleICMP,
		Defences: engine.Defences{
			DropEntry: defences[c.Session.DropEntry], DropPacket: defences[c.Session.DropPacket],
			SecureTCP: defences[c.Session.SecureTCP],
		},
	}
	for state, timeout := range c.Session.Timeouts {
		s.Timeouts.Set(lvs.State(state), timeout)
	}
	for _, p := range c.Ports {
		s.Ports = append(s.Ports, engine.PortSettings{Addresses: p.Addresses, Host: p.Host != ""})
	}
	for _, r := range c.Routes {
		s.Routes = append(s.Routes, engine.Route{To: r.To, Via: r.Via, Port: r.Port})
	}
	for _, n := range c.Neighbours {
		s.Neighbours = append(s.Neighbours, engine.StaticNeighbour{Address: n.Address, MAC: [6]byte(n.MAC), Port: n.Port})
	}
	for _, v := range c.Services {
		s.Services = append(s.Services, engineService(c, v, held))
	}
	return s
}

var defences = map[config.Defence]engine.Defence{
	config.DefenceOff: engine.DefenceOff, config.DefenceAuto: engine.DefenceAuto,
	config.DefenceOn: engine.DefenceOn,
}

var resets = map[config.ResetUnknown]engine.ResetUnknown{
	config.ResetOff: engine.ResetOff, config.ResetTwoWay: engine.ResetTwoWay,
	config.ResetAll: engine.ResetAll,
}

func engineService(of *config.Config, c config.Service, held Held) engine.Service {
	s := engine.Service{
		Name: c.Name, Protocol: c.Protocol, Address: c.Address, Mode: c.Mode, Scheduler: c.Scheduler,
		LocalAddresses: c.LocalAddresses, MSS: uint16(c.MSS), Echo: c.Echo,
		MaxSessions: c.MaxSessions, SchedulerFlags: c.SchedulerFlags,
		Persistence: c.Persistence, PersistenceMask: c.PersistenceMask,
		OnePacket: c.OnePacket, PersistenceEngine: c.PersistenceEngine,
		Matches: c.Addresses, Mark: c.Mark,
		Refuse: c.Refuse, MaxRate: c.MaxRate,
		MaxSessionsPerSource: c.MaxSessionsPerSource, MaxRatePerSource: c.MaxRatePerSource,
	}
	if claims := of.Claims(&c); len(claims) > 1 || c.Mark != 0 {
		s.Matches = claims
	}
	s.Silent, s.SilentAt = silence(of, &c, held)
	for state, timeout := range c.Timeouts {
		s.Timeouts.Set(lvs.State(state), timeout)
	}
	for _, rs := range c.RealServers {
		s.RealServers = append(s.RealServers, engine.RealServer{
			Address:        rs.Address,
			Mode:           rs.Mode,
			Weight:         int32(rs.Weight),
			UpperThreshold: int32(rs.UpperThreshold),
			LowerThreshold: int32(rs.LowerThreshold),
			Watched:        c.HealthOf(rs).Passive,
		})
	}
	return s
}
