package ipvs

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/config"
	"fulcrum/lvs"
)

// command returns what the audit log calls a request.
func (r *request) command() string { return "ipvs " + r.Command.String() }

func (t *Table) newService(ctx context.Context, r *request) error {
	s, err := r.key(true)
	if err != nil {
		return err
	}
	id, err := s.id()
	if err != nil {
		return err
	}
	_, err = t.running.AddIdentified(ctx, r.command(), id, func() (config.Service, error) {
		next := fresh(id)
		return next, s.to(&next)
	})
	return err
}

// defaultMethod is ipvsadm's option of the method that a real server has by default.
const defaultMethod = "-g"

// fresh returns a service of an identity, as ipvsadm's commands begin one: the first real server
// gives it its mode.
func fresh(id lvs.ServiceID) config.Service {
	mode, _ := lvs.ParseFlag(defaultMethod)
	s := config.Service{
		Name: id.Name(), Protocol: id.Protocol, Address: id.Address, Mark: id.Mark, Mode: mode,
		Echo: true, PersistenceMask: config.WholeMask(id.Address),
	}
	if id.Mark == 0 && !id.Single() {
		s.Addresses = []lvs.Match{id.Match()}
	}
	return s
}

// change changes the service that a request names.
func (t *Table) change(
	ctx context.Context, r *request, whole bool, do func(Service, *config.Service) error,
) error {
	s, err := r.key(whole)
	if err != nil {
		return err
	}
	id, err := s.id()
	if err != nil {
		return err
	}
	_, err = t.running.ChangeIdentified(ctx, r.command(), id, func(c *config.Service) error {
		return do(s, c)
	})
	return err
}

func (t *Table) setService(ctx context.Context, r *request) error {
	return t.change(ctx, r, true, func(s Service, c *config.Service) error { return s.to(c) })
}

func (t *Table) delService(ctx context.Context, r *request) error {
	s, err := r.key(false)
	if err != nil {
		return err
	}
	id, err := s.id()
	if err != nil {
		return err
	}
	_, err = t.running.RemoveIdentified(ctx, r.command(), id)
	return err
}

// to gives a service the settings of a message. What messages cannot say stays as it is.
func (s *Service) to(c *config.Service) error {
	scheduler, known := lvs.ParseScheduler(s.Scheduler)
	if !known {
		return refuse(unix.ENOENT, "unknown scheduler %q", s.Scheduler)
	}
	engine := lvs.NoEngine
	if s.Engine != "" {
		if engine, known = lvs.ParsePersistenceEngine(s.Engine); !known {
			return refuse(unix.ENOENT, "unknown persistence engine %q", s.Engine)
		}
	}
	flags := flagsOf(c.Persistence, c.OnePacket, c.SchedulerFlags)&^s.FlagsMask | s.Flags&s.FlagsMask
	c.Scheduler, c.SchedulerFlags = scheduler, schedulerFlags(scheduler, flags)
	c.PersistenceEngine, c.OnePacket = engine, flags&flagOnePacket != 0
	return s.toPersistence(c, flags)
}

// toPersistence makes a service persistent, or not. A mask without persistence means nothing.
func (s *Service) toPersistence(c *config.Service, flags uint32) error {
	whole := config.WholeMask(c.Address)
	if s.Mask < 0 || s.Mask == 0 && s.Family == unix.AF_INET6 {
		return refuse(unix.EINVAL, "invalid persistence mask")
	}
	if flags&flagPersistent == 0 {
		c.Persistence, c.PersistenceMask = 0, whole
		return nil
	}
	switch {
	case s.Mask == 0:
		return unsupported("a persistence mask of all addresses: the shortest has 1 bit")
	case s.Timeout == 0:
		return unsupported("persistence of 0 s")
	}
	c.PersistenceMask = s.Mask
	if seconds(c.Persistence) != s.Timeout { // a file may have set less than a second
		c.Persistence = time.Duration(s.Timeout) * time.Second
	}
	return nil
}

// seconds returns a persistence in whole seconds, rounded up: 0 is not persistent.
func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }

// flagsOf returns the flags of a service's settings.
func flagsOf(persistence time.Duration, onePacket bool, of lvs.SchedulerFlags) (flags uint32) {
	for _, f := range []struct {
		set  bool
		flag uint32
	}{
		{persistence > 0, flagPersistent}, {onePacket, flagOnePacket},
		{of&lvs.SchedFallback != 0, flagSched1}, {of&lvs.SchedPort != 0, flagSched2},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	return flags
}

// schedulerFlags returns the flags that mean something to a scheduler. The kernel keeps the others,
// without any meaning.
func schedulerFlags(s lvs.Scheduler, flags uint32) (of lvs.SchedulerFlags) {
	if len(s.FlagNames(lvs.AllSchedulerFlags)) == 0 {
		return 0
	}
	if flags&flagSched1 != 0 {
		of |= lvs.SchedFallback
	}
	if flags&flagSched2 != 0 {
		of |= lvs.SchedPort
	}
	return of
}

// changeDest changes the destinations of the service that a request names.
func (t *Table) changeDest(
	ctx context.Context, r *request, whole bool, do func(Destination, *config.Service, int) error,
) error {
	return t.change(ctx, r, false, func(s Service, c *config.Service) error {
		d, err := r.destination(s.Family, whole)
		if err != nil {
			return err
		}
		if d.Port == 0 && c.ID().Single() {
			d.Port = c.Address.Port()
		}
		i := slices.IndexFunc(c.RealServers, func(rs config.RealServer) bool {
			return rs.Address == d.at()
		})
		return do(d, c, i)
	})
}

func (t *Table) newDest(ctx context.Context, r *request) error {
	return t.changeDest(ctx, r, true, func(d Destination, c *config.Service, i int) error {
		if err := d.check(); err != nil {
			return err
		}
		if i >= 0 {
			return unix.EEXIST
		}
		mode, err := d.mode(c, c.Mode)
		if err != nil {
			return err
		}
		if len(c.RealServers) == 0 && !hasLocals(c.Mode) {
			c.Mode = mode
		}
		rs := config.RealServer{Address: d.at()}
		d.to(&rs, mode, c.Mode)
		c.RealServers = append(c.RealServers, rs)
		return nil
	})
}

func (t *Table) setDest(ctx context.Context, r *request) error {
	return t.changeDest(ctx, r, true, func(d Destination, c *config.Service, i int) error {
		if err := d.check(); err != nil {
			return err
		}
		if i < 0 {
			return unix.ENOENT
		}
		rs := &c.RealServers[i]
		mode, err := d.mode(c, c.ModeOf(*rs))
		if err != nil {
			return err
		}
		d.to(rs, mode, c.Mode)
		c.DropUnusedLocals()
		return nil
	})
}

func (t *Table) delDest(ctx context.Context, r *request) error {
	return t.changeDest(ctx, r, false, func(_ Destination, c *config.Service, i int) error {
		if i < 0 {
			return unix.ENOENT
		}
		c.RealServers = slices.Delete(c.RealServers, i, i+1)
		c.DropUnusedLocals()
		return nil
	})
}

// The limits of a configuration (config/service.go).
const mostWeight = 65535

// check returns ERANGE where the kernel does (ip_vs_add_dest), and for larger weights than a real
// server can have.
func (d *Destination) check() error {
	if d.Weight < 0 || d.Lower > d.Upper {
		return unix.ERANGE
	}
	if d.Weight > mostWeight {
		return refuse(unix.ERANGE, "weight %d is above %d", d.Weight, mostWeight)
	}
	return nil
}

// to gives a real server the settings of a message, and a mode in a service of a mode.
func (d *Destination) to(rs *config.RealServer, mode, service lvs.Mode) {
	if rs.Mode.Or(service) != mode {
		rs.Mode = lvs.Own(mode)
	}
	rs.Weight, rs.UpperThreshold, rs.LowerThreshold = int(d.Weight), int(d.Upper), int(d.Lower)
}

func hasLocals(m lvs.Mode) bool { return m.Source() == lvs.Local }

// mode returns the mode of a destination whose mode was another, or that of its service. A mode
// that messages show as masquerading is kept by masquerading.
func (d *Destination) mode(c *config.Service, was lvs.Mode) (mode lvs.Mode, err error) {
	switch {
	case d.Method == methodMasq && hasLocals(was):
		mode = was
	case d.Method == methodTunnel && d.TunType != tunnelIPIP:
		return mode, unsupported("tunnels of type %d: there is only ipip", d.TunType)
	default:
		i := slices.IndexFunc(lvs.Modes(), func(m lvs.Mode) bool {
			return !hasLocals(m) && methodOf(m) == d.Method
		})
		if i < 0 {
			return mode, unsupported("forwarding method %d", d.Method)
		}
		mode = lvs.Modes()[i]
	}
	if !mode.Reaches(c.ID().Is6(), d.Address.Is6()) {
		return mode, unix.EINVAL
	}
	return mode, nil
}

// methodOf returns the forwarding method by which messages show a mode.
func methodOf(m lvs.Mode) uint32 {
	switch m.Path() {
	case lvs.Translate:
		return methodMasq
	case lvs.Tunnel:
		return methodTunnel
	}
	return methodRoute
}

// mostTimeout is the longest time that the kernel's timeouts can have: INT_MAX jiffies, of which
// there are up to 1000 a second.
const mostTimeout = (1<<31 - 1) / 1000

// timeouts are the states whose timeouts a request sets, in the order of its attributes.
var timeouts = [...]lvs.State{lvs.StateEstablished, lvs.StateFinWait, lvs.StateUDP}

func (t *Table) setConfig(ctx context.Context, r *request) error {
	_, err := t.running.ChangeWhole(ctx, r.command(), func(c *config.Config) error {
		for i, state := range timeouts {
			switch s := r.timeout[i]; {
			case s > mostTimeout:
				return unix.EINVAL
			case time.Duration(s)*time.Second > config.MostTimeout:
				return unsupported("a timeout of %d s: the longest is %s", s, config.MostTimeout)
			case s > 0:
				c.Session.Timeouts[state] = time.Duration(s) * time.Second
			}
		}
		return nil
	})
	return err
}

// flush removes all services.
func (t *Table) flush(ctx context.Context, r *request) error {
	_, err := t.running.ChangeWhole(ctx, r.command(), func(c *config.Config) error {
		c.Services = nil
		return nil
	})
	return err
}

// zero zeroes the counters of a service, or of all.
func (t *Table) zero(_ context.Context, r *request) error {
	if r.service == nil {
		return t.zeroed("", lvs.ServiceID{})
	}
	s, err := r.key(false)
	if err != nil {
		return err
	}
	counted, err := t.find(&s)
	if err != nil {
		return err
	}
	return t.zeroed(counted.Service.Name, counted.Service.ID())
}

// zeroed zeroes the counters, and then the rates: those compare counters.
func (t *Table) zeroed(name string, id lvs.ServiceID) error {
	err := t.running.Zero(name)
	t.rates.zero(id)
	return err
}

// newDaemon refuses to synchronise sessions, which does not exist yet.
func (t *Table) newDaemon(_ context.Context, r *request) error {
	was, err := eachAttribute(r.daemon, skip)
	if r.daemon == nil || err != nil || !was.has(daemonState, daemonInterface, daemonSyncID) {
		return unix.EINVAL
	}
	return refuse(unix.ENOPROTOOPT, "there is no synchronisation of sessions yet")
}

// delDaemon answers as the kernel does if no daemon runs.
func (t *Table) delDaemon(_ context.Context, r *request) error {
	was, err := eachAttribute(r.daemon, skip)
	if r.daemon == nil || err != nil || !was.has(daemonState) {
		return unix.EINVAL
	}
	return unix.ESRCH
}
