package config

import (
	"time"

	"fulcrum/lvs"
)

const (
	defaultSessions = 1_000_000
	mostSessions    = 1 << 28 // 24 GiB at 96 bytes a session
	unsetMaxV6      = -1

	defaultTemplates = 100_000
	mostTemplates    = 1 << 24 // 1.5 GiB at 96 bytes a template

	// A session stores when it was last seen in 32 bits of milliseconds, compared by signed
	// difference. That overflows after 24 days; a week stays far below.
	leastTimeout = time.Millisecond
	mostTimeout  = 7 * 24 * time.Hour
)

// MostTimeout is the longest time that a session or a template can live without packets.
const MostTimeout = mostTimeout

// DefaultConnReuseMode is conn_reuse_mode without the key. The kernel's default is 1.
const DefaultConnReuseMode = 3

func readSession(t *table) Session {
	defer t.done()
	s := Session{
		MaxV6:          t.get("max_v6").integer(unsetMaxV6, 0, mostSessions),
		Max:            t.get("max").integer(defaultSessions, 1, mostSessions),
		SloppyTCP:      t.get("sloppy_tcp").boolean(false),
		Templates:      t.get("templates").integer(defaultTemplates, 1, mostTemplates),
		ExpireNoDest:   t.get("expire_nodest").boolean(false),
		RouteUnmatched: t.get("route_unmatched").boolean(false),
		ResetUnknown:   ResetUnknown(t.get("reset_unknown").choice(string(ResetTwoWay), resets)),
		Timeouts:       readTimeouts(t.table("timeouts")),
	}
	s.ExpireQuiescent = t.get("expire_quiescent").boolean(false)
	readSwitches(t, &s)
	s.Keep = t.get("keep").folder()
	s.DropEntry = t.get("drop_entry").defence()
	s.DropPacket = t.get("drop_packet").defence()
	s.SecureTCP = t.get("secure_tcp").defence()
	return s
}

func (v value) defence() Defence { return Defence(v.choice(string(DefenceOff), defences)) }

// readSwitches reads IPVS's switches that are named as in net.ipv4.vs.
func readSwitches(t *table, s *Session) {
	s.SloppySCTP = t.get("sloppy_sctp").boolean(false)
	s.ConnReuseMode = t.get("conn_reuse_mode").integer(DefaultConnReuseMode, 0, 3)
	s.NATICMPSend = t.get("nat_icmp_send").boolean(false)
	s.PMTUDisc = t.get("pmtu_disc").boolean(true)
	s.ScheduleICMP = t.get("schedule_icmp").boolean(false)
	s.IgnoreTunneled = t.get("ignore_tunneled").boolean(false)
}

// sessionsV6 returns the default number of IPv6 sessions. It is a quarter of the IPv4 sessions, at
// least one per worker, and 0 if no service has an IPv6 VIP.
func (c *Config) sessionsV6() int {
	for _, service := range c.Services {
		if service.ID().Is6() {
			return max(c.Session.Max/4, len(c.Director.Workers))
		}
	}
	return 0
}

func readTimeouts(t *table) Timeouts {
	defer t.done()
	var all Timeouts
	for _, state := range lvs.States() {
		all[state] = t.get(state.Key()).duration(state.Timeout(), leastTimeout, mostTimeout)
	}
	return all
}

// readOwnTimeouts reads the timeouts of a service.
func readOwnTimeouts(t *table) (own OwnTimeouts) {
	defer t.done()
	for _, state := range lvs.States() {
		own[state] = t.get(state.Key()).duration(0, leastTimeout, mostTimeout)
	}
	return own
}
