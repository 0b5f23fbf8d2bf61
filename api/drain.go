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
	}, summary("List the drains that go on and those that ended in the last hour"))
	huma.Get(h, drainPath, func(_ context.Context, in *ServerID) (*body[control.Drain], error) {
		return drained(a.running.DrainOf(control.ServerID(*in)))
	}, summary("Progress of a drain"))
	huma.Delete(h, drainPath, func(_ context.Context, in *ServerID) (*body[control.Drain], error) {
		return drained(a.running.CancelDrain(control.ServerID(*in)))
	}, summary("Cancel a drain; the weight stays 0"))
	huma.Register(h, huma.Operation{
		OperationID: "drain", Method: http.MethodPost, Path: drainPath,
		Summary: "Drain a real server: it gets no new sessions, and its sessions go on",
	}, func(ctx context.Context, in *struct {
		ServerID
		Body control.DrainRequest
	}) (*body[control.Drain], error) {
		return take(a.changes, func() (control.Drain, error) {
			return a.running.Drain(ctx, control.ServerID(in.ServerID), in.Body)
		})
	})
}

func drained(d control.Drain, err error) (*body[control.Drain], error) {
	if err != nil {
		return nil, problem(err)
	}
	return answer(d), nil
}
