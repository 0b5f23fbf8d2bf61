package control

import (
	"fmt"
	"strings"

	"fulcrum/lvs"
)

// LeftOut says which real servers of a service get no new sessions, and why.
type LeftOut struct {
	Pool    string   // PoolReport.Text
	Servers []string // the first mostLeftOut, as in "10.1.0.12:80 is down: connect: timeout"
	More    int      // how many others there are
}

// mostLeftOut bounds how many real servers LeftOut names.
const mostLeftOut = 8

// LeftOut returns what is left out of the pool of a service; nothing if its name is unknown. server
// is a real server that is of interest alone, or "" for all.
func (r *Running) LeftOut(service, server string) (l LeftOut) {
	all := r.Services()
	for i := range all {
		if s := &all[i]; s.Name == service {
			return s.leftOut(server)
		}
	}
	return l
}

func (s *ServiceReport) leftOut(server string) (l LeftOut) {
	l.Pool = s.Pool.Text()
	for i := range s.RealServers {
		rs := &s.RealServers[i]
		switch {
		case !rs.isLeftOut() || server != "" && !rs.is(server):
		case len(l.Servers) == mostLeftOut:
			l.More++
		default:
			l.Servers = append(l.Servers, fmt.Sprintf("%s is %s", rs.Address, rs.StateText()))
		}
	}
	return l
}

// is reports whether an address is the real server's; one that has every port is at each of them.
func (r *RealServerReport) is(address string) bool {
	host, every := strings.CutSuffix(r.Address, ":0")
	return r.Address == address || every && strings.HasPrefix(address, host+":")
}

// isLeftOut reports whether the state is one in which a real server gets no new sessions, and that
// has a reason to tell. A sorry server that stands by has none.
func (r *RealServerReport) isLeftOut() bool {
	switch r.State {
	case lvs.ServerDown.Key(), lvs.ServerDraining.Key(), lvs.ServerOverloaded.Key():
		return true
	}
	return false
}
