package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/control"
)

// ServiceName names a service in a request's path.
type ServiceName struct {
	Service string `path:"service" doc:"the service's name"`
}

func (a *api) addServices(h huma.API) {
	huma.Post(h, "/v1/services", func(ctx context.Context, in *struct{ Body control.ServiceAddition }) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.AddService(ctx, in.Body)
		})
	}, is("add-service", "Add a service at the end of the list",
		"It is announced at once, unless it or the director says otherwise.", changeErrors...))
	huma.Patch(h, "/v1/services/{service}", func(ctx context.Context, in *struct {
		ServiceName
		Body control.ServiceChange
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.ChangeService(ctx, in.Service, in.Body)
		})
	}, is("change-service", "Change the given settings of a service",
		"Sessions go on. A mode changes by apply.", changeErrors...))
	huma.Delete(h, "/v1/services/{service}", func(ctx context.Context, in *ServiceName) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.RemoveService(ctx, in.Service)
		})
	}, is("remove-service", "Remove a service with its real servers",
		"Its sessions' packets are dropped as real_server_gone.", changeErrors...))
}
