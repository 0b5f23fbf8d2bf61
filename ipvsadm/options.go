package ipvsadm

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/lvs"
)

// ipvsadm's defaults. An edited service or real server gets them again if the command does not give
// the value.
const (
	defaultMethod = "-g"
	defaultWeight = 1
)

// mostTimeout is ipvsadm's limit: 31 days, in seconds.
const mostTimeout = 31 * 24 * 60 * 60

// The limits of config.
const (
	mostWeight    = 65535
	mostThreshold = 1<<31 - 1
)

// option is an option of ipvsadm.
type option struct {
	takes    bool                             // whether it takes an argument
	may      bool                             // takes the next word unless that is an option
	operates Operation                        // the operation that it selects, or 0
	gives    part                             // what it gives the command, or 0
	absent   string                           // why Fulcrum does not support it, or ""
	set      func(c *Command, v string) error // nil for operations, real servers and what is absent
}

// long maps long options to their letters. init adds the options of protocols and forwarding
// methods from package lvs.
var long = map[string]string{
	"add-service": "A", "edit-service": "E", "delete-service": "D",
	"clear": "C", "restore": "R", "save": "S",
	"add-server": "a", "edit-server": "e", "delete-server": "d",
	"list": "L", "zero": "Z", "version": "v",
	"fwmark-service": "f", "scheduler": "s", "persistent": "p", "netmask": "M",
	"ops": "o", "real-server": "r", "sched-flags": "b",
	"weight": "w", "u-threshold": "x", "l-threshold": "y", "numeric": "n", "connection": "c",
	"ipv6": "6", "exact": "X",
}

// Why Fulcrum does not support options.
const (
	noDaemon = "there is no synchronisation of sessions yet"
	noGUE    = "there are no GUE and GRE tunnels yet: use --tun-type ipip"
)

// options maps letters, and long names without a letter, to options. init adds the options of
// protocols and forwarding methods from package lvs.
var options = map[string]option{
	"A": {operates: AddService}, "E": {operates: EditService}, "D": {operates: DeleteService},
	"C": {operates: Clear}, "R": {operates: Restore}, "S": {operates: Save},
	"a": {operates: AddServer}, "e": {operates: EditServer}, "d": {operates: DeleteServer},
	"L": {operates: List}, "l": {operates: List},
	"Z": {operates: Zero}, "v": {operates: Version}, "set": {operates: SetTimeouts},

	"s":             {takes: true, gives: scheduler, set: schedulerName},
	"b":             {takes: true, gives: schedFlags, set: flagNames},
	"p":             {may: true, gives: persistence, set: persistenceTimeout},
	"M":             {takes: true, gives: netmask, set: persistenceMask},
	"o":             {gives: onePacket, set: flag(func(c *Command) *bool { return &c.OnePacket })},
	"pe":            {takes: true, gives: engine, set: persistenceEngine},
	"r":             {takes: true, gives: server},
	"local-address": {takes: true, gives: local, set: localAddresses},
	"tun-type":      {takes: true, gives: tunnel, set: tunnelType},
	"w":             {takes: true, gives: weight, set: number(weight, mostWeight, weightOf)},
	"x":             {takes: true, gives: upper, set: number(upper, mostThreshold, upperOf)},
	"y":             {takes: true, gives: lower, set: number(lower, mostThreshold, lowerOf)},

	"f":               {takes: true, gives: service, set: markNumber},
	"6":               {set: flag(func(c *Command) *bool { return &c.Six })}, // an address shows it already
	"n":               {gives: numeric, set: nothing},
	"sort":            {gives: sorting, set: nothing},
	"nosort":          {gives: sorting, set: flag(func(c *Command) *bool { return &c.Unsorted })},
	"c":               {gives: connections, set: flag(connectionsOf)},
	"timeout":         {gives: timeouts, set: flag(func(c *Command) *bool { return &c.ShowTimeouts })},
	"stats":           {gives: stats, set: flag(func(c *Command) *bool { return &c.Stats })},
	"rate":            {gives: rate, set: flag(func(c *Command) *bool { return &c.Rate })},
	"thresholds":      {gives: thresholds, set: flag(func(c *Command) *bool { return &c.Thresholds })},
	"persistent-conn": {gives: persistent, set: flag(func(c *Command) *bool { return &c.Persistent })},
	"tun-info":        {gives: tunnels, set: flag(func(c *Command) *bool { return &c.Tunnels })},
	"X":               {gives: exact, set: flag(func(c *Command) *bool { return &c.Exact })},

	"daemon":       {absent: noDaemon},
	"start-daemon": {absent: noDaemon}, "stop-daemon": {absent: noDaemon},
	"tun-port": {absent: noGUE}, "tun-nocsum": {absent: noGUE},
	"tun-csum": {absent: noGUE}, "tun-remcsum": {absent: noGUE},
	"syncid": {absent: noDaemon}, "mcast-interface": {absent: noDaemon},
}

func init() {
	for _, p := range lvs.Protocols() {
		addOption(p.Flag(), p.LongFlag(), option{takes: true, gives: service, set: socket(p)})
	}
	for _, m := range lvs.Modes() {
		addOption(m.Flag(), m.LongFlag(), option{gives: method, set: forward(m)})
	}
}

// addOption adds an option under its letter and its long name, or under its long name alone.
func addOption(short, longFlag string, o option) {
	name := strings.TrimLeft(short, "-")
	options[name] = o
	if longFlag != short {
		long[strings.TrimLeft(longFlag, "-")] = name
	}
}

// nothing sets nothing: the option has no effect, as it is the default or implied.
func nothing(*Command, string) error { return nil }

func flagNames(c *Command, v string) error {
	for name := range strings.SplitSeq(v, ",") {
		if name != "" { // as strtok has it
			c.Flags = append(c.Flags, name)
		}
	}
	return nil
}

func schedulerName(c *Command, v string) error { c.Scheduler = v; return nil }

func flag(field func(*Command) *bool) func(*Command, string) error {
	return func(c *Command, _ string) error { *field(c) = true; return nil }
}

func number(p part, most int, field func(*Command) *int) func(*Command, string) error {
	return func(c *Command, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > most {
			return usage("invalid %s %q: write a number from 0 to %d", nounOf(p), v, most)
		}
		*field(c) = n
		return nil
	}
}

func weightOf(c *Command) *int { return &c.Weight }
func upperOf(c *Command) *int  { return &c.Upper }
func lowerOf(c *Command) *int  { return &c.Lower }

func connectionsOf(c *Command) *bool { return &c.Connections }

func forward(m lvs.Mode) func(*Command, string) error {
	return func(c *Command, _ string) error { c.Method = m; return nil }
}

func tunnelType(_ *Command, v string) error {
	ofType := func(m lvs.Mode) bool { return m.Path() == lvs.Tunnel && m.TunnelType() == v }
	switch {
	case len(lvs.ModesWith(ofType)) > 0:
		return nil
	case v == "gue", v == "gre":
		return absent("--tun-type", noGUE)
	}
	return usage("unknown tunnel type %q: write ipip", v)
}

func localAddresses(c *Command, v string) error {
	for text := range strings.SplitSeq(v, ",") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return usage("invalid local address %q: write addresses separated by commas", text)
		}
		c.Local = append(c.Local, a)
	}
	return nil
}

// noNames is the remedy for rules that were saved with names.
const noNames = "; names of hosts are not resolved: save with ipvsadm-save -n"

func socket(protocol lvs.Protocol) func(*Command, string) error {
	return func(c *Command, v string) error {
		a, port, ok := cut(v)
		if !ok {
			return usage("invalid service %q: write an address and a port, "+
				"such as 10.0.0.100:80 or [fd00::100]:80%s", v, noNames)
		}
		number, err := portNumber(protocol, port)
		c.Service = lvs.ServiceID{Protocol: protocol, Address: netip.AddrPortFrom(a, number)}
		return err
	}
}

// markNumber takes the number of a mark. Its IP version comes at the end of the command line.
func markNumber(c *Command, v string) error {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == 0 {
		return usage("illegal firewall mark specified: %q: write a number from 1 to 4294967295", v)
	}
	c.Service = lvs.IDOfMark(uint32(n), false)
	return nil
}

// complete sets what only the whole command line tells of the service: the IP version of a mark,
// and that port 0 is every port.
func (k *Command) complete() {
	switch id := k.Service; {
	case id.Mark != 0:
		k.Service = lvs.IDOfMark(id.Mark, k.Six)
	case id.Address.IsValid() && id.Single() && id.Address.Port() == 0:
		k.Service = lvs.IDOf(lvs.Match{
			Protocol: id.Protocol, First: id.Address.Addr(), Last: id.Address.Addr(), Ports: lvs.AllPorts,
		})
	}
}

// realServer takes the address, and keeps the port for the end of the command line.
func (p *parser) realServer(v string) error {
	a, port, ok := cut(v)
	if !ok {
		return usage("invalid real server %q: write an address, or an address and a port, "+
			"such as 10.1.0.11:80%s", v, noNames)
	}
	p.c.Server, p.port = netip.AddrPortFrom(a, 0), port
	return nil
}

// cut parses an address alone or with a port, which it does not look up. Without one the port is
// 0, as in ipvsadm.
func cut(v string) (a netip.Addr, port string, ok bool) {
	a, err := netip.ParseAddr(strings.Trim(v, "[]"))
	if err == nil {
		return a, "0", true
	}
	host, port, err := net.SplitHostPort(v)
	if err == nil {
		a, err = netip.ParseAddr(host)
	}
	return a, port, err == nil
}

// portNumber returns the port with a number or a name. Names are those of /etc/services, or the few
// that Go knows without that file.
func portNumber(protocol lvs.Protocol, name string) (uint16, error) {
	n, err := net.LookupPort(protocol.String(), name)
	if err != nil || name == "" {
		return 0, usage("unknown %s port %q: write a number from 0 to 65535", protocol, name)
	}
	return uint16(n), nil
}
