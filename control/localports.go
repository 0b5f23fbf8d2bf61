package control

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"fulcrum/engine"
)

// LocalUse tells how many local ports of one local address towards one real server are in use. A
// port is used once for each real server. Services that share a local address and a real server
// share the ports.
type LocalUse struct {
	Address string `json:"address" example:"10.1.0.50"`
	Used    int    `json:"used"`
	Left    int    `json:"left"`
	// UsedPercent is that of the worker with the fewest ports left: each has an equal part.
	UsedPercent float64 `json:"used_percent"`
}

// LocalAddressReport contains the sessions of a local address.
type LocalAddressReport struct {
	Address  string `json:"address"`
	Sessions int    `json:"sessions"`
	// Retired: no service has it any more. It stays until its sessions have ended.
	Retired bool `json:"retired"`
}

// CrowdedLocal is a local address that has few ports left towards a real server.
type CrowdedLocal struct {
	Service    string `json:"service"`
	RealServer string `json:"real_server"`
	LocalUse
}

func newLocalUse(u engine.LocalUse) LocalUse {
	return LocalUse{
		Address: u.Address.String(), Used: u.Used, Left: max(engine.LocalPorts-u.Used, 0),
		UsedPercent: 100 * u.Share,
	}
}

func newLocalUses(all []engine.LocalUse) []LocalUse {
	var uses []LocalUse
	for _, u := range all {
		uses = append(uses, newLocalUse(u))
	}
	return uses
}

func newLocalAddresses(all []engine.LocalAddressReport) []LocalAddressReport {
	list := []LocalAddressReport{}
	for _, a := range all {
		list = append(list, LocalAddressReport{a.Address.String(), a.Sessions, a.Retired})
	}
	return list
}

// RetiredLocals returns the local addresses that only old sessions use.
func (r *Report) RetiredLocals() []LocalAddressReport {
	list := []LocalAddressReport{}
	for _, a := range r.LocalAddresses {
		if a.Retired {
			list = append(list, a)
		}
	}
	return list
}

// The shares of local ports in use from which a warning is given, and below which it is taken back.
const (
	crowdedShare = 0.80
	relaxedShare = 0.75
)

// crowdPoll is the time between two looks at the local ports.
const crowdPoll = 5 * time.Second

// CrowdedLocals returns the local addresses of which at least 80 % of the ports towards a real
// server are in use.
func (r *Running) CrowdedLocals() []CrowdedLocal {
	list := []CrowdedLocal{}
	for _, c := range r.engine.CrowdedLocals(crowdedShare) {
		list = append(list, CrowdedLocal{c.Service, c.RealServer.String(), newLocalUse(c.LocalUse)})
	}
	return list
}

// crowdKey names a local address at a real server.
type crowdKey struct{ service, server, local string }

// crowd remembers for which local addresses a warning stands.
type crowd map[crowdKey]bool

// maxCrowdLines bounds the lines of one look: local ports tend to run out everywhere at once.
const maxCrowdLines = 10

// update returns the local addresses that have become crowded, and those that are so no longer.
// now holds all with at least relaxedShare.
func (c crowd) update(now []engine.CrowdedLocal) (crowded []engine.CrowdedLocal, relaxed []crowdKey) {
	still := map[crowdKey]bool{}
	for _, n := range now {
		k := crowdKey{n.Service, n.RealServer.String(), n.Address.String()}
		still[k] = true
		if n.Share >= crowdedShare && !c[k] {
			c[k] = true
			crowded = append(crowded, n)
		}
	}
	for k := range c {
		if !still[k] {
			delete(c, k)
			relaxed = append(relaxed, k)
		}
	}
	return crowded, relaxed
}

// Watch logs a warning when a local address has few ports left, until Close. Log must be set.
func (r *Running) Watch() {
	r.drains.done.Go(func() { r.watchLocals(r.drains.ctx) })
}

// watchLocals warns of local addresses that get crowded, until ctx ends.
func (r *Running) watchLocals(ctx context.Context) {
	ticker := time.NewTicker(crowdPoll)
	defer ticker.Stop()
	c := crowd{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.log(r.Log, r.engine.CrowdedLocals(relaxedShare))
		}
	}
}

// log logs what has changed since the last look. now holds all local addresses with at least
// relaxedShare of their ports in use.
func (c crowd) log(log *slog.Logger, now []engine.CrowdedLocal) {
	crowded, relaxed := c.update(now)
	for _, n := range crowded[:min(len(crowded), maxCrowdLines)] {
		log.Warn("local ports run out: add local_addresses", "service", n.Service,
			"real server", n.RealServer, "local address", n.Address,
			"used", fmt.Sprintf("%.0f%%", 100*n.Share), "sessions", n.Used)
	}
	if more := len(crowded) - maxCrowdLines; more > 0 {
		log.Warn("local ports run out at more real servers", "more", more)
	}
	for _, k := range relaxed[:min(len(relaxed), maxCrowdLines)] {
		log.Info("local ports are free again", "service", k.service, "real server", k.server,
			"local address", k.local)
	}
}
