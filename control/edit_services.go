package control

import (
	"fulcrum/config"
	"fulcrum/lvs"
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

// AddService adds a service, last.
func (r *Running) AddService(n ServiceAddition) (Plan, error) {
	next, err := n.service()
	if err != nil {
		return Plan{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.change(nil, next, len(r.current.Services))
}

// ChangeService changes what is given of the service with a name.
func (r *Running) ChangeService(name string, change ServiceChange) (Plan, error) {
	return r.edit(name, func(s *config.Service) error {
		if change.Name != nil {
			s.Name = *change.Name
		}
		return change.ServiceSettings.to(s)
	})
}

// RemoveService removes a service with its real servers.
func (r *Running) RemoveService(name string) (Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place, err := r.find(name)
	if err != nil {
		return Plan{}, err
	}
	was := r.current.Services[place]
	return r.change(&was, nil, place)
}

// Service returns the settings of the service with a name, or a NotFoundError. They must not be changed.
func (r *Running) Service(name string) (config.Service, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	place, err := r.find(name)
	if err != nil {
		return config.Service{}, err
	}
	return r.current.Services[place], nil
}

// service returns the new service, unchecked.
func (n *ServiceAddition) service() (*config.Service, error) {
	vip, err := address(n.Address)
	if err != nil {
		return nil, err
	}
	s := &config.Service{
		Name: n.Name, Address: vip, Scheduler: lvs.DefaultScheduler, Echo: true,
		PersistenceMask: config.DefaultPersistenceMask,
	}
	if s.Protocol, err = config.ParseProtocol(n.Protocol); err != nil {
		return nil, err
	}
	if s.Mode, err = config.ParseMode(n.Mode); err != nil {
		return nil, err
	}
	if err := n.ServiceSettings.to(s); err != nil {
		return nil, err
	}
	for _, rs := range n.RealServers {
		if err := addServer(s, rs); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// to makes the changes. What the values mean is checked with the whole service.
func (n *ServiceSettings) to(s *config.Service) error {
	var err error
	if n.Scheduler != nil {
		if s.Scheduler, err = config.ParseScheduler(*n.Scheduler); err != nil {
			return err
		}
	}
	if n.MSS != nil {
		s.MSS = *n.MSS
	}
	if n.Echo != nil {
		s.Echo = *n.Echo
	}
	if n.LocalAddresses == nil {
		return nil
	}
	s.LocalAddresses, err = config.ParseLocalAddresses(*n.LocalAddresses)
	return err
}
