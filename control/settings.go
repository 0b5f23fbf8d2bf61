package control

import (
	"fmt"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
)

// EngineConfig returns what of a configuration is fixed from start to end. Ports and threads are the caller's to
// add.
func EngineConfig(c *config.Config) (engine.Config, error) {
	timeouts, err := engine.ParseTimeouts(timeoutsByState(&c.Session.Timeouts))
	if err != nil {
		return engine.Config{}, err
	}
	e := engine.Config{
		CPUs:      c.Director.Workers,
		Sessions:  c.Session.Max,
		Sessions6: c.Session.MaxV6,
		Timeouts:  timeouts,
		Huge:      c.DPDK.Hugepages != config.HugePagesOff,
	}
	if c.Director.Idle == config.IdleBusy {
		e.Idle = engine.IdleBusy
	}
	return e, nil
}

func timeoutsByState(t *config.Timeouts) map[string]time.Duration {
	return map[string]time.Duration{
		"none":                   t.None,
		"established":            t.Established,
		"syn_sent":               t.SynSent,
		"syn_recv":               t.SynRecv,
		"fin_wait":               t.FinWait,
		"time_wait":              t.TimeWait,
		"close":                  t.Close,
		"close_wait":             t.CloseWait,
		"last_ack":               t.LastAck,
		"listen":                 t.Listen,
		"synack":                 t.SynAck,
		"udp":                    t.UDP,
		"icmp":                   t.ICMP,
		"sctp_init1":             t.SCTPInit1,
		"sctp_init":              t.SCTPInit,
		"sctp_cookie_sent":       t.SCTPCookieSent,
		"sctp_cookie_replied":    t.SCTPCookieReplied,
		"sctp_cookie_wait":       t.SCTPCookieWait,
		"sctp_cookie":            t.SCTPCookie,
		"sctp_cookie_echoed":     t.SCTPCookieEchoed,
		"sctp_established":       t.SCTPEstablished,
		"sctp_shutdown_sent":     t.SCTPShutdownSent,
		"sctp_shutdown_received": t.SCTPShutdownReceived,
		"sctp_shutdown_ack_sent": t.SCTPShutdownAckSent,
		"sctp_rejected":          t.SCTPRejected,
		"sctp_closed":            t.SCTPClosed,
	}
}

// EngineSettings returns what of a configuration the engine can change while it runs.
func EngineSettings(c *config.Config) (engine.Settings, error) {
	s := engine.Settings{SloppyTCP: c.Session.SloppyTCP, ExpireNoDest: c.Session.ExpireNoDest}
	for _, p := range c.Ports {
		s.Ports = append(s.Ports, engine.PortSettings{Addresses: p.Addresses})
	}
	for _, r := range c.Routes {
		s.Routes = append(s.Routes, engine.Route{To: r.To, Via: r.Via, Port: r.Port})
	}
	for _, n := range c.Neighbours {
		s.Neighbours = append(s.Neighbours, engine.StaticNeighbour{Address: n.Address, MAC: [6]byte(n.MAC), Port: n.Port})
	}
	for _, v := range c.Services {
		service, err := engineService(v)
		if err != nil {
			return s, fmt.Errorf("service %s: %w", v.Name, err)
		}
		s.Services = append(s.Services, service)
	}
	return s, nil
}

func engineService(c config.Service) (engine.Service, error) {
	s := engine.Service{Name: c.Name, Address: c.Address, LocalAddresses: c.LocalAddresses, MSS: uint16(c.MSS), Echo: c.Echo}
	var err error
	if s.Protocol, err = engine.ParseProtocol(c.Protocol); err != nil {
		return s, err
	}
	if s.Mode, err = engine.ParseMode(c.Mode); err != nil {
		return s, err
	}
	if s.Scheduler, err = engine.ParseScheduler(c.Scheduler); err != nil {
		return s, err
	}
	for _, rs := range c.RealServers {
		s.RealServers = append(s.RealServers, engine.RealServer{
			Address:        rs.Address,
			Weight:         int32(rs.Weight),
			UpperThreshold: int32(rs.UpperThreshold),
			LowerThreshold: int32(rs.LowerThreshold),
		})
	}
	return s, nil
}
