package control

import (
	"context"
	"errors"

	"fulcrum/config"
	"fulcrum/lvs"
)

// ServiceAddition is a new service. A setting that is nil has the same default as in a file.
type ServiceAddition struct {
	Name        string               `json:"name" example:"web"`
	Address     string               `json:"address,omitempty" doc:"the VIP and its port; or give addresses, or a mark" example:"10.0.0.100:80"`
	Addresses   []string             `json:"addresses,omitempty" doc:"several VIPs and ports" example:"[\"10.0.0.0/28:8000-8100\"]"`
	Mark        uint32               `json:"mark,omitempty" doc:"the number of matches in the configuration file" example:"7"`
	Family      string               `json:"family,omitempty" doc:"of the mark's matches: ipv4, unless ipv6" enum:"ipv4,ipv6"`
	Protocol    string               `json:"protocol,omitempty" doc:"not with a mark" example:"tcp"`
	Mode        string               `json:"mode" example:"fullnat"`
	RealServers []RealServerAddition `json:"real_servers,omitempty"`
	ServiceSettings
}

// ServiceSettings are the settings of a service that can change while its sessions go on. A nil
// field leaves its setting as it is.
type ServiceSettings struct {
	Scheduler      *string   `json:"scheduler,omitempty" example:"wlc"`
	SchedulerFlags *[]string `json:"scheduler_flags,omitempty" doc:"of sh and mh: sh-port, sh-fallback, mh-port, mh-fallback; another scheduler begins without"`
	MSS            *int      `json:"mss,omitempty" doc:"lower a larger MSS in SYNs to this many bytes; 0 leaves it"`
	Echo           *bool     `json:"echo,omitempty" doc:"answer echo requests to the VIP"`
	MaxSessions    *int      `json:"max_sessions,omitempty" minimum:"0" doc:"no more sessions than this; 0 is no limit"`
	MaxRate        *int      `json:"max_rate,omitempty" minimum:"0" doc:"no more new sessions a second than this; 0 is no limit"`
	SlowStart      *string   `json:"slow_start,omitempty" example:"30s" doc:"how long a real server that comes back or is new gets a part of its share only; 0s is not at all"`
	// MaxSessionsPerSource and MaxRatePerSource limit each source: an IPv4 address, or the IPv6
	// addresses with the same first 64 bits.
	MaxSessionsPerSource *int    `json:"max_sessions_per_source,omitempty" minimum:"0" doc:"no more sessions of one IPv4 address, or of one IPv6 network of 64 bits, than this; 0 is no limit"`
	MaxRatePerSource     *int    `json:"max_rate_per_source,omitempty" minimum:"0" doc:"no more new sessions a second of one such source than this; 0 is no limit"`
	Refuse               *string `json:"refuse,omitempty" enum:"icmp,reset,drop" doc:"what clients hear when no real server is available: ICMP port unreachable, a TCP reset (ICMP for all but TCP), nothing"`
	// Timeouts replaces all of the service's own. States that it does not name have those of
	// session.timeouts.
	Timeouts *map[string]string `json:"timeouts,omitempty" doc:"by state, where they differ from session.timeouts; replaces all of the service's"`
	// Persistence and PersistenceMask are how long clients stay with their real servers, and the
	// prefix length of the networks whose clients stay together.
	Persistence       *string   `json:"persistence,omitempty" example:"5m" doc:"how long a client stays with its real server after its last new session; 0s is not at all"`
	PersistenceMask   *int      `json:"persistence_mask,omitempty" minimum:"1" maximum:"128" doc:"prefix length of the networks whose clients stay together"`
	PersistenceEngine *string   `json:"persistence_engine,omitempty" enum:",sip" doc:"sip: of each client, each SIP call stays for itself; empty is none"`
	OnePacket         *bool     `json:"one_packet,omitempty" doc:"UDP: schedule every datagram on its own and keep no session"`
	Announce          *bool     `json:"announce,omitempty" doc:"announce the VIP and answer for it; false forwards packets to it all the same"`
	VIPOwner          *string   `json:"vip_owner,omitempty" enum:"director,host" doc:"host: announce a VIP only while a host interface has its address"`
	LocalAddresses    *[]string `json:"local_addresses,omitempty" doc:"fullnat: addresses, ranges or subnets"`
}

// ServiceChange changes the settings of a service. A nil field leaves its setting as it is.
type ServiceChange struct {
	Name *string `json:"name,omitempty"`
	ServiceSettings
}

// AddService adds a service at the end of the list.
func (r *Running) AddService(ctx context.Context, n ServiceAddition) (Plan, error) {
	next, err := n.service()
	if err != nil {
		return Plan{}, err
	}
	if err := r.begin(ctx, "add service"); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	return r.change(nil, next, len(r.current.Services))
}

// ChangeService changes the given settings of a service.
func (r *Running) ChangeService(
	ctx context.Context, name string, change ServiceChange,
) (Plan, error) {
	return r.edit(ctx, "change service", name, func(s *config.Service) error {
		if change.Name != nil {
			s.Name = *change.Name
		}
		return change.ServiceSettings.to(s)
	}, r.change)
}

// RemoveService removes a service with its real servers. The plan says what happens to its
// sessions.
func (r *Running) RemoveService(ctx context.Context, name string) (Plan, error) {
	if err := r.begin(ctx, "remove service"); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	place, err := r.find(name)
	if err != nil {
		return Plan{}, err
	}
	was := r.current.Services[place]
	return r.change(&was, nil, place)
}

// Service returns the settings of a service, or a NotFoundError. The caller must not change its
// lists.
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
	s := &config.Service{Name: n.Name, Scheduler: lvs.DefaultScheduler, Echo: true}
	if err := n.claims(s); err != nil {
		return nil, err
	}
	s.PersistenceMask = config.WholeMask(s.Address)
	var err error
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

// claims sets what the new service claims, unchecked.
func (n *ServiceAddition) claims(s *config.Service) (err error) {
	if n.Mark == 0 && n.Family != "" {
		return errors.New("family has a meaning only beside mark")
	}
	if n.Mark == 0 || n.Protocol != "" {
		if s.Protocol, err = config.ParseProtocol(n.Protocol); err != nil {
			return err
		}
	}
	switch {
	case n.Mark != 0 && n.Address == "" && len(n.Addresses) == 0:
		s.Mark, s.Address = n.Mark, lvs.IDOfMark(n.Mark, n.Family == "ipv6").Address
	case n.Mark == 0 && n.Address == "" && len(n.Addresses) > 0:
		err = s.ParseAddresses(n.Addresses)
	case n.Mark == 0 && len(n.Addresses) == 0:
		s.Address, err = address(n.Address)
	default:
		err = errors.New("give a service one of address, addresses and mark")
	}
	return err
}

// toScheduler changes scheduler and flags. Flags belong to their scheduler: another one begins
// without.
func (n *ServiceSettings) toScheduler(s *config.Service) (err error) {
	if n.Scheduler != nil {
		was := s.Scheduler
		if s.Scheduler, err = config.ParseScheduler(*n.Scheduler); err != nil {
			return err
		}
		if s.Scheduler != was {
			s.SchedulerFlags = 0
		}
	}
	if n.SchedulerFlags != nil {
		s.SchedulerFlags, err = config.ParseSchedulerFlags(s.Scheduler, *n.SchedulerFlags)
	}
	return err
}

// to makes the changes in s. The values are checked later, with the whole service.
func (n *ServiceSettings) to(s *config.Service) error {
	var err error
	if err := n.toScheduler(s); err != nil {
		return err
	}
	if n.MSS != nil {
		s.MSS = *n.MSS
	}
	if n.Echo != nil {
		s.Echo = *n.Echo
	}
	if n.MaxSessions != nil {
		s.MaxSessions = *n.MaxSessions
	}
	if n.MaxRate != nil {
		s.MaxRate = *n.MaxRate
	}
	if n.SlowStart != nil {
		if s.SlowStart, err = config.ParseSlowStart(*n.SlowStart); err != nil {
			return err
		}
	}
	if n.MaxSessionsPerSource != nil {
		s.MaxSessionsPerSource = *n.MaxSessionsPerSource
	}
	if n.MaxRatePerSource != nil {
		s.MaxRatePerSource = *n.MaxRatePerSource
	}
	if n.Refuse != nil {
		if s.Refuse, err = config.ParseRefusal(*n.Refuse); err != nil {
			return err
		}
	}
	if n.Timeouts != nil {
		if s.Timeouts, err = config.ParseOwnTimeouts(*n.Timeouts); err != nil {
			return err
		}
	}
	if n.Persistence != nil {
		if s.Persistence, err = config.ParsePersistence(*n.Persistence); err != nil {
			return err
		}
	}
	if n.PersistenceMask != nil {
		s.PersistenceMask = *n.PersistenceMask
	}
	if n.OnePacket != nil {
		s.OnePacket = *n.OnePacket
	}
	if n.PersistenceEngine != nil {
		if s.PersistenceEngine, err = config.ParsePersistenceEngine(*n.PersistenceEngine); err != nil {
			return err
		}
	}
	if n.Announce != nil {
		s.Announce = config.AnnounceOf(*n.Announce)
	}
	if n.VIPOwner != nil {
		if s.VIPOwner, err = config.ParseVIPOwner(*n.VIPOwner); err != nil {
			return err
		}
	}
	if n.LocalAddresses == nil {
		return nil
	}
	s.LocalAddresses, err = config.ParseLocalAddresses(*n.LocalAddresses)
	return err
}
