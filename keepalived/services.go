package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/config"
	"fulcrum/foreign"
	"fulcrum/lvs"
)

// importer turns blocks into services.
type importer struct {
	*foreign.Report
	groups      map[string]*entry   // virtual_server_group, by name
	expanded    map[*entry][]target // members of groups, once computed
	localGroups map[string]*entry   // local_address_group, by name
	locals      map[*entry]*locals  // their addresses, once computed
	scriptUser  string              // of global_defs: who runs programs that name no user
	asks        []*ask              // in file order
	services    []config.Service
	taken       map[lvs.ServiceID]place // where a service was first defined
	asked       struct{ services, servers, locals int }
}

// takeAll reads the groups first, since virtual servers may precede them.
func (i *importer) takeAll(entries []*entry) {
	for _, e := range entries {
		switch e.words[0] {
		case "virtual_server_group":
			i.takeGroup(i.groups, e)
		case "local_address_group":
			i.takeGroup(i.localGroups, e)
		case "global_defs":
			i.takeScriptUser(e)
		}
	}
	for _, e := range entries {
		i.take(e)
	}
	i.serveAll()
}

// take reads an entry outside all blocks.
func (i *importer) take(e *entry) {
	switch key := e.words[0]; key {
	case "virtual_server":
		i.takeService(e)
	case "virtual_server_group", "local_address_group":
	case "deny_address_group", "allow_address_group":
		i.Leave(e.place, key, noClients)
	case "global_defs":
		i.takeGlobals(e)
	case "SSL":
		i.Leave(e.place, key, "checks show no certificate of their own")
	case "lb_algo", "lvs_sched", "lb_kind", "lvs_method", "sorry_server":
		i.Wrong(e.place, "%s: is outside a virtual_server: is there an extra } before it?", e)
	default:
		if !i.undefined(e) {
			i.Leave(e.place, key, elsewhere)
		}
	}
}

// takeGlobals notes the keys of global_defs that concern forwarding.
func (i *importer) takeGlobals(e *entry) {
	for _, x := range e.block {
		if why := globals[x.words[0]]; why != "" {
			i.Leave(x.place, x.String(), why)
		}
	}
}

// undefined reports an undefined $NAME in place of a key. It is false for all other keys.
func (i *importer) undefined(e *entry) bool {
	if e.words[0] != "" && e.words[0][0] != '$' {
		return false
	}
	i.Wrong(e.place, "%s: unknown key%s", e, hint(e.words[0]))
	return true
}

// hint returns the explanation of an undefined name in a word, or "".
func hint(word string) string {
	name := unfilled.FindString(word)
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "${_"):
		return ": keepalived replaces " + name + " when it starts: write the value instead"
	}
	return ": " + name + " is not defined"
}

// service is a virtual server that is being read.
type service struct {
	*entry
	config.Service
	targets    []target
	family     *entry // ip_family; nil without one
	method     method // of real servers without a method of their own
	weight     int    // of real servers without a weight of their own
	servers    []server
	flags      []*entry // of the scheduler
	localGroup *entry   // laddr_group_name; nil without one
	// granularity is persistence_granularity; nil without one.
	granularity *entry
	ops         *entry  // one-packet scheduling; nil without it
	engine      *entry  // persistence_engine; nil without one
	locals      *locals // valid for modes with local addresses
	options     options // of the checks of its real servers
	pool        pool    // what it does about real servers that are down
}

// takeService reads a virtual server.
func (i *importer) takeService(e *entry) {
	if !e.open {
		i.Wrong(e.place, "%s: missing block: add { and }", e)
		return
	}
	if e.value() == "match" {
		i.Leave(e.place, e.String(), noSNAT)
		return
	}
	mode, _ := lvs.ParseMethod(defaultMethod)
	s := &service{entry: e, method: method{Mode: mode}, weight: 1}
	s.Service = config.Service{Scheduler: lvs.DefaultScheduler, Echo: true}
	s.targets = i.targets(e)
	for _, x := range e.block {
		i.takeKey(s, x)
	}
	if s.Protocol == 0 && !s.allMarks() {
		s.Protocol = lvs.UDP
		i.Leave(s.place, e.words[0], "has no protocol and is UDP, as in keepalived: "+
			"for TCP, add protocol TCP and import again")
	}
	i.leaveFamily(s)
	i.takeAllPorts(s)
	i.takeFlags(s)
	i.takeEngine(s)
	s.shareWeight()
	i.checkAll(s)
	if !i.chooseMode(s) || !i.takeLocals(s) {
		return
	}
	i.takeOnePacket(s)
	i.ask(s)
}

// count counts one more service with its real servers and local addresses. It is false if a limit
// is exceeded.
func (i *importer) count(s *service, address netip.AddrPort) bool {
	i.asked.services++
	i.asked.servers += len(s.servers)
	if s.locals != nil {
		i.asked.locals += len(s.locals.of(address.Addr()))
	}
	switch {
	case i.asked.services > maxServices:
		i.Wrong(s.place, "more than %d services", maxServices)
	case i.asked.servers > maxServers:
		i.Wrong(s.place, "more than %d real servers", maxServers)
	case i.asked.locals > mostAllLocals:
		i.Wrong(s.place, "more than %d local addresses of all services", mostAllLocals)
	default:
		return true
	}
	return false
}

// add completes a service of a virtual server.
func (i *importer) add(s *service, c config.Service) {
	id := c.ID()
	if s.locals != nil {
		c.LocalAddresses = s.locals.of(c.Address.Addr())
		if len(c.LocalAddresses) == 0 && c.Mode.Source() == lvs.Local {
			i.Leave(s.place, s.String(), fmt.Sprintf("local_address_group %s has no address that %s can use",
				s.localGroup.value(), comesTo(c)))
			return
		}
	}
	if first, known := i.taken[id]; known {
		i.Leave(s.place, s.String(), fmt.Sprintf("%s is already a virtual server, at %s", id, first))
		return
	}
	i.taken[id] = s.place
	if c.Mark != 0 && c.PersistenceEngine != lvs.NoEngine {
		i.Leave(s.engine.place, s.engine.String(), "is not for marks")
		c.PersistenceEngine = lvs.NoEngine
	}
	c.Name = id.Name()
	c.PersistenceMask = i.mask(s, c)
	c.RealServers = i.realServers(s, c)
	shareHealth(&c)
	i.fixQuorum(s, &c)
	i.addSorryServer(s, &c)
	c.DropUnusedLocals()
	i.services = append(i.services, c)
}

// takeKey reads a key of a virtual server.
func (i *importer) takeKey(s *service, e *entry) {
	switch key := e.words[0]; key {
	case "real_server":
		i.takeRealServer(s, e)
	case "lb_algo", "lvs_sched":
		s.Scheduler = i.scheduler(e)
	case "lb_kind", "lvs_method":
		s.method = i.method(e)
	case "protocol":
		i.takeProtocol(s, e)
	case "sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3":
		s.flags = append(s.flags, e)
	case "persistence_timeout":
		i.takePersistence(s, e)
	case "persistence_engine":
		s.engine = e
	case "persistence_granularity":
		s.granularity = e
	case "ip_family":
		i.takeFamily(s, e)
	case "ops":
		s.ops = e
	case "laddr_group_name":
		s.localGroup = e
	case "weight":
		s.weight = i.number(e, 1, mostWeight)
	default:
		if !i.takePool(&s.pool, e) && !i.takeOption(&s.options, e, false) && !i.undefined(e) {
			i.leaveKey(e)
		}
	}
}

func (i *importer) scheduler(e *entry) lvs.Scheduler {
	name := e.value()
	s, known := lvs.ParseScheduler(name)
	switch {
	case known:
		return s
	case name == "":
		i.Wrong(e.place, "%s: missing scheduler: write one such as wlc", e)
	case hint(name) != "":
		i.Wrong(e.place, "unknown scheduler %q%s", name, hint(name))
	default:
		i.Leave(e.place, e.String(), fmt.Sprintf("scheduler %q is not supported yet: %s is used instead",
			name, lvs.DefaultScheduler))
	}
	return lvs.DefaultScheduler
}

// numbered has the flags of any scheduler that keepalived knows by number. The third means nothing
// to any scheduler.
var numbered = map[string]lvs.SchedulerFlags{
	"flag-1": lvs.SchedFallback, "flag-2": lvs.SchedPort, "flag-3": 0,
}

// takeFlags sets the flags of a virtual server's scheduler, which may stand behind them.
func (i *importer) takeFlags(s *service) {
	for _, e := range s.flags {
		flag, byNumber := numbered[e.words[0]]
		of := s.Scheduler
		if !byNumber {
			of, flag, _ = lvs.ParseSchedulerFlag(e.words[0])
		}
		if of != s.Scheduler || len(of.FlagNames(flag)) == 0 {
			i.Leave(e.place, e.String(), fmt.Sprintf("means nothing to the scheduler %s", s.Scheduler))
			continue
		}
		s.SchedulerFlags |= flag
	}
}

// takeOnePacket sets one-packet scheduling, which keepalived asks IPVS for in UDP alone.
func (i *importer) takeOnePacket(s *service) {
	switch mode := s.localMode(); {
	case s.ops == nil:
	case s.Protocol != lvs.UDP && !s.allMarks():
		i.Leave(s.ops.place, s.ops.String(), fmt.Sprintf("has no effect on %s in keepalived either",
			s.Protocol))
	case mode != lvs.NoMode:
		i.Leave(s.ops.place, s.ops.String(), fmt.Sprintf("mode %s keeps a session for each client", mode))
	default:
		s.OnePacket = true
	}
}

func (i *importer) takeProtocol(s *service, e *entry) {
	var known bool
	if s.Protocol, known = lvs.ParseProtocol(strings.ToLower(e.value())); !known {
		i.Wrong(e.place, "unknown protocol %q: write TCP, UDP or SCTP%s", e.value(), hint(e.value()))
	}
}

// socket parses "virtual_server ADDRESS [PORT]" and "real_server ADDRESS [PORT]". Port 0 means
// none.
func (i *importer) socket(e *entry) (netip.AddrPort, bool) {
	if len(e.words) != 2 && len(e.words) != 3 {
		i.Wrong(e.place, "%s: write an address and a port after %s", e, e.words[0])
		return netip.AddrPort{}, false
	}
	address, good := i.address(e, e.words[1])
	port, fine := uint16(0), true
	if len(e.words) == 3 {
		port, fine = i.port(e, e.words[2])
	}
	return netip.AddrPortFrom(address, port), good && fine
}

// address parses the address of one host. It notes other addresses and leaves them out.
func (i *importer) address(e *entry, word string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(word)
	a = a.Unmap()
	switch {
	case err != nil && hint(word) == "":
		i.Wrong(e.place, "invalid address %q: write an IPv4 or IPv6 address, not a name", word)
	case err != nil:
		i.Wrong(e.place, "invalid address %q%s", word, hint(word))
	case a.Zone() != "" || !isHost(a):
		i.Leave(e.place, e.String(), word+notReached)
	default:
		return a, true
	}
	return a, false
}

// broadcast is the limited broadcast address, which netip does not name.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// isHost reports whether an address is a unicast address that other hosts can reach.
func isHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != broadcast
}

// port parses a port. Port 0 means none.
func (i *importer) port(e *entry, word string) (uint16, bool) {
	port, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		i.Wrong(e.place, "invalid port %q: write a number from 1 to 65535%s", word, hint(word))
	}
	return uint16(port), err == nil
}
