package control

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/config"
)

// ServiceAddition is a new service. It goes last. What is left out is as in a file.
type ServiceAddition struct {
	Name        string               `json:"name" example:"web"`
	Address     string               `json:"address" doc:"the VIP and its port" example:"10.0.0.100:80"`
	Protocol    string               `json:"protocol" example:"tcp"`
	Mode        string               `json:"mode" example:"fullnat"`
	RealServers []RealServerAddition `json:"real_servers,omitempty"`
	ServiceSettings
}

// ServiceSettings are what can be changed of a service while its sessions go on.
type ServiceSettings struct {
	Scheduler      *string   `json:"scheduler,omitempty" example:"wlc"`
	MSS            *int      `json:"mss,omitempty" doc:"what SYNs may say at most, in bytes; 0 is anything"`
	Echo           *bool     `json:"echo,omitempty" doc:"the director answers echo requests to the VIP"`
	LocalAddresses *[]string `json:"local_addresses,omitempty" doc:"fullnat: addresses, ranges or subnets"`
}

// ServiceChange changes what is given of a service.
type ServiceChange struct {
	Name *string `json:"name,omitempty"`
	ServiceSettings
}

// ServiceName is the path of a service.
type ServiceName struct {
	Service string `path:"service" doc:"the service's name"`
}

func (a *api) addServices(h huma.API) {
	huma.Register(h, huma.Operation{
		OperationID: "add-service", Method: http.MethodPost, Path: "/v1/services", Summary: "Add a service, last",
	}, func(_ context.Context, in *struct{ Body ServiceAddition }) (*applied, error) {
		return done(a.running.Edit(func(c *config.Config) error { return addService(c, &in.Body) }))
	})
	huma.Register(h, huma.Operation{
		OperationID: "change-service", Method: http.MethodPatch, Path: "/v1/services/{service}", Summary: "Change what is given of a service",
	}, func(_ context.Context, in *struct {
		ServiceName
		Body ServiceChange
	}) (*applied, error) {
		return done(a.running.Edit(func(c *config.Config) error { return changeService(c, in.Service, &in.Body) }))
	})
	huma.Register(h, huma.Operation{
		OperationID: "remove-service", Method: http.MethodDelete, Path: "/v1/services/{service}", Summary: "Remove a service with its real servers",
	}, func(_ context.Context, in *ServiceName) (*applied, error) {
		return done(a.running.Edit(func(c *config.Config) error { return removeService(c, in.Service) }))
	})
}
