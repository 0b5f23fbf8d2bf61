package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/config"
)

// Import is what a keepalived.conf gives.
type Import struct {
	Services []config.Service
	// Left lists what could not be carried over, each with its place and why.
	Left []string
}

// Load reads a keepalived.conf with what it includes.
func Load(file string) (*Import, error) { return load(file, readFile) }

func load(file string, open func(string) ([]byte, error)) (*Import, error) {
	r := reader{open: open}
	entries, err := r.read(file, 0)
	if err != nil {
		return nil, err
	}
	i := new(Import)
	for _, e := range entries {
		if err := i.take(e); err != nil {
			return nil, err
		}
	}
	return i, nil
}

func (i *Import) leave(e entry, why string) {
	i.Left = append(i.Left, fmt.Sprintf("%s: %s: %s", e.place(), strings.Join(e.words, " "), why))
}

// elsewhere are blocks of other jobs of keepalived's, which is not worth a line each.
const elsewhere = "is no virtual server; keepalived goes on doing that"

func (i *Import) take(e entry) error {
	if len(e.words) == 0 {
		return nil
	}
	switch e.words[0] {
	case "virtual_server":
		return i.takeServer(e)
	case "virtual_server_group":
		i.leave(e, "groups of addresses are not here: make a service for each address")
	case "global_defs":
	default:
		i.leave(e, elsewhere)
	}
	return nil
}

// takeServer takes a virtual server, unless it is one of a kind that is not here.
func (i *Import) takeServer(e entry) error {
	if len(e.words) == 3 && (e.words[1] == "fwmark" || e.words[1] == "group") {
		i.leave(e, "firewall marks and groups are not here: make a service for each address and port")
		return nil
	}
	a, err := socketOf(e)
	if err != nil {
		return err
	}
	s := config.Service{Address: a, Protocol: "tcp", Mode: "nat", Scheduler: "wlc", Echo: true}
	for _, x := range e.block {
		if err := i.takeKey(&s, x); err != nil {
			return err
		}
	}
	s.Name = fmt.Sprintf("%s-%s-%d", s.Protocol, strings.ReplaceAll(a.Addr().StringExpanded(), ":", "-"), a.Port())
	i.fixPorts(e, &s)
	i.Services = append(i.Services, s)
	return nil
}

// fixPorts gives real servers the service's port in the modes that cannot translate it.
func (i *Import) fixPorts(e entry, s *config.Service) {
	for n := range s.RealServers {
		rs := &s.RealServers[n]
		if s.Mode != "nat" && rs.Address.Port() != s.Address.Port() {
			i.leave(e, fmt.Sprintf("real server %s: %s does not rewrite ports, so it gets the service's", rs.Address, s.Mode))
			rs.Address = netip.AddrPortFrom(rs.Address.Addr(), s.Address.Port())
		}
	}
}

// socketOf reads "virtual_server ADDRESS PORT" and "real_server ADDRESS PORT".
func socketOf(e entry) (netip.AddrPort, error) {
	if len(e.words) != 3 {
		return netip.AddrPort{}, fmt.Errorf("%s: %s: write an address and a port behind it", e.place(), strings.Join(e.words, " "))
	}
	address, err := netip.ParseAddr(e.words[1])
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s: %q is no address", e.place(), e.words[1])
	}
	port, err := strconv.ParseUint(e.words[2], 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s: %q is no port that a service can have", e.place(), e.words[2])
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(port)), nil
}

var modes = map[string]string{"NAT": "nat", "DR": "dr", "TUN": "ipip"}

// silent are keys about the checking of real servers as such, of which one line is enough, and about nothing that matters here.
var silent = map[string]bool{"delay_loop": true, "alpha": true, "omega": true, "hysteresis": true, "retry": true, "delay_before_retry": true, "virtualhost": true, "ip_family": true}

// absent says why a key of a virtual server has no counterpart.
var absent = map[string]string{
	"persistence_timeout": "persistence is not built yet", "persistence_granularity": "persistence is not built yet", "persistence_engine": "there are no persistence engines",
	"ops": "one-packet scheduling is not built yet", "quorum": "quorums are not built yet", "quorum_up": "quorums are not built yet", "quorum_down": "quorums are not built yet",
	"sorry_server": "a server of last resort is not built yet: without an available real server clients get ICMP port unreachable",
	"ha_suspend":   "keepalived's VRRP is not here", "lvs_flags": "scheduler flags are not built yet", "sh-port": "scheduler flags are not built yet", "sh-fallback": "scheduler flags are not built yet",
	"mh-port": "scheduler flags are not built yet", "mh-fallback": "scheduler flags are not built yet", "flag-1": "scheduler flags are not built yet", "flag-2": "scheduler flags are not built yet", "flag-3": "scheduler flags are not built yet",
	"inhibit_on_failure": "real servers are not checked yet", "notify_up": "real servers are not checked yet", "notify_down": "real servers are not checked yet",
}

func (i *Import) takeKey(s *config.Service, e entry) error {
	if len(e.words) == 0 {
		return nil
	}
	key, value := e.words[0], ""
	if len(e.words) > 1 {
		value = e.words[1]
	}
	switch key {
	case "real_server":
		return i.takeRealServer(s, e)
	case "lb_algo", "lvs_sched":
		if value != "rr" && value != "wrr" && value != "lc" && value != "wlc" {
			i.leave(e, "that scheduler is not built yet: wlc instead")
			value = "wlc"
		}
		s.Scheduler = value
	case "lb_kind", "lvs_method":
		mode, ok := modes[strings.ToUpper(value)]
		if !ok {
			return fmt.Errorf("%s: %q is no forwarding method: NAT, DR or TUN", e.place(), value)
		}
		s.Mode = mode
	case "protocol":
		s.Protocol = strings.ToLower(value)
		if s.Protocol != "tcp" && s.Protocol != "udp" && s.Protocol != "sctp" {
			return fmt.Errorf("%s: %q is no protocol: TCP, UDP or SCTP", e.place(), value)
		}
	default:
		i.pass(e, key)
	}
	return nil
}

// pass notes what has no counterpart.
func (i *Import) pass(e entry, key string) {
	switch why, known := absent[key]; {
	case known:
		i.leave(e, why)
	case silent[key]:
	case strings.HasSuffix(key, "_CHECK") || strings.HasSuffix(key, "_GET"):
		i.leave(e, "real servers are not checked yet")
	default:
		i.leave(e, "has no counterpart")
	}
}

func (i *Import) takeRealServer(s *config.Service, e entry) error {
	a, err := socketOf(e)
	if err != nil {
		return err
	}
	rs := config.RealServer{Address: a, Weight: 1}
	for _, x := range e.block {
		if len(x.words) == 0 {
			continue
		}
		field := map[string]*int{"weight": &rs.Weight, "uthreshold": &rs.UpperThreshold, "lthreshold": &rs.LowerThreshold}[x.words[0]]
		if field == nil {
			i.pass(x, x.words[0])
			continue
		}
		if len(x.words) != 2 {
			return fmt.Errorf("%s: %s: write a number behind it", x.place(), x.words[0])
		}
		if *field, err = strconv.Atoi(x.words[1]); err != nil || *field < 0 || *field > 1<<31-1 || x.words[0] == "weight" && *field > 65535 {
			return fmt.Errorf("%s: %q is no number that a %s can have", x.place(), x.words[1], x.words[0])
		}
	}
	s.RealServers = append(s.RealServers, rs)
	return nil
}
