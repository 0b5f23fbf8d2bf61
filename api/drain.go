package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/control"
)

const drainPath = "/v1/services/{service}/real-servers/{server}/drain"

func (a *api) addDrains(h huma.API) {
	huma.Get(h, "/v1/drains", func(context.Context, *struct{}) (*body[[]control.Drain], error) {
		return answer(a.running.Drains()), nil
	}, is("list-drains", "List the drains that go on and those that ended in the last hour",
		"A drain ends when no session is left, or at its deadline."))
	huma.Get(h, drainPath, func(_ context.Context, in *ServerID) (*body[control.Drain], error) {
		return drained(a.running.DrainOf(control.ServerID(*in)))
	}, is("get-drain", "Progress of a drain",
		"Also of one that ended in the last hour.", http.StatusNotFound))
	huma.Delete(h, drainPath, func(ctx context.Context, in *ServerID) (*body[control.Drain], error) {
		return drained(a.running.CancelDrain(ctx, control.ServerID(*in)))
	}, is("cancel-drain", "Cancel a drain; the weight stays 0",
		"Its sessions are not ended, and the real server is not removed.", http.StatusNotFound))
	huma.Post(h, drainPath, func(ctx context.Context, in *struct {
		ServerID
		Refusal
		Body control.DrainRequest
	}) (*body[control.Drain], error) {
		return take(a.changes, func() (control.Drain, error) {
			return a.running.Drain(in.Refusal.in(ctx), control.ServerID(in.ServerID), in.Body)
		})
	}, is("drain", "Drain a real server: it gets no new sessions, and its sessions go on",
		"The director counts them down by itself, and ends them at the deadline if it is to.",
		changeErrors...))
}

func drained(d control.Drain, err error) (*body[control.Drain], error) {
	if err != nil {
		return nil, problem(err)
	}
	return answer(d), nil
}
