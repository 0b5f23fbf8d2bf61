package control

import (
	"context"
	"slices"

	"fulcrum/config"
)

// AnnounceRequest says which VIPs to announce from now on.
type AnnounceRequest struct {
	Announce bool   `json:"announce" doc:"false: fall silent about the VIP, and go on to forward"`
	Service  string `json:"service,omitempty" doc:"the service's name; all services if it is empty"`
}

// Announce has the VIP of one service announced, or not. Without a service it sets
// director.announce, which holds for all services that do not say it themselves. To fall silent
// about all VIPs, it also clears the announce = true of services. A service that says announce =
// false keeps it: its VIP may belong to another director.
func (r *Running) Announce(ctx context.Context, n AnnounceRequest) (Plan, error) {
	if n.Service != "" {
		return r.ChangeService(ctx, n.Service, ServiceChange{
			ServiceSettings: ServiceSettings{Announce: &n.Announce},
		})
	}
	if err := r.begin(ctx, "announce"); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	old := r.Config()
	next := *old
	next.Services = slices.Clone(old.Services)
	next.Director.Announce = n.Announce
	for i := range next.Services {
		if s := &next.Services[i]; !n.Announce && s.Announce == config.AnnounceOn {
			s.Announce = config.AsDirector
		}
	}
	return r.replaceAll(&next, r.base)
}
