package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

// importer makes services of blocks.
type importer struct {
	*report
	groups   map[string]*entry           // virtual_server_group, by name
	expanded map[*entry][]netip.AddrPort // what they stand for, once it has been asked
	services []config.Service
	taken    map[lvs.ServiceID]place // where a service was first asked for
	asked    struct{ services, servers int }
}

// takeAll reads groups first, since virtual servers may stand before them.
func (i *importer) takeAll(entries []*entry) {
	for _, e := range entries {
		if e.words[0] == "virtual_server_group" {
			i.takeGroup(e)
		}
	}
	for _, e := range entries {
		i.take(e)
	}
}

func (i *importer) take(e *entry) {
	switch key := e.words[0]; key {
	case "virtual_server":
		i.takeService(e)
	case "virtual_server_group":
	case "global_defs":
		i.takeGlobals(e)
	case "lb_algo", "lvs_sched", "lb_kind", "lvs_method", "sorry_server":
		i.wrong(e.place, "%s: is in no virtual_server: is there a } too many before it?", e)
	default:
		if !i.undefined(e) {
			i.leave(e.place, key, elsewhere)
		}
	}
}

// takeGlobals notes what of global_defs is about forwarding.
func (i *importer) takeGlobals(e *entry) {
	for _, x := range e.block {
		if why := globals[x.words[0]]; why != "" {
			i.leave(x.place, x.String(), why)
		}
	}
}

// undefined reports a name in place of a key: what it should stand for is missing.
func (i *importer) undefined(e *entry) bool {
	if e.words[0] != "" && e.words[0][0] != '$' {
		return false
	}
	i.wrong(e.place, "%s: is no key%s", e, hint(e.words[0]))
	return true
}

// hint says that a name in a word was not filled in.
func hint(word string) string {
	name := unfilled.FindString(word)
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "${_"):
		return ": keepalived fills " + name + " in when it starts: write what it stands for"
	}
	return ": " + name + " is not defined"
}

// service is a virtual server while it is read.
type service struct {
	*entry
	config.Service
	method  method // of real servers that say nothing else
	weight  int    // the same
	servers []server
}

// takeService makes a service of a virtual server, or for a group one of each of its addresses.
func (i *importer) takeService(e *entry) {
	if !e.open {
		i.wrong(e.place, "%s: has no block: add { and }", e)
		return
	}
	if why := notHere(e); why != "" {
		i.leave(e.place, e.String(), why)
		return
	}
	mode, _ := lvs.ParseMethod(defaultMethod)
	s := &service{entry: e, method: method{Mode: mode}, weight: 1}
	s.Service = config.Service{Scheduler: lvs.DefaultScheduler, Echo: true}
	for _, x := range e.block {
		i.takeKey(s, x)
	}
	if s.Protocol == 0 {
		s.Protocol = lvs.UDP
		i.leave(s.place, e.words[0], "has no protocol, so that it is UDP as in keepalived: if TCP was meant, write that and import again")
	}
	s.shareWeight()
	if !i.chooseMode(s) {
		return
	}
	for _, address := range i.addresses(e) {
		if !i.hasRoom(s) {
			return
		}
		i.add(s, address)
	}
}

// hasRoom counts what is asked for: one more service, with its real servers.
func (i *importer) hasRoom(s *service) bool {
	i.asked.services++
	i.asked.servers += len(s.servers)
	switch {
	case i.asked.services > maxServices:
		i.wrong(s.place, "more than %d services", maxServices)
	case i.asked.servers > maxServers:
		i.wrong(s.place, "more than %d real servers", maxServers)
	default:
		return true
	}
	return false
}

// notHere says why a virtual server is of a kind that is left, whatever its block holds.
func notHere(e *entry) string {
	switch {
	case e.value() == "fwmark":
		return noMarks
	case len(e.words) == 2, len(e.words) == 3 && strings.Trim(e.words[2], "0") == "":
		return everyPort
	}
	return ""
}

// add makes a service of a virtual server for one address.
func (i *importer) add(s *service, address netip.AddrPort) {
	c := s.Service
	c.Address = address
	id := c.ID()
	if first, known := i.taken[id]; known {
		i.leave(s.place, s.String(), fmt.Sprintf("%s is a virtual server already, at %s", id, first))
		return
	}
	i.taken[id] = s.place
	c.Name = id.Name()
	c.RealServers = i.realServers(s, c)
	i.services = append(i.services, c)
}

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
	case "weight":
		s.weight = i.number(e, 1, mostWeight)
	default:
		if !i.undefined(e) {
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
	case name == "" || hint(name) != "":
		i.wrong(e.place, "%s: write a scheduler behind it%s", e, hint(name))
	default:
		i.leave(e.place, e.String(), fmt.Sprintf("there is no such scheduler yet: %s instead", lvs.DefaultScheduler))
	}
	return lvs.DefaultScheduler
}

func (i *importer) takeProtocol(s *service, e *entry) {
	var known bool
	if s.Protocol, known = lvs.ParseProtocol(strings.ToLower(e.value())); !known {
		i.wrong(e.place, "%q is no protocol: write TCP, UDP or SCTP%s", e.value(), hint(e.value()))
	}
}

// addresses gives what a virtual server listens on.
func (i *importer) addresses(e *entry) []netip.AddrPort {
	if e.value() == "group" {
		return i.groupAddresses(e)
	}
	address, ok := i.socket(e)
	if !ok {
		return nil
	}
	return []netip.AddrPort{address}
}

// socket reads "virtual_server ADDRESS [PORT]" and "real_server ADDRESS [PORT]". Port 0 is no port.
func (i *importer) socket(e *entry) (netip.AddrPort, bool) {
	if len(e.words) != 2 && len(e.words) != 3 {
		i.wrong(e.place, "%s: write an address and a port behind %s", e, e.words[0])
		return netip.AddrPort{}, false
	}
	address, good := i.address(e, e.words[1])
	port, fine := uint16(0), true
	if len(e.words) == 3 {
		port, fine = i.port(e, e.words[2])
	}
	return netip.AddrPortFrom(address, port), good && fine
}

// address reads the address of one host. What else is an address is understood, and left.
func (i *importer) address(e *entry, word string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(word)
	a = a.Unmap()
	switch {
	case err != nil && hint(word) == "":
		i.wrong(e.place, "%q is no address: write an IPv4 or IPv6 address, no name", word)
	case err != nil:
		i.wrong(e.place, "%q is no address%s", word, hint(word))
	case a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		i.leave(e.place, e.String(), word+" is not the address of one host, or of this one only")
	default:
		return a, true
	}
	return a, false
}

func (i *importer) port(e *entry, word string) (uint16, bool) {
	port, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		i.wrong(e.place, "%q is no port: write a number from 1 to 65535%s", word, hint(word))
	}
	return uint16(port), err == nil
}
