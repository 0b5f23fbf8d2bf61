package ipvsadm

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// Changed returns a copy of the configuration with all commands applied and checked like a file.
// If one fails it returns an error that names the command's line, and applies none. It leaves c
// unchanged.
func Changed(c *config.Config, all []Command) (*config.Config, error) {
	next, done, err := try(c, all)
	if err == nil {
		return next, nil
	}
	if done == len(all) {
		done = culprit(c, all, err)
	}
	if line := all[done].Line; line > 0 {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return nil, err
}

// culprit returns the index of a command that introduces err into the resulting configuration. All
// commands could be applied. The first few alone may cause other errors, which later ones mend.
func culprit(c *config.Config, all []Command, err error) int {
	without, with := 0, len(all)
	for with-without > 1 {
		middle := (without + with) / 2
		if _, _, e := try(c, all[:middle]); e != nil && e.Error() == err.Error() {
			with = middle
		} else {
			without = middle
		}
	}
	return with - 1
}

// try applies commands and checks the result. done is the number of commands that could be applied.
func try(c *config.Config, all []Command) (next *config.Config, done int, err error) {
	n := c.Clone()
	for i, k := range all {
		if err := change(n, k); err != nil {
			return nil, i, err
		}
	}
	next, err = config.Parse("", []byte(n.Render()))
	return next, len(all), withoutPlaces(err)
}

// withoutPlaces removes file and line from problems, since the configuration is not a file.
func withoutPlaces(err error) error {
	var all config.Problems
	if !errors.As(err, &all) {
		return err
	}
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%s: %s; %s", p.Key, p.What, p.Right))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// The errors begin with ipvsadm's words, which scripts look for.
const (
	noSuchService     = "No such service"
	serviceExists     = "Service already exists"
	noSuchDestination = "No such destination"
	destinationExists = "Destination already exists"
)

// change applies a command.
func change(c *config.Config, k Command) error {
	switch k.Operation {
	case Clear:
		c.Services = nil
		return nil
	case AddService:
		return addService(c, k)
	case SetTimeouts:
		k.toTimeouts(&c.Session.Timeouts)
		return nil
	}
	s, err := k.Find(c)
	if err != nil {
		return err
	}
	switch k.Operation {
	case EditService:
		return k.toService(s)
	case DeleteService:
		c.Services = slices.DeleteFunc(c.Services, k.isAbout)
		return nil
	}
	return changeServer(s, k)
}

// setStates are the states whose timeouts --set sets and -L --timeout shows, in that order.
var setStates = [...]lvs.State{lvs.StateEstablished, lvs.StateFinWait, lvs.StateUDP}

// toTimeouts sets the timeouts that the kernel sets for --set. Zero leaves one unchanged.
func (k *Command) toTimeouts(t *config.Timeouts) {
	for i, state := range setStates {
		if seconds := k.Timeouts[i]; seconds > 0 {
			t[state] = time.Duration(seconds) * time.Second
		}
	}
}

// Find returns the service in c that the command names. The error begins with "No such service".
func (k *Command) Find(c *config.Config) (*config.Service, error) {
	i := slices.IndexFunc(c.Services, k.isAbout)
	if i < 0 {
		return nil, k.noService()
	}
	return &c.Services[i], nil
}

// isAbout reports whether the command names the service.
func (k *Command) isAbout(s config.Service) bool {
	return s.ID() == k.Service
}

func (k *Command) noService() error {
	return fmt.Errorf("%s: %s", noSuchService, spell(k.Service))
}

func addService(c *config.Config, k Command) error {
	if slices.ContainsFunc(c.Services, k.isAbout) {
		return fmt.Errorf("%s: %s", serviceExists, spell(k.Service))
	}
	mode, _ := lvs.ParseFlag(defaultMethod)
	s := config.Service{
		Name: k.Service.Name(), Protocol: k.Service.Protocol, Address: k.Service.Address,
		Mark: k.Service.Mark, Mode: mode, Echo: true,
	}
	if s.Mark == 0 && !k.Service.Single() {
		s.Addresses = []lvs.Match{k.Service.Match()}
	}
	if err := k.toService(&s); err != nil {
		return err
	}
	c.Services = append(c.Services, s)
	return nil
}

func (k *Command) toService(s *config.Service) error {
	var err error
	if s.Scheduler, err = config.ParseScheduler(k.Scheduler); err != nil {
		return withoutPlaces(err)
	}
	if s.SchedulerFlags, err = k.flags(); err != nil {
		return err
	}
	if err := k.toPersistence(s); err != nil {
		return err
	}
	s.OnePacket = k.OnePacket
	if mode := k.method(); mode != lvs.NoMode {
		k.setMode(s, mode)
	}
	return nil
}

// method returns the command's forwarding method. Local addresses alone mean the mode that has
// some.
func (k *Command) method() lvs.Mode {
	if k.Method == lvs.NoMode && len(k.Local) > 0 {
		return localMode()
	}
	return k.Method
}

// setMode gives a service another mode. Its real servers keep theirs.
func (k *Command) setMode(s *config.Service, mode lvs.Mode) {
	for i := range s.RealServers {
		rs := &s.RealServers[i]
		rs.Mode = ownMode(s.ModeOf(*rs), mode)
	}
	s.Mode = mode
	k.setLocals(s)
}

// setLocals gives a service the command's local addresses. A service without use for any has none.
func (k *Command) setLocals(s *config.Service) {
	if len(k.Local) > 0 {
		s.LocalAddresses = k.Local
	}
	s.DropUnusedLocals()
}

// ownMode returns what a real server must state for a mode in a service with another or the same.
func ownMode(mode, service lvs.Mode) lvs.OwnMode {
	if mode == service {
		return lvs.AsService
	}
	return lvs.Own(mode)
}

func hasLocals(m lvs.Mode) bool { return m.Source() == lvs.Local }

// localMode returns the mode that has local addresses.
func localMode() lvs.Mode { return lvs.ModesWith(hasLocals)[0] }

func changeServer(s *config.Service, k Command) error {
	if k.Server.Port() == 0 && s.ID().Single() {
		k.Server = netip.AddrPortFrom(k.Server.Addr(), s.Address.Port())
	}
	named := func(rs config.RealServer) bool { return rs.Address == k.Server }
	i := slices.IndexFunc(s.RealServers, named)
	switch {
	case k.Operation == AddServer && i >= 0:
		return fmt.Errorf("%s: %s of service %s", destinationExists, k.Server, destinationOf(s.ID()))
	case k.Operation != AddServer && i < 0:
		return fmt.Errorf("%s: %s of service %s", noSuchDestination, k.Server, destinationOf(s.ID()))
	case k.Operation == DeleteServer:
		s.RealServers = slices.Delete(s.RealServers, i, i+1)
		s.DropUnusedLocals()
		return nil
	case k.Operation == AddServer:
		k.addServer(s)
		return nil
	}
	s.RealServers[i] = k.realServer(s)
	k.setLocals(s)
	return nil
}

// addServer adds a real server. The first one gives the service its mode, unless the service has
// local addresses for others to come.
func (k *Command) addServer(s *config.Service) {
	if len(s.RealServers) == 0 && !hasLocals(s.Mode) {
		s.Mode = k.serverMethod(s)
	}
	s.RealServers = append(s.RealServers, k.realServer(s))
	k.setLocals(s)
}

// serverMethod returns the forwarding method for a real server of a service: by default ipvsadm's,
// but fullnat, which ipvsadm does not know, in a service of that mode.
func (k *Command) serverMethod(s *config.Service) lvs.Mode {
	mode := k.method()
	if mode == lvs.NoMode && hasLocals(s.Mode) {
		return s.Mode
	}
	if mode == lvs.NoMode {
		mode, _ = lvs.ParseFlag(defaultMethod)
	}
	return mode
}

func (k *Command) realServer(s *config.Service) config.RealServer {
	return config.RealServer{
		Address: k.Server, Mode: ownMode(k.serverMethod(s), s.Mode), Weight: k.Weight,
		UpperThreshold: k.Upper, LowerThreshold: k.Lower,
	}
}

// IsUsage reports whether err contains a UsageError, for which ipvsadm exits with status 2.
func IsUsage(err error) bool {
	var u *UsageError
	return errors.As(err, &u)
}
