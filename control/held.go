package control

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/engine"
)

// Held are the addresses that host interfaces have, each with the name of its interface.
type Held map[netip.Addr]string

// NewHeld returns the addresses that interfaces have, which are in the order of their names.
func NewHeld(names []string, all [][]netip.Addr) Held {
	held := Held{}
	for i, list := range all {
		for _, a := range list {
			held[a] = names[i]
		}
	}
	return held
}

// silence says which VIPs a service does not want announced: all of them, or some.
func silence(of *config.Config, s *config.Service, held Held) (all bool, some []netip.Addr) {
	if !of.Director.Announces(s) || s.VIPOwner != config.OwnedByHost {
		return !of.Director.Announces(s), nil
	}
	vips := of.VIPs(s)
	for _, vip := range vips {
		if _, holds := held[vip]; !holds {
			some = append(some, vip)
		}
	}
	if len(some) == len(vips) {
		return true, nil
	}
	return false, some
}

// HoldVIPs tells which addresses host interfaces have now. VIPs that the host owns are announced
// and answered for from then on, or not any more. Sessions go on either way.
func (r *Running) HoldVIPs(ctx context.Context, held Held) error {
	if err := r.begin(ctx, "hold VIPs"); err != nil {
		return err
	}
	defer r.turn.End()
	was := r.held
	if was != nil && maps.Equal(was, held) {
		return nil
	}
	put, moved := r.moved(held)
	if len(put) > 0 {
		if err := r.engine.Change(engine.Change{Put: put}); err != nil {
			return fmt.Errorf("announce other VIPs: %w", err)
		}
	}
	r.mu.Lock()
	r.held = held
	r.mu.Unlock()
	r.tellHeld()
	r.auditHeld(was, held, moved)
	return nil
}

// tellHeld tells the engine which addresses host interfaces hold that are no port's own. The caller
// has the turn.
func (r *Running) tellHeld() {
	if r.held == nil { // there is no host interface
		return
	}
	own := map[netip.Addr]bool{}
	for _, p := range r.followed.Ports {
		for _, a := range p.Addresses {
			own[a.Addr()] = true
		}
	}
	var all []netip.Addr
	for a := range r.held {
		if !own[a] {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	r.engine.SetHostVIPs(all)
}

// moved returns the services that announce other VIPs once host interfaces have other addresses,
// and the VIPs that come or go. The caller has the turn.
func (r *Running) moved(held Held) (put []engine.Service, moved []netip.Addr) {
	for i := range r.current.Services {
		s := &r.current.Services[i]
		if s.VIPOwner != config.OwnedByHost {
			continue
		}
		before := len(moved)
		for _, vip := range r.current.VIPs(s) {
			_, had := r.held[vip]
			if _, has := held[vip]; has != had {
				moved = append(moved, vip)
			}
		}
		if len(moved) > before {
			put = append(put, r.serviceWhile(held, r.current, s, r.slow.all[s.ID()]))
		}
	}
	slices.SortFunc(moved, netip.Addr.Compare)
	return put, slices.Compact(moved)
}

// auditHeld logs the VIPs that came or went, by their interface.
func (r *Running) auditHeld(was, now Held, moved []netip.Addr) {
	plans := map[string]*Plan{}
	var names []string
	for _, vip := range moved {
		name, detail := now[vip], "held by the host"
		if name == "" {
			name, detail = was[vip], "not held by the host any more"
		}
		if plans[name] == nil {
			names, plans[name] = append(names, name), &Plan{}
		}
		plans[name].Changes = append(plans[name].Changes,
			Change{Action: Alter, Object: "VIP " + vip.String(), Detail: detail})
	}
	for _, name := range names {
		r.auditHost(name, plans[name])
	}
}

// auditHost logs a change that a host interface brings, by any actor of the change that it is part
// of.
func (r *Running) auditHost(name string, p *Plan) {
	who := r.task.who
	defer func() { r.task.who = who }()
	r.task.who = Actor{Name: "host interface " + name}
	r.audit(p)
}

// addOwners adds to a report whose VIPs are the host's, and which of them it holds.
func (r *Running) addOwners(report *Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range report.Services {
		s := &report.Services[i]
		place, known := r.places[s.Name]
		if !known || r.current.Services[place].VIPOwner != config.OwnedByHost {
			continue
		}
		s.VIPOwner = config.OwnedByHost.String()
		for _, vip := range r.current.VIPs(&r.current.Services[place]) {
			if _, holds := r.held[vip]; holds {
				s.Held = append(s.Held, vip.String())
			}
		}
	}
}

// ownedVIP is a VIP of a service that the host owns.
type ownedVIP struct {
	service string
	vip     netip.Addr
	held    bool
}

// ownedVIPs returns the VIPs that the host owns, by service.
func (r *Running) ownedVIPs() (all []ownedVIP) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.current.Services {
		s := &r.current.Services[i]
		if s.VIPOwner != config.OwnedByHost {
			continue
		}
		for _, vip := range r.current.VIPs(s) {
			_, holds := r.held[vip]
			all = append(all, ownedVIP{s.Name, vip, holds})
		}
	}
	return all
}

// CountOwnedVIPs returns how many VIPs the host owns, and how many of them it holds.
func (r *Running) CountOwnedVIPs() (owned, held int) {
	has := map[netip.Addr]bool{}
	for _, v := range r.ownedVIPs() {
		has[v.vip] = v.held
	}
	for _, holds := range has {
		if holds {
			held++
		}
	}
	return len(has), held
}
