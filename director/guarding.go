package director

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/guard"
	"fulcrum/lvs"
)

// kernelInterval is the time between two looks at the host's addresses and settings.
const kernelInterval = time.Second

// guarding is the part that finds out whether the kernel answers packets of the director too, and
// hides them from it on ports with a guard. It is the control.Kernel of the running configuration.
type guarding struct {
	*Director
	shown atomic.Pointer[[]control.KernelPort] // as of the last look

	mu      sync.Mutex     // guards the following fields
	guard   *guard.Guard   // nil while no port has a guard
	on      []bool         // by port: it has a guard
	deaf    []bool         // by port: the kernel gets nothing at the interface below
	as      *config.Config // of the last replacement: its marks hold for changes of services
	claimed claimed
	looked  time.Time // of the last look
}

func newGuarding(d *Director) *guarding {
	g := &guarding{Director: d}
	g.shown.Store(&[]control.KernelPort{})
	return g
}

// Start returns an error if a guard cannot be set. The engine forwards nothing yet.
func (g *guarding) Start() error {
	c := g.running.Effective()
	g.on, g.deaf = make([]bool, len(c.Ports)), make([]bool, len(c.Ports))
	before := config.Config{Ports: slices.Clone(c.Ports)}
	for i := range before.Ports {
		before.Ports[i].Guard, before.Ports[i].Host = false, ""
	}
	done, err := g.Replace(&before, c)
	if err != nil {
		return err
	}
	done(true)
	for i, p := range c.Ports {
		if g.on[i] {
			g.cfg.Log.Info("the port's packets are hidden from the kernel", "port", p.Name,
				"interface", p.Interface())
		}
	}
	g.look(time.Now())
	return nil
}

// Stop shows everything to the kernel again. The counts stay for the last report.
func (g *guarding) Stop() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.guard == nil {
		return nil
	}
	last := g.known(g.running.Config())
	g.shown.Store(&last)
	return g.removeGuard()
}

// Ports returns what the last look has found, and the present counts of host interfaces.
func (g *guarding) Ports() []control.KernelPort {
	shown := *g.shown.Load()
	ports := make([]control.KernelPort, len(g.cfg.Config.Ports))
	copy(ports, shown)
	for i := range ports {
		ports[i].Host = g.hosting.port(i)
	}
	return ports
}

// Change hides what a service will have. The returned function shows what is not the director's any
// more.
func (g *guarding) Change(was, next *config.Service) (func(made bool), error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.guard == nil {
		return func(bool) {}, nil
	}
	before, after := g.servicesOf(was), g.servicesOf(next)
	if err := g.hide(after); err != nil {
		return nil, err
	}
	return func(made bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if made {
			g.show(before)
		} else {
			g.show(after)
		}
	}, nil
}

func (g *guarding) servicesOf(s *config.Service) []guard.Service {
	if s == nil {
		return nil
	}
	return []guard.Service{serviceOf(g.as, s)}
}

// Replace is the same for all services, and sets and removes guards of ports.
func (g *guarding) Replace(was, next *config.Config) (func(made bool), error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	created := g.guard == nil && guards(next)
	if created {
		if err := g.create(); err != nil {
			return nil, err
		}
	}
	if g.guard == nil {
		g.as = next
		return func(bool) {}, nil
	}
	if err := g.hide(all(next)); err != nil {
		return nil, errors.Join(err, g.keepOnly(was))
	}
	if err := g.attach(next); err != nil {
		g.show(all(next))
		return nil, errors.Join(err, g.keepOnly(was))
	}
	return func(made bool) { g.finish(was, next, created, made) }, nil
}

// finish ends a replacement: what does not hold is shown, and guards that it lacks are removed.
func (g *guarding) finish(was, next *config.Config, created, made bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	holds := next
	if !made {
		holds = was
		g.show(all(next))
	} else if !created {
		g.show(all(was))
	}
	g.as = holds
	if err := g.keepOnly(holds); err != nil {
		g.cfg.Log.Warn("removing a guard", "error", err)
	}
	g.looked = time.Time{} // the next look comes at once
}

// create makes a guard that knows the host's addresses, and the local addresses that only sessions
// use.
func (g *guarding) create() error {
	h, err := guard.ReadHost()
	if err != nil {
		return err
	}
	if g.guard, err = guard.New(); err != nil {
		return err
	}
	var retired guard.Service
	for _, r := range g.engine.RetiredLocals() {
		retired.Locals = append(retired.Locals, r.Address)
	}
	err = errors.Join(g.guard.SetHost(h.Addresses), g.guard.Hide(&retired), g.guard.Show(&retired))
	if err != nil {
		return errors.Join(err, g.removeGuard())
	}
	return nil
}

func (g *guarding) removeGuard() error {
	last := g.guard
	g.guard = nil
	return last.Close()
}

// attach sets the guards that a configuration has.
func (g *guarding) attach(c *config.Config) error {
	for i, p := range c.Ports {
		if !p.Guard || g.on[i] {
			continue
		}
		if err := g.guard.Attach(p.Interface(), p.VLAN); err != nil {
			return fmt.Errorf("port %q: %w", p.Name, err)
		}
		g.on[i] = true
	}
	return nil
}

// keepOnly removes the guards that a configuration does not have.
func (g *guarding) keepOnly(c *config.Config) (err error) {
	for i, p := range c.Ports {
		if g.on[i] && !p.Guard {
			g.on[i] = false
			err = errors.Join(err, g.guard.Detach(p.Interface(), p.VLAN))
		}
	}
	if g.guard != nil && !slices.Contains(g.on, true) && !guards(c) {
		err = errors.Join(err, g.removeGuard())
	}
	return err
}

// hide hides all services, or none and returns an error.
func (g *guarding) hide(services []guard.Service) error {
	for i := range services {
		if err := g.guard.Hide(&services[i]); err != nil {
			g.show(services[:i])
			return err
		}
	}
	return nil
}

func (g *guarding) show(services []guard.Service) {
	for i := range services {
		if err := g.guard.Show(&services[i]); err != nil {
			g.cfg.Log.Warn("the kernel does not see again what it should", "error", err)
		}
	}
}

// guards reports whether a port of a configuration needs a guard: it has one, or has a host
// interface above one that the kernel reads too.
func guards(c *config.Config) bool {
	return slices.ContainsFunc(c.Ports, func(p config.Port) bool { return p.Guard || sharesHost(&p) })
}

// sharesHost reports whether the kernel gets what is for a port's host interface a second time,
// from the interface below.
func sharesHost(p *config.Port) bool { return p.Host != "" && p.Interface() != "" }

// all returns what is the director's in a configuration.
func all(c *config.Config) []guard.Service {
	var own guard.Service
	for _, p := range c.Ports {
		for _, a := range p.Addresses {
			own.Locals = append(own.Locals, a.Addr())
		}
	}
	list := []guard.Service{own}
	for i := range c.Services {
		list = append(list, serviceOf(c, &c.Services[i]))
	}
	return list
}

// serviceOf returns what a service of a configuration makes the director's. Real servers that
// answer to clients' addresses do so by way of the director.
func serviceOf(c *config.Config, s *config.Service) guard.Service {
	g := guard.Service{
		Matches: c.Claims(s), Locals: s.LocalAddresses, Routed: c.Session.RouteUnmatched,
	}
	for _, rs := range s.RealServers {
		if mode := s.ModeOf(rs); mode.TwoWay() && mode.Source() == lvs.Client {
			g.Answering = append(g.Answering, rs.Address)
		}
	}
	return g
}

// look asks the kernel once in a while. The watching part calls it.
func (g *guarding) look(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, revision := g.running.Revision()
	if now.Sub(g.looked) < kernelInterval || !anyShared(c) {
		return
	}
	g.looked = now
	h, err := guard.ReadHost()
	if err != nil {
		return // the next look may find out
	}
	if g.guard != nil {
		g.settle(h)
	}
	g.claimed.look(c, revision, h)
	g.findOut(c, h, g.lookBelow(c, h))
}

// settle tells the guard what the host has, and which local addresses no session uses any more.
func (g *guarding) settle(h *guard.Host) {
	used := map[netip.Addr]bool{}
	for _, r := range g.engine.RetiredLocals() {
		used[r.Address] = true
	}
	err := errors.Join(g.guard.SetHost(h.Addresses),
		g.guard.Settle(func(a netip.Addr) bool { return used[a] }))
	if err != nil {
		g.cfg.Log.Warn("the guard does not know what has changed", "error", err)
	}
}

// anyShared reports whether the kernel has anything to do with a port's packets.
func anyShared(c *config.Config) bool {
	return slices.ContainsFunc(c.Ports, func(p config.Port) bool {
		return p.Interface() != "" || p.Host != "" && p.Below() != ""
	})
}
