package ipvs

import (
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// skip takes no attribute: to know which ones there are is enough.
func skip(uint16, *netlink.AttributeDecoder) {}

// dump answers a request for all of something. What cannot be named is an empty list, as in the
// kernel.
func (t *Table) dump(r *request, a *answers) error {
	switch r.Command {
	case GetService:
		t.dumpServices(a)
	case GetDest:
		t.dumpDests(r, a)
	case GetDaemon: // there is none
	default:
		return unix.EOPNOTSUPP
	}
	a.done()
	return nil
}

func (t *Table) dumpServices(a *answers) {
	all := t.running.Counts()
	named := namedOnce(all)
	for i := range all {
		if named[i] && !a.part(Family, answerOf(NewService, attrService, t.service(&all[i]).encode())) {
			return
		}
	}
}

// namedOnce reports of each service whether messages can name it: a range is named by where it
// begins, unless another service begins there.
func namedOnce(all []engine.ServiceReport) []bool {
	taken := map[lvs.ServiceID]bool{}
	named := make([]bool, len(all))
	for _, exact := range []bool{true, false} {
		for i := range all {
			id := all[i].Service.ID()
			if (id.Mark != 0 || id.Single()) != exact {
				continue
			}
			key := lvs.ServiceID{Protocol: id.Protocol, Address: id.Address, Mark: id.Mark}
			named[i], taken[key] = !taken[key], true
		}
	}
	return named
}

func (t *Table) dumpDests(r *request, a *answers) {
	s, err := r.key(false)
	if err != nil {
		return
	}
	counted, err := t.find(&s)
	if err != nil {
		return
	}
	// The kernel puts a new destination at the head of its list.
	for i := range slices.Backward(counted.RealServers) {
		if counted.RealServers[i].Standby {
			continue // a sorry server that is not needed
		}
		d := t.dest(&counted, i)
		if !a.part(Family, answerOf(NewDest, attrDest, d.encode())) {
			return
		}
	}
}

// answerOf returns the data of an answer with one nested attribute.
func answerOf(c Command, kind uint16, inside encoder) []byte {
	e := newEncoder()
	e.nested(kind, inside)
	return generic(uint8(c), e.bytes())
}

// find returns the service that a message names, with its counters; the error is an errno.
func (t *Table) find(s *Service) (engine.ServiceReport, error) {
	id, err := s.id()
	if err != nil {
		return engine.ServiceReport{}, errnoOf(err)
	}
	if counted, known := t.running.CountsOf(id); known {
		return counted, nil
	}
	for _, c := range t.running.Config().Services {
		if c.ID().BeginsAs(id) {
			if counted, known := t.running.CountsOf(c.ID()); known {
				return counted, nil
			}
		}
	}
	return engine.ServiceReport{}, unix.ESRCH
}

func (t *Table) getService(r *request, a *answers) error {
	s, err := r.key(false)
	if err != nil {
		return err
	}
	counted, err := t.find(&s)
	if err != nil {
		return err
	}
	a.one(Family, answerOf(NewService, attrService, t.service(&counted).encode()))
	return nil
}

// service returns a service as messages have it.
func (t *Table) service(c *engine.ServiceReport) *Service {
	s, id := &c.Service, c.Service.ID()
	return &Service{
		Family: familyOf(id.Address.Addr()), Protocol: uint16(id.Protocol), Address: id.Address.Addr(),
		Port: id.Address.Port(), Mark: id.Mark, Scheduler: s.Scheduler.String(),
		Engine:    s.PersistenceEngine.String(),
		Flags:     flagsOf(s.Persistence, s.OnePacket, s.SchedulerFlags) | flagHashed,
		FlagsMask: ^uint32(0), Timeout: seconds(s.Persistence), Mask: s.PersistenceMask,
		Stats: t.stats(c.Traffic, lvs.RealServerID{Service: id}),
	}
}

// dest returns a real server as messages have it.
func (t *Table) dest(c *engine.ServiceReport, i int) *Destination {
	rs, settings := &c.RealServers[i], &c.Service.RealServers[i]
	return &Destination{
		Family: familyOf(rs.Address.Addr()), Address: rs.Address.Addr(), Port: rs.Address.Port(),
		Method: methodOf(rs.Mode), Weight: rs.Weight,
		Upper: uint32(settings.UpperThreshold), Lower: uint32(settings.LowerThreshold),
		Active: uint32(rs.Active), Inactive: uint32(rs.Inactive), Persistent: uint32(rs.Templates),
		Stats: t.stats(rs.Traffic, lvs.RealServerID{Service: c.Service.ID(), Address: rs.Address}),
	}
}

func (t *Table) stats(c engine.Traffic, of lvs.RealServerID) Stats {
	return Stats{
		Connections: c.Connections, InPackets: c.InPackets, OutPackets: c.OutPackets,
		InBytes: c.InBytes, OutBytes: c.OutBytes, Rates: t.rates.of(of.Service, of.Address),
	}
}

func (t *Table) getConfig(_ *request, a *answers) error {
	e, c := newEncoder(), t.running.Config()
	for i, state := range timeouts {
		e.Uint32(uint16(attrTimeoutTCP+i), uint32(c.Session.Timeouts[state].Seconds()))
	}
	a.one(Family, generic(uint8(SetConfig), e.bytes()))
	return nil
}

func (t *Table) getInfo(_ *request, a *answers) error {
	e := newEncoder()
	e.Uint32(infoVersion, tableVersion)
	e.Uint32(infoTableSize, uint32(t.running.Config().Session.Max))
	a.one(Family, generic(uint8(SetInfo), e.bytes()))
	return nil
}

// resolve answers generic netlink's own request for the number of the family IPVS.
func resolve(m netlink.Message, a *answers) error {
	if m.Data[0] != ctrlGet {
		return unix.EOPNOTSUPP
	}
	name := ""
	_, err := eachAttribute(m.Data[genlLen:], func(kind uint16, d *netlink.AttributeDecoder) {
		if kind == ctrlName {
			name = d.String()
		}
	})
	if err != nil {
		return unix.EINVAL
	}
	if name != FamilyName {
		return unix.ENOENT
	}
	e := newEncoder()
	e.String(ctrlName, FamilyName)
	e.Uint16(ctrlID, Family)
	e.Uint32(ctrlVersion, version)
	e.Uint32(ctrlHdrSize, 0)
	e.Uint32(ctrlMaxAttr, cmdAttrs)
	a.one(ctrlFamily, append([]byte{ctrlNew, ctrlReply, 0, 0}, e.bytes()...))
	return nil
}
