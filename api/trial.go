package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/control"
)

// mostTrials bounds the checks that clients have made at a time.
const mostTrials = 16

func (a *api) addTrials(h huma.API) {
	trials := make(places, mostTrials)
	huma.Post(h, "/v1/services/{service}/real-servers/{server}/check",
		func(ctx context.Context, in *ServerID) (*body[control.Trial], error) {
			return take(trials, func() (control.Trial, error) {
				return a.running.TryCheck(ctx, control.ServerID(*in))
			})
		}, is("check-real-server", "Make the health check of a real server now, and show each step",
			"It changes nothing: the director's own checks decide.", http.StatusNotFound))
	huma.Get(h, "/v1/services/{service}/real-servers/{server}/check",
		func(_ context.Context, in *ServerID) (*body[control.PastChecks], error) {
			p, err := a.running.PastChecks(control.ServerID(*in))
			return &body[control.PastChecks]{p}, err
		}, is("get-checks", "Show the last results of the health checks of a real server",
			"At most 16 are remembered, the latest first. No check is made.", http.StatusNotFound))
}
