package control

import (
	"fmt"
	"slices"

	"fulcrum/config"
)

// notFoundError says that a request names what is not there.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

// findService finds a service by name.
func findService(c *config.Config, name string) (*config.Service, error) {
	i := slices.IndexFunc(c.Services, func(s config.Service) bool { return s.Name == name })
	if i < 0 {
		return nil, notFoundError(fmt.Sprintf("there is no service %q", name))
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
		return nil, 0, notFoundError(fmt.Sprintf("service %s has no real server %s", in.Service, a))
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
