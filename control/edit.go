package control

import (
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/config"
)

// ServerID names a real server.
type ServerID struct {
	Service string // its name
	Server  string // the real server's address and port
}

// RealServerChange changes what is given of a real server.
type RealServerChange struct {
	Weight         *int `json:"weight,omitempty" minimum:"0" maximum:"65535" doc:"0 drains"`
	UpperThreshold *int `json:"upper_threshold,omitempty" minimum:"0"`
	LowerThreshold *int `json:"lower_threshold,omitempty" minimum:"0"`
}

// RealServerAddition is a new real server. It goes last in its service.
type RealServerAddition struct {
	Address string `json:"address" example:"10.1.0.13:80"`
	RealServerChange
}

// AddRealServer adds a real server to a service.
func (r *Running) AddRealServer(service string, n RealServerAddition) (Plan, error) {
	return r.Edit(func(c *config.Config) error { return addServer(c, service, n) })
}

// ChangeRealServer changes what is given of a real server.
func (r *Running) ChangeRealServer(id ServerID, change RealServerChange) (Plan, error) {
	return r.Edit(func(c *config.Config) error { return changeServer(c, id, change) })
}

// RemoveRealServer removes a real server.
func (r *Running) RemoveRealServer(id ServerID) (Plan, error) {
	return r.Edit(func(c *config.Config) error { return removeServer(c, id) })
}

// NotFoundError says that a name or address belongs to nothing in the configuration.
type NotFoundError string

func (e NotFoundError) Error() string { return string(e) }

// AddressError says that a text is not the address of a service or real server.
type AddressError struct{ Text string }

func (e *AddressError) Error() string {
	return fmt.Sprintf("%q is no address with a port: write one such as 10.1.0.11:80 or [fd00::11]:80", e.Text)
}

// address reads the address of a service or real server. The error is an *AddressError.
func address(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, &AddressError{text}
	}
	return a, nil
}

// findService finds a service by name.
func findService(c *config.Config, name string) (*config.Service, error) {
	i := slices.IndexFunc(c.Services, func(s config.Service) bool { return s.Name == name })
	if i < 0 {
		return nil, NotFoundError(fmt.Sprintf("there is no service %q", name))
	}
	return &c.Services[i], nil
}

// findServer finds a real server, and its place in its service.
func findServer(c *config.Config, in ServerID) (*config.Service, int, error) {
	s, err := findService(c, in.Service)
	if err != nil {
		return nil, 0, err
	}
	a, err := address(in.Server)
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(s.RealServers, func(rs config.RealServer) bool { return rs.Address == a })
	if i < 0 {
		return nil, 0, NotFoundError(fmt.Sprintf("service %s has no real server %s", in.Service, a))
	}
	return s, i, nil
}

// canonical writes the address as everybody does.
func (id ServerID) canonical() (ServerID, error) {
	a, err := address(id.Server)
	return ServerID{id.Service, a.String()}, err
}

func addServer(c *config.Config, name string, n RealServerAddition) error {
	s, err := findService(c, name)
	if err != nil {
		return err
	}
	return addServerTo(s, n)
}

func addServerTo(s *config.Service, n RealServerAddition) error {
	a, err := address(n.Address)
	if err != nil {
		return err
	}
	rs := config.RealServer{Address: a, Weight: 1}
	n.RealServerChange.to(&rs)
	s.RealServers = append(s.RealServers, rs)
	return nil
}

func changeServer(c *config.Config, in ServerID, change RealServerChange) error {
	s, i, err := findServer(c, in)
	if err != nil {
		return err
	}
	change.to(&s.RealServers[i])
	return nil
}

func removeServer(c *config.Config, in ServerID) error {
	s, i, err := findServer(c, in)
	if err != nil {
		return err
	}
	s.RealServers = slices.Delete(s.RealServers, i, i+1)
	return nil
}

// to makes the change.
func (n *RealServerChange) to(rs *config.RealServer) {
	for _, f := range []struct {
		from *int
		to   *int
	}{{n.Weight, &rs.Weight}, {n.UpperThreshold, &rs.UpperThreshold}, {n.LowerThreshold, &rs.LowerThreshold}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
}
