package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fulcrum/config"
)

// available reports whether a real server gets new sessions.
func available(rs config.RealServer) bool { return rs.Weight > 0 }

// serves reports whether a service has an available real server.
func serves(s *config.Service) bool { return slices.ContainsFunc(s.RealServers, available) }

// compareServing notes a service that loses its last available real server. next is nil if it is
// removed: that is no loss of the service, but may be one of its VIP.
func (p *planner) compareServing(old, next *config.Service) {
	if !serves(old) || next != nil && serves(next) {
		return
	}
	if next != nil {
		p.UnservedServices = append(p.UnservedServices, next.Name)
	}
	for _, vip := range p.old.VIPs(old) {
		if !slices.Contains(p.lost, vip) {
			p.lost = append(p.lost, vip)
		}
	}
}

// compareVIPs notes the VIPs of the services with a loss that no service serves any more.
func (p *planner) compareVIPs() {
	if len(p.lost) == 0 {
		return
	}
	served := map[netip.Addr]bool{}
	for i := range p.next.Services {
		if s := &p.next.Services[i]; serves(s) {
			for _, vip := range p.next.VIPs(s) {
				served[vip] = true
			}
		}
	}
	for _, vip := range p.lost {
		if !served[vip] && (p.servedBeside == nil || !p.servedBeside(vip)) {
			p.UnservedVIPs = append(p.UnservedVIPs, vip.String())
		}
	}
	p.Warnings = append(p.Warnings, p.UnservedWarnings()...)
}

// servedBeside returns whether another service than was serves a VIP. The caller has the turn.
func (r *Running) servedBeside(was *config.Service) func(vip netip.Addr) bool {
	return func(vip netip.Addr) bool {
		return slices.ContainsFunc(r.siteNow().ServicesOf(vip), func(name string) bool {
			return name != was.Name && serves(&r.current.Services[r.places[name]])
		})
	}
}

// UnservedWarnings returns what the plan says about services and VIPs that lose their last
// available real server: at most two lines.
func (p *Plan) UnservedWarnings() (warnings []string) {
	if len(p.UnservedServices) > 0 {
		warnings = append(warnings, lossOf("service", p.UnservedServices, "loses", "lose")+
			": new sessions are dropped as no_real_server")
	}
	if len(p.UnservedVIPs) > 0 {
		warnings = append(warnings, lossOf("VIP", p.UnservedVIPs, "loses", "lose")+
			": nothing behind it serves clients")
	}
	return warnings
}

// mostLosses is how many services or VIPs a warning names.
const mostLosses = 5

// lossOf says which services or VIPs lose their last available real server, with the verb for one
// and for several.
func lossOf(kind string, names []string, one, several string) string {
	if len(names) == 1 {
		return fmt.Sprintf("%s %s %s its last available real server", kind, names[0], one)
	}
	list := strings.Join(names[:min(len(names), mostLosses)], ", ")
	if more := len(names) - mostLosses; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%ss %s %s their last available real servers", kind, list, several)
}

// ErrLastServer matches every LastServerError.
var ErrLastServer = errors.New("the last available real server")

// LastServerError says that a change was refused because services or VIPs would lose their last
// available real server. See RefuseLast.
type LastServerError struct{ Services, VIPs []string }

// Error returns what would be lost.
func (e *LastServerError) Error() string {
	var losses []string
	const verb = "would lose"
	if len(e.Services) > 0 {
		losses = append(losses, lossOf("service", e.Services, verb, verb))
	}
	if len(e.VIPs) > 0 {
		losses = append(losses, lossOf("VIP", e.VIPs, verb, verb))
	}
	return "nothing was changed: " + strings.Join(losses, ", ")
}

// Is reports whether target is ErrLastServer.
func (e *LastServerError) Is(target error) bool { return target == ErrLastServer }

type refuseLastKey struct{}

// RefuseLast returns a context whose changes fail with a *LastServerError if a service or a VIP
// would lose its last available real server by them. The change and the check are one step: of two
// callers who take the last two real servers away, one succeeds.
func RefuseLast(ctx context.Context) context.Context {
	return context.WithValue(ctx, refuseLastKey{}, true)
}

func refusesLast(ctx context.Context) bool {
	refuse, _ := ctx.Value(refuseLastKey{}).(bool)
	return refuse
}

// refusal returns the error of a change that its caller does not want, or nil. The caller has the
// turn.
func (t *task) refusal(p *Plan) error {
	if !t.refuseLast || len(p.UnservedServices)+len(p.UnservedVIPs) == 0 {
		return nil
	}
	return &LastServerError{p.UnservedServices, p.UnservedVIPs}
}
