package config

import (
	"iter"
	"time"
)

const (
	defaultSessions = 1_000_000
	mostSessions    = 1 << 28 // 24 GiB at 96 bytes a session
	unsetMaxV6      = -1

	// A session remembers when it was last seen in 32 bits of milliseconds, compared by signed difference; a week stays
	// far from the 24 days where that turns over.
	leastTimeout = time.Millisecond
	mostTimeout  = 7 * 24 * time.Hour
)

func readSession(t *table) Session {
	defer t.done()
	s := Session{
		MaxV6:        t.get("max_v6").integer(unsetMaxV6, 0, mostSessions),
		Max:          t.get("max").integer(defaultSessions, 1, mostSessions),
		SloppyTCP:    t.get("sloppy_tcp").boolean(false),
		ExpireNoDest: t.get("expire_nodest").boolean(false),
		Timeouts:     readTimeouts(t.table("timeouts")),
	}
	t.get("expire_quiescent").refuse()
	return s
}

// sessionsV6 gives the IPv6 sessions of a file that does not say how many: a quarter of the others, but one for each worker at least, and none
// where no service makes any.
func (c *Config) sessionsV6() int {
	for _, service := range c.Services {
		if service.Address.Addr().Is6() {
			return max(c.Session.Max/4, len(c.Director.Workers))
		}
	}
	return 0
}

func readTimeouts(t *table) Timeouts {
	defer t.done()
	var all Timeouts
	for _, timeout := range all.fields() {
		fallback := time.Duration(timeout.seconds) * time.Second
		*timeout.field = t.get(timeout.key).duration(fallback, leastTimeout, mostTimeout)
	}
	return all
}

// All yields the timeouts by their keys, which are the names of their states in lower case, in the reference's order.
func (t Timeouts) All() iter.Seq2[string, time.Duration] {
	return func(yield func(string, time.Duration) bool) {
		for _, f := range t.fields() {
			if !yield(f.key, *f.field) {
				return
			}
		}
	}
}

// timeout is one of the Timeouts with its key and its default.
type timeout struct {
	key     string
	seconds int
	field   *time.Duration
}

// fields lists the timeouts with IPVS's defaults (tcp_timeouts, udp_timeouts, icmp_timeouts and sctp_timeouts of the kernel's
// net/netfilter/ipvs).
func (t *Timeouts) fields() []timeout {
	return []timeout{
		{"none", 2, &t.None},
		{"established", 900, &t.Established},
		{"syn_sent", 120, &t.SynSent},
		{"syn_recv", 60, &t.SynRecv},
		{"fin_wait", 120, &t.FinWait},
		{"time_wait", 120, &t.TimeWait},
		{"close", 10, &t.Close},
		{"close_wait", 60, &t.CloseWait},
		{"last_ack", 30, &t.LastAck},
		{"listen", 120, &t.Listen},
		{"synack", 120, &t.SynAck},
		{"udp", 300, &t.UDP},
		{"icmp", 60, &t.ICMP},
		{"sctp_init1", 4, &t.SCTPInit1},
		{"sctp_init", 61, &t.SCTPInit},
		{"sctp_cookie_sent", 61, &t.SCTPCookieSent},
		{"sctp_cookie_replied", 61, &t.SCTPCookieReplied},
		{"sctp_cookie_wait", 61, &t.SCTPCookieWait},
		{"sctp_cookie", 61, &t.SCTPCookie},
		{"sctp_cookie_echoed", 61, &t.SCTPCookieEchoed},
		{"sctp_established", 900, &t.SCTPEstablished},
		{"sctp_shutdown_sent", 61, &t.SCTPShutdownSent},
		{"sctp_shutdown_received", 61, &t.SCTPShutdownReceived},
		{"sctp_shutdown_ack_sent", 61, &t.SCTPShutdownAckSent},
		{"sctp_rejected", 4, &t.SCTPRejected},
		{"sctp_closed", 61, &t.SCTPClosed},
	}
}
