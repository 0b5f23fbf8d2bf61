package control

import (
	"context"
	"net/netip"

	"fulcrum/config"
	"fulcrum/health"
	"fulcrum/lvs"
	"fulcrum/probe"
)

// Ways has ways for checks through the modes of services. Any goroutine may call it.
type Ways interface {
	// Open returns a way to one real server of a service, whatever the scheduler would say.
	Open(server lvs.RealServerID) (Way, error)
}

// Way leads to one real server by the mode of its service.
type Way struct {
	Address netip.Addr // stands for the real server
	Source  netip.Addr // to check from
	Device  string     // the interface that leads there
	Close   func()     // to be called once the check has ended
}

// UseWays has checks go through the modes of services where they can. Call it before PrepareChecks.
func (r *Running) UseWays(w Ways) { r.checks.ways = w }

// target is where a check goes.
type target struct {
	probe.Target
	server lvs.RealServerID // of a check through the mode; zero for others
}

func targetOf(t *health.Target, h *config.Health) target {
	return target{
		Target: probe.Target{Address: t.ID.Server, Source: h.Source},
		server: t.ID.How.(how).server,
	}
}

// together reports whether a check needs nothing but a connection by the host's sockets.
func (u *use) together() bool {
	return u.target.server == (lvs.RealServerID{}) && probe.Takes(u.check, u.target.Target)
}

// try makes a check, on the way that it is to go.
func (k *checks) try(ctx context.Context, c probe.Check, to target) probe.Outcome {
	if to.server == (lvs.RealServerID{}) {
		return k.probe(ctx, c, to.Target)
	}
	way, err := k.ways.Open(to.server)
	if err != nil {
		return probe.Outcome{Reason: "no way through the mode: " + err.Error(), Unmade: true}
	}
	defer way.Close()
	at := to.Target
	at.Name, at.Source, at.Device = at.Address, way.Source, way.Device
	at.Address = netip.AddrPortFrom(way.Address, at.Name.Port())
	return k.probe(ctx, c, at)
}
