package control

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"fulcrum/config"
	"fulcrum/engine"
)

// What host interfaces have is a third layer of the running configuration, over the file and the
// overrides: it is in no file, in no history, and no override. It is computed anew whenever the
// interfaces, the ports or the services change, so that what a port could not have comes once it
// can.

// Hosts is what the host interfaces have when a director starts.
type Hosts struct {
	Interfaces []config.HostInterface
	Held       Held
	Below      [][]netip.Addr // of the interfaces below ports with a host interface, by port
}

// Settings returns the engine's settings for a configuration with what host interfaces have.
func (h *Hosts) Settings(c *config.Config) engine.Settings {
	_, followed := follow(c, h.Interfaces)
	return settingsWith(c.WithNetwork(followed.Network), h.Held)
}

// BeginWith notes what host interfaces had when the engine was created with Hosts.Settings. Call it
// before the first change.
func (r *Running) BeginWith(h Hosts) {
	r.hosts, r.held = h.Interfaces, h.Held
	site, followed := follow(r.current, r.hosts)
	r.site = site
	r.setFollowed(followed)
	r.tellHeld()
	r.NoteBelow(h.Below)
	r.warn(newRefusals(r.current, nil, followed.Refused))
}

// NoteBelow tells which addresses the interfaces below ports with a host interface have, by port:
// they should have none.
func (r *Running) NoteBelow(all [][]netip.Addr) {
	r.mu.Lock()
	was, current := r.below, r.current
	r.below = all
	r.mu.Unlock()
	for i := range all {
		if text := belowWarning(current.Ports[i], all[i]); text != "" &&
			(i >= len(was) || text != belowWarning(current.Ports[i], was[i])) {
			r.warn([]string{fmt.Sprintf("port %s: %s", current.Ports[i].Name, text)})
		}
	}
}

// belowWarning says what addresses of the interface below a port mean, and what to do; "" if it has
// none that others reach.
func belowWarning(p config.Port, all []netip.Addr) string {
	reached := slices.DeleteFunc(slices.Clone(all), netip.Addr.IsLinkLocalUnicast)
	if len(reached) == 0 {
		return ""
	}
	return fmt.Sprintf("%s below it has addresses as well as %s, %s: the kernel answers in the director's "+
		"place; fulcrum host adopt %s moves them", p.Below(), p.Host, addressList[netip.Addr](reached), p.Name)
}

// Effective returns the configuration with what host interfaces add to it. The caller must not
// change it.
func (r *Running) Effective() *config.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copied().WithNetwork(r.followed.Network)
}

// FollowHosts tells what host interfaces have now. Ports that follow theirs get addresses, routes
// and static neighbours of them, beside those of the file. What a port cannot have is left out.
func (r *Running) FollowHosts(ctx context.Context, all []config.HostInterface) error {
	if err := r.begin(ctx, "follow"); err != nil {
		return err
	}
	defer r.turn.End()
	if reflect.DeepEqual(r.hosts, all) {
		return nil
	}
	r.mu.Lock()
	r.hosts = all
	r.mu.Unlock()
	return r.followAgain()
}

// followAgain computes what host interfaces add, and applies it if it has changed. The caller has
// the turn.
func (r *Running) followAgain() error {
	was, refused := r.followed.Network, r.followed.Refused
	followed := r.siteNow().Follow(r.hosts)
	if !reflect.DeepEqual(was, followed.Network) {
		if err := r.applyNetwork(followed.Network); err != nil {
			r.site = nil // it is built from what runs
			return fmt.Errorf("follow the host interfaces: %w", err)
		}
	}
	r.setFollowed(followed)
	r.tellHeld()
	r.auditFollowed(was, followed.Network)
	r.warn(newRefusals(r.current, refused, followed.Refused))
	return nil
}

// applyNetwork has the engine take another network. The kernel hears of it only if addresses have
// changed: it knows no others of it.
func (r *Running) applyNetwork(n config.Network) error {
	if !reflect.DeepEqual(r.followed.Ports, n.Ports) {
		return r.applyWhole(r.Config(), r.Config(), n, r.slow.all)
	}
	return r.engine.Apply(r.engineSettings(r.current.WithNetwork(n), r.slow.all))
}

// followAfter follows again after a change of a service's addresses: a host interface may have some
// of them. It returns a warning if that fails. The caller has the turn.
func (r *Running) followAfter(was, next *config.Service) string {
	if !follows(r.current, r.hosts) || sameAddresses(was, next) {
		return ""
	}
	if err := r.followAgain(); err != nil {
		return err.Error()
	}
	return ""
}

// sameAddresses reports whether two services have the same addresses. Either may be nil.
func sameAddresses(a, b *config.Service) bool {
	sameServer := func(x, y config.RealServer) bool { return x.Address == y.Address }
	return a != nil && b != nil && a.ID() == b.ID() && slices.Equal(a.Addresses, b.Addresses) &&
		a.VIPOwner == b.VIPOwner && slices.Equal(a.LocalAddresses, b.LocalAddresses) &&
		slices.EqualFunc(a.RealServers, b.RealServers, sameServer)
}

// follows reports whether a port of a configuration follows one of the host interfaces.
func follows(c *config.Config, hosts []config.HostInterface) bool {
	return slices.ContainsFunc(hosts, func(h config.HostInterface) bool { return c.Ports[h.Port].Follow })
}

// follow returns what host interfaces add to a configuration, and the site that has it. If no port
// follows one, that costs nothing, and the site is nil.
func follow(c *config.Config, hosts []config.HostInterface) (*config.Site, config.Followed) {
	if !follows(c, hosts) {
		return nil, config.Followed{Network: c.Network()}
	}
	site := config.NewSite(c)
	return site, site.Follow(hosts)
}

// setFollowed notes what host interfaces add. The caller has the turn.
func (r *Running) setFollowed(f config.Followed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followed = f
}

// auditFollowed logs what host interfaces have changed, each interface in one line.
func (r *Running) auditFollowed(was, now config.Network) {
	for i := range now.Ports {
		p := planner{old: onlyOf(was, now.Ports, i), next: onlyOf(now, now.Ports, i)}
		p.compareNetwork()
		r.auditHost(now.Ports[i].Host, &p.Plan)
	}
}

// onlyOf returns what of a network is one port's. The other ports are those of all.
func onlyOf(n config.Network, all []config.Port, port int) *config.Config {
	c := &config.Config{Ports: slices.Clone(all)}
	c.Ports[port] = n.Ports[port]
	for _, route := range n.Routes {
		if route.Port == port {
			c.Routes = append(c.Routes, route)
		}
	}
	for _, neighbour := range n.Neighbours {
		if neighbour.Port == port {
			c.Neighbours = append(c.Neighbours, neighbour)
		}
	}
	return c
}

// mostRefusals bounds how many refusals a change warns of.
const mostRefusals = 8

// newRefusals returns a warning for each refusal that is new, and for the number of the others.
func newRefusals(c *config.Config, was, now []config.HostRefusal) (warnings []string) {
	known := make(map[config.HostRefusal]bool, len(was))
	for _, r := range was {
		known[r] = true
	}
	more := 0
	for _, r := range now {
		switch {
		case known[r]:
		case len(warnings) == mostRefusals:
			more++
		default:
			p := &c.Ports[r.Port]
			warnings = append(warnings, fmt.Sprintf("port %s does not follow %s of %s: %s", p.Name,
				r.Kind+" "+r.What, p.Host, r.Why))
		}
	}
	if more > 0 {
		warnings = append(warnings, fmt.Sprintf(
			"%d more of the host interfaces are not followed; see fulcrum status", more))
	}
	return warnings
}

// HostReport is a host interface, and what its port has of it.
type HostReport struct {
	Port      string `json:"port"`
	Interface string `json:"interface"`
	Exists    bool   `json:"exists"`
	Follow    bool   `json:"follow"`
	// Addresses, Routes and Neighbours are those that the port has beside the file's.
	Addresses  []string `json:"addresses,omitempty"`
	Routes     []string `json:"routes,omitempty"`
	Neighbours []string `json:"neighbours,omitempty"`
	// Refused are those that the port cannot have, the first ones with their reason.
	Refused []string `json:"refused,omitempty"`
	// RefusedCount is how many the port cannot have, ECMP how many routes have several next hops, of
	// which the director uses the first, and Excess how many entries exceed the limits.
	RefusedCount int `json:"refused_count"`
	ECMP         int `json:"ecmp_routes"`
	Excess       int `json:"excess"`
	// Warning says that the interface below the port has addresses.
	Warning string `json:"warning,omitempty"`
}

// HostReports returns the host interfaces, in the order of their ports.
func (r *Running) HostReports() []HostReport {
	r.mu.Lock()
	hosts, file, f, below := r.hosts, r.current.Network(), r.followed, r.below
	r.mu.Unlock()
	all := []HostReport{} // JSON shows an empty list, not null
	for i := range file.Ports {
		if p := &file.Ports[i]; p.Host != "" {
			h := newHostReport(i, p, hosts, file, &f)
			if i < len(below) {
				h.Warning = belowWarning(*p, below[i])
			}
			all = append(all, h)
		}
	}
	return all
}

func newHostReport(
	port int, p *config.Port, hosts []config.HostInterface, file config.Network, f *config.Followed,
) HostReport {
	h := HostReport{Port: p.Name, Interface: p.Host, Follow: p.Follow}
	for i := range hosts {
		if hosts[i].Port == port {
			h.Exists = hosts[i].Exists
			if p.Follow {
				h.ECMP, h.Excess = hosts[i].ECMP, hosts[i].Excess
			}
		}
	}
	for _, a := range f.Ports[port].Addresses[len(p.Addresses):] {
		h.Addresses = append(h.Addresses, a.String())
	}
	for _, r := range f.Routes[len(file.Routes):] {
		if r.Port == port {
			h.Routes = append(h.Routes, r.To.String()+" via "+r.Via.String())
		}
	}
	for _, n := range f.Neighbours[len(file.Neighbours):] {
		if n.Port == port {
			h.Neighbours = append(h.Neighbours, n.Address.String()+" at "+n.MAC.String())
		}
	}
	for _, r := range f.Refused {
		if r.Port != port {
			continue
		}
		if h.RefusedCount++; h.RefusedCount <= mostRefusals {
			h.Refused = append(h.Refused, fmt.Sprintf("%s %s: %s", r.Kind, r.What, r.Why))
		}
	}
	return h
}

// Summary says in a few words what a port has of its host interface.
func (h *HostReport) Summary() string {
	switch {
	case !h.Exists:
		return "the interface does not exist"
	case !h.Follow:
		return "not followed"
	}
	text := fmt.Sprintf("followed: %s, %s, %s", counted(len(h.Addresses), "address", "addresses"),
		counted(len(h.Routes), "route", "routes"),
		counted(len(h.Neighbours), "neighbour", "neighbours"))
	var beside []string
	if h.RefusedCount > 0 {
		beside = append(beside, fmt.Sprintf("%d refused", h.RefusedCount))
	}
	if h.ECMP > 0 {
		beside = append(beside, fmt.Sprintf("%s by the first of several gateways",
			counted(h.ECMP, "route", "routes")))
	}
	if h.Excess > 0 {
		beside = append(beside, fmt.Sprintf("%d too many, left out", h.Excess))
	}
	return strings.Join(append([]string{text}, beside...), "; ")
}

func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// hostLines returns what a plan says of host interfaces that are followed.
func hostLines(all []HostReport) (lines []string) {
	for i := range all {
		if h := &all[i]; h.Follow {
			lines = append(lines, fmt.Sprintf("port %s has from %s, whatever the file says: %s", h.Port,
				h.Interface, h.Summary()))
		}
	}
	return lines
}

// HostLines returns what the ports have from their host interfaces, one line each.
func (r *Running) HostLines() (lines []string) {
	for _, h := range r.HostReports() {
		for _, list := range []struct {
			kind string
			all  []string
		}{{"address", h.Addresses}, {"route", h.Routes}, {"neighbour", h.Neighbours}} {
			for _, what := range list.all {
				lines = append(lines,
					fmt.Sprintf("port %s: %s %s, from %s", h.Port, list.kind, what, h.Interface))
			}
		}
	}
	return lines
}
