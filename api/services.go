package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/control"
)

// ServiceName names a service in a request's path.
type ServiceName struct {
	Service string `path:"service" doc:"the service's name"`
}

func (a *api) addServices(h huma.API) {
	huma.Register(h, huma.Operation{
		OperationID: "add-service", Method: http.MethodPost, Path: "/v1/services",
		Summary: "Add a service at the end of the list",
	}, func(ctx context.Context, in *struct{ Body control.ServiceAddition }) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.AddService(ctx, in.Body)
		})
	})
	huma.Register(h, huma.Operation{
		OperationID: "change-service", Method: http.MethodPatch, Path: "/v1/services/{service}",
		Summary: "Change the given settings of a service",
	}, func(ctx context.Context, in *struct {
		ServiceName
		Body control.ServiceChange
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.ChangeService(ctx, in.Service, in.Body)
		})
	})
	huma.Register(h, huma.Operation{
		OperationID: "remove-service", Method: http.MethodDelete, Path: "/v1/services/{service}",
		Summary: "Remove a service with its real servers",
	}, func(ctx context.Context, in *ServiceName) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.RemoveService(ctx, in.Service)
		})
	})
}
