package config

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"fulcrum/lvs"
)

// WholeMask returns the persistence mask, in bits, of a service that gives none: every client is a
// network of its own.
func WholeMask(vip netip.AddrPort) int {
	if !vip.IsValid() {
		return 128
	}
	return vip.Addr().BitLen()
}

const (
	defaultWeight = 1
	mostWeight    = 65535
	mostThreshold = math.MaxInt32
	mostRate      = 10_000_000 // sessions a second
	mostSlowStart = time.Hour

	leastMSS = 536               // of a host that sends no MSS option (RFC 9293, 3.7.1)
	mostMSS  = mostMTU - 20 - 20 // without the headers of IPv4 and TCP
)

// The remedies for missing addresses.
const (
	vipForm    = `give the VIP with its port, such as address = "10.0.0.100:80"`
	serverForm = `give the real server's address and port, such as address = "10.1.0.11:80"; ` +
		"without port it gets each packet's"
)

// readService reads a service. It returns the local addresses separately, by entry of the list.
func readService(t *table) (Service, [][]netip.Addr) {
	defer t.done()
	s := Service{
		Name:        t.need("name", `name the service, such as name = "web"`).name(),
		Persistence: t.get("persistence").duration(0, 0, mostTimeout),
	}
	readProtocol(t, &s)
	readClaims(t, &s)
	whole := WholeMask(s.Address)
	s.PersistenceMask = t.get("persistence_mask").integer(whole, 1, whole)
	s.PersistenceEngine = t.get("persistence_engine").persistenceEngine()
	s.Mode, _ = lvs.ParseMode(t.need("mode", modes.right()).choice("", modes))
	scheduler := t.get("scheduler")
	name := scheduler.choice(lvs.DefaultScheduler.String(), schedulers)
	s.Scheduler, _ = lvs.ParseScheduler(name)
	if flags := t.get("scheduler_flags"); !scheduler.given() || scheduler.raw == name {
		s.SchedulerFlags = flags.schedulerFlags(s.Scheduler)
	}
	s.OnePacket = t.get("one_packet").boolean(false)
	s.MSS = t.get("mss").segmentSize()
	s.Echo = t.get("echo").boolean(true)
	s.MaxSessions = t.get("max_sessions").integer(0, 0, mostThreshold)
	s.MaxRate = t.get("max_rate").integer(0, 0, mostRate)
	s.SlowStart = t.get("slow_start").duration(0, 0, mostSlowStart)
	s.MaxSessionsPerSource = t.get("max_sessions_per_source").integer(0, 0, mostThreshold)
	s.MaxRatePerSource = t.get("max_rate_per_source").integer(0, 0, mostRate)
	if v := t.get("announce"); v.given() {
		s.Announce = AnnounceOf(v.boolean(true))
	}
	s.VIPOwner = t.get("vip_owner").vipOwner()
	refuse := t.get("refuse").choice(lvs.RefuseByICMP.String(), refuses)
	s.Refuse, _ = lvs.ParseRefusal(refuse)
	s.Timeouts = readOwnTimeouts(t.table("timeouts"))
	readQuorum(t, &s)
	s.RealServers = each(t.tables("real_server"), func(t *table) RealServer {
		return readRealServer(t, s.Health)
	})
	return s, t.get("local_addresses").localEntries()
}

// readProtocol reads the protocol, which the matches of a mark have themselves.
func readProtocol(t *table, s *Service) {
	if !t.child("mark").given() {
		s.Protocol, _ = lvs.ParseProtocol(t.need("protocol", protocols.right()).choice("", protocols))
	} else if v := t.get("protocol"); v.given() {
		v.report("is that of each match of the mark", "leave the key out")
	}
}

// schedulerFlags returns the flags of a scheduler that a list names.
func (v value) schedulerFlags(of lvs.Scheduler) (set lvs.SchedulerFlags) {
	elements, ok := v.elements()
	if !ok && v.given() {
		v.reportf(flagsOf(of), "is %s, not a list of flags", typeName(v.raw))
	}
	for _, element := range elements {
		name, ok := as[string](element, "a string", flagsOf(of))
		if !ok {
			continue
		}
		switch s, flag, known := lvs.ParseSchedulerFlag(name); {
		case !known:
			element.reportf(flagsOf(of), "unknown scheduler flag %q", name)
		case s != of:
			element.reportf(flagsOf(of), "%q is a flag of the scheduler %s, not of %s", name, s, of)
		default:
			set |= flag
		}
	}
	return set
}

// flagsOf returns the remedy for a wrong flag of a scheduler.
func flagsOf(s lvs.Scheduler) string {
	names := s.FlagNames(lvs.AllSchedulerFlags)
	if len(names) == 0 {
		return fmt.Sprintf("leave the key out, since %s has no flags", s)
	}
	return "use " + strings.Join(names, ", ")
}

// segmentSize returns a TCP maximum segment size in bytes, 0 for none.
func (v value) segmentSize() int {
	if n, ok := v.raw.(int64); ok && n == 0 {
		return 0
	}
	return v.integer(0, leastMSS, mostMSS)
}

// readQuorum reads what the service does about real servers that are down.
func readQuorum(t *table, s *Service) {
	health := t.table("health")
	defer health.done()
	s.Health = readHealth(health, Health{})
	s.Panic = health.get("panic").integer(0, 0, 100)
	if n := t.get("quorum").integer(1, 1, math.MaxInt32); n != 1 {
		s.Quorum = n
	}
	s.QuorumHysteresis = t.get("quorum_hysteresis").integer(0, 0, math.MaxInt32)
	s.QuorumUp, _ = t.get("quorum_up").texts()
	s.QuorumDown, _ = t.get("quorum_down").texts()
	elements, ok := t.get("sorry_servers").elements()
	if v := t.child("sorry_servers"); !ok && v.given() {
		v.reportf(sorryForm, "is %s, not a list of addresses", typeName(v.raw))
	}
	for _, element := range elements {
		s.SorryServers = append(s.SorryServers, element.serverSocket())
	}
}

const sorryForm = `write a list such as sorry_servers = ["10.9.0.9:80"]`

func readRealServer(t *table, health Health) RealServer {
	defer t.done()
	rs := RealServer{
		Address:        t.need("address", serverForm).serverSocket(),
		Mode:           t.get("mode").ownMode(),
		Weight:         t.get("weight").integer(defaultWeight, 0, mostWeight),
		UpperThreshold: t.get("upper_threshold").integer(0, 0, mostThreshold),
		LowerThreshold: t.get("lower_threshold").integer(0, 0, mostThreshold),
	}
	if own := t.table("health"); own.entries != nil {
		rs.Health = OwnHealthOf(readHealth(own, health))
		own.done()
	}
	return rs
}

// ownMode returns the mode that a real server states. One that could not be read is lvs.NoMode.
func (v value) ownMode() lvs.OwnMode {
	if !v.given() {
		return lvs.AsService
	}
	mode, _ := lvs.ParseMode(v.choice("", modes))
	return lvs.Own(mode)
}

// localEntries returns the addresses of each entry of local_addresses. The limit applies to all
// entries together.
func (v value) localEntries() [][]netip.Addr {
	elements, ok := v.elements()
	if !ok && v.given() {
		v.reportf(localListForm, "is %s, not a list of addresses", typeName(v.raw))
	}
	if ok && len(elements) == 0 {
		v.report("the list is empty", localListForm)
	}
	left := maxLocalAddresses
	var entries [][]netip.Addr
	for _, element := range elements {
		entry := element.localRange(left)
		left -= len(entry)
		entries = append(entries, entry)
	}
	return entries
}
