package dpvs

import (
	"fmt"
	"time"

	"fulcrum/lvs"
)

// What DPVS takes for keys that the file does not give (conf/dpvs.conf.items, and tcp_timeouts of
// src/ipvs/ip_vs_proto_tcp.c).
const (
	usualSessions   = 2097152
	usualUDPTimeout = 300 * time.Second
)

// What the configuration takes.
const (
	mostSessions = 1 << 28
	mostTimeout  = 7 * 24 * time.Hour
)

// mostSeconds is the longest timeout of DPVS.
const mostSeconds = 31535999

// tcpTimeouts are the timeouts of DPVS's TCP states in seconds.
var tcpTimeouts = []struct {
	state   lvs.State
	seconds time.Duration
}{
	{lvs.StateNone, 2}, {lvs.StateEstablished, 90}, {lvs.StateSynSent, 3}, {lvs.StateSynRecv, 30},
	{lvs.StateFinWait, 7}, {lvs.StateTimeWait, 7}, {lvs.StateClose, 3}, {lvs.StateCloseWait, 7},
	{lvs.StateLastAck, 7}, {lvs.StateListen, 120}, {lvs.StateSynAck, 30},
}

func usualTimeouts() map[lvs.State]time.Duration {
	all := map[lvs.State]time.Duration{lvs.StateUDP: usualUDPTimeout}
	for _, t := range tcpTimeouts {
		all[t.state] = t.seconds * time.Second
	}
	return all
}

// sessionTakers returns what reads the keys of ipvs_defs.
func (i *importer) sessionTakers() map[string]taker {
	takers := map[string]taker{
		"conn.conn_pool_size": i.takePoolSize,
		"udp.timeout.normal":  i.timeoutOf(lvs.StateUDP),
	}
	for _, t := range tcpTimeouts {
		takers["tcp.timeout."+t.state.Key()] = i.timeoutOf(t.state)
	}
	return takers
}

func (i *importer) takePoolSize(e *entry) {
	n, ok := i.number(e, 1, 1<<31-1)
	if ok && n > mostSessions {
		i.Leave(e.place, e.String(), fmt.Sprintf("session.max is at most %d", mostSessions))
	}
	i.result.Sessions = min(n, mostSessions)
}

// timeoutOf returns what reads the timeout of a state.
func (i *importer) timeoutOf(state lvs.State) taker {
	return func(e *entry) {
		n, ok := i.number(e, 1, mostSeconds)
		long := time.Duration(n) * time.Second
		if ok && long > mostTimeout {
			i.Leave(e.place, e.String(), "timeouts are at most 168h")
		}
		i.result.Timeouts[state] = min(long, mostTimeout)
	}
}
