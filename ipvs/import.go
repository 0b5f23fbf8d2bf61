package ipvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fulcrum/config"
	"fulcrum/foreign"
	"fulcrum/lvs"
)

// Import is what an IPVS has, as services of a configuration.
type Import struct {
	Services []config.Service // not checked against ports
	Timeouts config.Timeouts
	Left     []string // what is not carried over, with the reason, one line each
}

// Imported returns what an IPVS has. Real servers are in the order of their additions: of equals, a
// scheduler takes the same one then.
func Imported(c *Content) *Import {
	i := &Import{}
	for _, state := range lvs.States() {
		i.Timeouts[state] = state.Timeout()
	}
	for n, state := range timeouts {
		if c.Timeouts[n] > 0 {
			i.Timeouts[state] = i.bounded(state.Key()+" timeout", c.Timeouts[n])
		}
	}
	for n := range c.Services {
		i.service(&c.Services[n])
	}
	return i
}

// leave notes what is not carried over.
func (i *Import) leave(subject, form string, values ...any) {
	i.Left = append(i.Left, subject+": "+fmt.Sprintf(form, values...))
}

// bounded returns a time in seconds that a configuration can have.
func (i *Import) bounded(subject string, seconds uint32) time.Duration {
	d := time.Duration(seconds) * time.Second
	if d > config.MostTimeout {
		i.leave(subject, "%d s is longer than the longest time, %s, which it has instead", seconds,
			config.MostTimeout)
	}
	return min(d, config.MostTimeout)
}

// service takes a service over.
func (i *Import) service(s *Served) {
	id, err := s.id()
	if err != nil {
		i.leave(fmt.Sprintf("service %s:%d", s.Address, s.Port), "%v", err)
		return
	}
	next := fresh(id)
	i.settings(id.String(), &s.Service, &next)
	for n := range slices.Backward(s.Destinations) {
		i.server(&s.Destinations[n], &next)
	}
	gatherModes(&next)
	i.Services = append(i.Services, next)
}

// settings takes the settings of a service over.
func (i *Import) settings(subject string, s *Service, next *config.Service) {
	known := false
	if next.Scheduler, known = lvs.ParseScheduler(s.Scheduler); !known {
		next.Scheduler = lvs.DefaultScheduler
		i.leave(subject, "scheduler %q: it is unknown here, and the service has %s instead",
			s.Scheduler, next.Scheduler)
	}
	next.SchedulerFlags = schedulerFlags(next.Scheduler, s.Flags)
	next.OnePacket = s.Flags&flagOnePacket != 0
	if s.Flags&flagPersistent == 0 {
		return
	}
	next.Persistence = i.bounded(subject+": persistence", max(s.Timeout, 1))
	if next.PersistenceMask = s.Mask; s.Mask < 1 {
		next.PersistenceMask = config.WholeMask(next.Address)
		i.leave(subject, "the netmask of its persistence: there are prefix lengths from 1 bit on, and "+
			"each client stays for itself instead")
	}
	next.PersistenceEngine, known = lvs.ParsePersistenceEngine(s.Engine)
	if s.Engine != "" && !known {
		i.leave(subject, "persistence engine %q: it is unknown here", s.Engine)
	}
}

// server takes a real server over.
func (i *Import) server(d *Destination, next *config.Service) {
	subject := fmt.Sprintf("real server %s of %s", d.at(), next.ID())
	mode, err := d.mode(next, lvs.NoMode)
	if err != nil {
		i.leave(subject, "%v", err)
		return
	}
	if d.Weight > mostWeight {
		i.leave(subject, "weight %d is above %d, which it has instead", d.Weight, mostWeight)
	}
	rs := config.RealServer{
		Address: d.at(), Mode: lvs.Own(mode), Weight: int(max(min(d.Weight, mostWeight), 0)),
		UpperThreshold: int(d.Upper), LowerThreshold: int(d.Lower),
	}
	if mode.FixedPort() { // the kernel ignores its port
		rs.Address = netip.AddrPortFrom(d.Address, onlyPort(next))
	}
	next.RealServers = append(next.RealServers, rs)
}

// onlyPort returns the port of a service, or 0 if it has several.
func onlyPort(s *config.Service) uint16 {
	if s.ID().Single() {
		return s.Address.Port()
	}
	return 0
}

// gatherModes gives a service the mode that most of its real servers have, so that only the others
// state one.
func gatherModes(s *config.Service) {
	count := map[lvs.Mode]int{}
	for _, rs := range s.RealServers {
		count[s.ModeOf(rs)]++
	}
	if len(count) > 0 {
		s.Mode = slices.MaxFunc(lvs.Modes(), func(a, b lvs.Mode) int {
			return cmp.Compare(count[a], count[b])
		})
	}
	for i := range s.RealServers {
		if rs := &s.RealServers[i]; s.ModeOf(*rs) == s.Mode {
			rs.Mode = lvs.AsService
		}
	}
}

// TOML returns the services as tables of a configuration file, and the timeouts that are not the
// defaults. from says where they are from.
func (i *Import) TOML(from string) string {
	return config.RenderImported(foreign.Printable(from), i.Services, i.Left) + i.timeouts()
}

func (i *Import) timeouts() string {
	var text strings.Builder
	for _, state := range timeouts {
		if d := i.Timeouts[state]; d != state.Timeout() {
			fmt.Fprintf(&text, "%s = %q\n", state.Key(), d.String())
		}
	}
	if text.Len() == 0 {
		return ""
	}
	return "\n[session.timeouts]\n" + text.String()
}
