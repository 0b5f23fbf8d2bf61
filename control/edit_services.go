package control

import (
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
)

func addService(c *config.Config, n *ServiceAddition) error {
	vip, err := address(n.Address)
	if err != nil {
		return err
	}
	s := config.Service{Name: n.Name, Address: vip, Scheduler: lvs.DefaultScheduler, Echo: true}
	if s.Protocol, err = config.ParseProtocol(n.Protocol); err != nil {
		return err
	}
	if s.Mode, err = config.ParseMode(n.Mode); err != nil {
		return err
	}
	if err := n.ServiceSettings.to(&s); err != nil {
		return err
	}
	c.Services = append(c.Services, s)
	for _, rs := range n.RealServers {
		if err := addServerTo(&c.Services[len(c.Services)-1], rs); err != nil {
			return err
		}
	}
	return nil
}

func changeService(c *config.Config, name string, change *ServiceChange) error {
	s, err := findService(c, name)
	if err != nil {
		return err
	}
	if change.Name != nil {
		s.Name = *change.Name
	}
	return change.ServiceSettings.to(s)
}

func removeService(c *config.Config, name string) error {
	if _, err := findService(c, name); err != nil {
		return err
	}
	c.Services = slices.DeleteFunc(c.Services, func(s config.Service) bool { return s.Name == name })
	return nil
}

// to makes the changes. What the values mean is checked with the whole configuration.
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
