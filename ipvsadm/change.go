package ipvsadm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"fulcrum/config"
)

// Change does a command to a configuration. What comes out has to be checked as a file.
func Change(c *config.Config, k Command) error {
	switch k.Operation {
	case Clear:
		c.Services = nil
		return nil
	case AddService:
		return addService(c, k)
	}
	i := slices.IndexFunc(c.Services, func(s config.Service) bool { return s.Protocol == k.Protocol && s.Address == k.Service })
	if i < 0 {
		return fmt.Errorf("there is no service %s %s", k.Protocol, k.Service)
	}
	s := &c.Services[i]
	switch k.Operation {
	case EditService:
		return k.toService(s)
	case DeleteService:
		c.Services = slices.Delete(c.Services, i, i+1)
		return nil
	}
	return changeServer(s, k)
}

// defaultScheduler is ipvsadm's.
const defaultScheduler = "wlc"

func addService(c *config.Config, k Command) error {
	for _, s := range c.Services {
		if s.Protocol == k.Protocol && s.Address == k.Service {
			return fmt.Errorf("there is a service %s %s already", k.Protocol, k.Service)
		}
	}
	s := config.Service{Name: nameOf(k.Protocol, k.Service), Protocol: k.Protocol, Address: k.Service, Scheduler: defaultScheduler, Mode: "dr", Echo: true}
	if err := k.toService(&s); err != nil {
		return err
	}
	c.Services = append(c.Services, s)
	return nil
}

// nameOf names a service, which has no name in IPVS.
func nameOf(protocol string, a netip.AddrPort) string {
	return fmt.Sprintf("%s-%s-%d", protocol, strings.ReplaceAll(a.Addr().StringExpanded(), ":", "-"), a.Port())
}

func (k *Command) toService(s *config.Service) error {
	if k.Scheduler != "" {
		s.Scheduler = k.Scheduler
	}
	return k.toMode(s)
}

// toMode gives a service its forwarding method, which here is the service's and in IPVS each real server's.
func (k *Command) toMode(s *config.Service) error {
	if len(k.Local) > 0 {
		if k.Method == "" {
			k.Method = "fullnat"
		}
		s.LocalAddresses = nil
		for _, text := range k.Local {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return usage("the local address %q is none: write addresses with commas between them", text)
			}
			s.LocalAddresses = append(s.LocalAddresses, a)
		}
	}
	if k.Method == "" || k.Method == s.Mode {
		return nil
	}
	if len(s.RealServers) > 0 {
		return fmt.Errorf("service %s forwards by %s and this would be %s: %w: all real servers of a service are reached alike; make a service of its own, or change all at once with `fulcrum apply`",
			s.Address, s.Mode, k.Method, ErrNotHere)
	}
	s.Mode = k.Method
	if s.Mode != "fullnat" {
		s.LocalAddresses = nil
	}
	return nil
}

func changeServer(s *config.Service, k Command) error {
	if k.Server.Port() == 0 {
		k.Server = netip.AddrPortFrom(k.Server.Addr(), s.Address.Port())
	}
	i := slices.IndexFunc(s.RealServers, func(rs config.RealServer) bool { return rs.Address == k.Server })
	switch {
	case k.Operation == AddServer && i >= 0:
		return fmt.Errorf("service %s has the real server %s already", s.Address, k.Server)
	case k.Operation != AddServer && i < 0:
		return fmt.Errorf("service %s has no real server %s", s.Address, k.Server)
	case k.Operation == DeleteServer:
		s.RealServers = slices.Delete(s.RealServers, i, i+1)
		return nil
	case k.Operation == AddServer:
		if k.Method == "" && len(s.RealServers) == 0 && len(k.Local) == 0 && s.Mode != "fullnat" {
			k.Method = "dr" // ipvsadm's default
		}
		if err := k.toMode(s); err != nil {
			return err
		}
		s.RealServers = append(s.RealServers, config.RealServer{Address: k.Server, Weight: 1})
		i = len(s.RealServers) - 1
	default:
		if err := k.toMode(s); err != nil {
			return err
		}
	}
	k.toServer(&s.RealServers[i])
	return nil
}

func (k *Command) toServer(rs *config.RealServer) {
	for _, f := range []struct {
		from int
		to   *int
	}{{k.Weight, &rs.Weight}, {k.Upper, &rs.UpperThreshold}, {k.Lower, &rs.LowerThreshold}} {
		if f.from >= 0 {
			*f.to = f.from
		}
	}
}

// maxLine bounds a line of what is restored.
const maxLine = 64 << 10

// ReadRules reads what -S prints, one command a line. All of it is good, or there is an error with the line's number.
func ReadRules(r io.Reader) ([]Command, error) {
	var all []Command
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		k, err := Parse(words)
		if err == nil && !slices.Contains([]Operation{AddService, AddServer, EditService, EditServer, DeleteService, DeleteServer, Clear}, k.Operation) {
			err = usage("-%c cannot be restored", k.Operation)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, k)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	return all, nil
}

// ChangeAll does all commands, or none with an error.
func ChangeAll(c *config.Config, all []Command) (*config.Config, error) {
	n := c.Clone()
	for _, k := range all {
		if err := Change(n, k); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// IsUsage reports whether an error is about the command line.
func IsUsage(err error) bool {
	var u *UsageError
	return errors.As(err, &u)
}

// WriteRules writes the configuration's services as -R reads them.
func WriteRules(w io.Writer, c *config.Config) error {
	letters := map[string]string{"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
	methods := map[string]string{"dr": "-g", "ipip": "-i", "nat": "-m", "fullnat": "--fullnat"}
	for _, s := range c.Services {
		fmt.Fprintf(w, "-A %s %s -s %s", letters[s.Protocol], s.Address, s.Scheduler)
		if s.Mode == "fullnat" {
			var local []string
			for _, a := range s.LocalAddresses {
				local = append(local, a.String())
			}
			fmt.Fprintf(w, " --fullnat --local-address %s", strings.Join(local, ","))
		}
		fmt.Fprintln(w)
		for _, rs := range s.RealServers {
			fmt.Fprintf(w, "-a %s %s -r %s %s -w %d", letters[s.Protocol], s.Address, rs.Address, methods[s.Mode], rs.Weight)
			if rs.UpperThreshold > 0 {
				fmt.Fprintf(w, " -x %d", rs.UpperThreshold)
			}
			if rs.LowerThreshold > 0 {
				fmt.Fprintf(w, " -y %d", rs.LowerThreshold)
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}
