package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/control"
)

// meant returns the service and the real server that a user names: a service by its VIP too, a real
// server without its port, as long as both together are unique. An empty server stands for none.
// Names that are complete are not looked up.
func (a *asking) meant(c *cobra.Command, service, server string) (_, _ string, err error) {
	_, vip := addressOf(service)
	_, addressErr := netip.ParseAddrPort(server)
	if !vip && (server == "" || addressErr == nil) {
		return service, server, nil
	}
	return a.lookUp(c, service, server)
}

// unknownNames explains that the director knows no such service or real server. It returns other
// errors unchanged.
func (a *asking) unknownNames(c *cobra.Command, service, server string, err error) error {
	if p, ours := errors.AsType[*api.Problem](err); !ours || p.Status != http.StatusNotFound {
		return err
	}
	if _, _, better := a.lookUp(c, service, server); better != nil {
		return better
	}
	return err
}

// lookUp finds a service and a real server among those of the director.
func (a *asking) lookUp(c *cobra.Command, service, server string) (_, _ string, err error) {
	client, err := a.client()
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(c.Context(), askDeadline)
	defer cancel()
	var all []control.ServiceReport
	if err := client.Do(ctx, http.MethodGet, "services", nil, &all); err != nil {
		return "", "", err
	}
	s, err := findService(all, service, server)
	if err != nil || server == "" {
		return s.Name, server, err
	}
	server, err = findServer(&s, server)
	return s.Name, server, err
}

// findService returns the service with a name, with a VIP and port, or with a VIP of its own. Of
// several services of a VIP, it returns the one that has the real server, if server is not empty.
func findService(all []control.ServiceReport, name, server string) (
	_ control.ServiceReport, err error,
) {
	var names []string
	var found []control.ServiceReport
	vip, isVIP := addressOf(name)
	for _, one := range all {
		if one.Name == name {
			return one, nil
		}
		names = append(names, one.Name)
		if isVIP && vip.covers(one.Address) {
			found = append(found, one)
		}
	}
	found = having(found, server)
	var none control.ServiceReport
	switch near, ok := config.Nearest(name, names); {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return none, severalServices(name, found)
	case isVIP:
		return none, fmt.Errorf("no service has the VIP %s: fulcrum services lists them", name)
	case ok:
		return none, fmt.Errorf("unknown service %q: did you mean %q?", name, near)
	}
	return none, fmt.Errorf("unknown service %q: fulcrum services lists them", name)
}

// having returns the services that have a real server, or all if none has it.
func having(all []control.ServiceReport, server string) (some []control.ServiceReport) {
	address, isAddress := addressOf(server)
	for _, s := range all {
		if isAddress && slices.ContainsFunc(s.RealServers, func(rs control.RealServerReport) bool {
			return address.covers(rs.Address)
		}) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return all
	}
	return some
}

func severalServices(vip string, all []control.ServiceReport) error {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return fmt.Errorf("%s is the VIP of %d services: give one of %s", vip, len(all), named(names))
}

// findServer returns the address of the service's real server, which may be given without its port.
func findServer(s *control.ServiceReport, name string) (string, error) {
	var all, found []string
	address, isAddress := addressOf(name)
	for _, rs := range s.RealServers {
		if all = append(all, rs.Address); isAddress && address.covers(rs.Address) {
			found = append(found, rs.Address)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) > 1 {
		return "", fmt.Errorf("%s is the address of %d real servers of service %q: give one of %s", name,
			len(found), s.Name, named(found))
	}
	remedy := "it has " + named(all)
	if len(all) == 0 {
		remedy = "it has none"
	}
	return "", fmt.Errorf("unknown real server %q of service %q: %s", name, s.Name, remedy)
}

// address is an address, with or without a port.
type address struct {
	netip.Addr
	port  uint16 // valid if given
	given bool
}

// addressOf parses an address, with or without a port, and reports whether the text is one.
func addressOf(text string) (address, bool) {
	if whole, err := netip.ParseAddrPort(text); err == nil {
		return address{whole.Addr().Unmap(), whole.Port(), true}, true
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address{Addr: a.Unmap()}, err == nil
}

// covers reports whether the text is this address, with this port if one is given.
func (a address) covers(text string) bool {
	other, err := netip.ParseAddrPort(text)
	return err == nil && other.Addr() == a.Addr && (!a.given || other.Port() == a.port)
}
