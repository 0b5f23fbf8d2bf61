package ipvsadm

import (
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/lvs"
)

// What a command has that does not say it, as with ipvsadm: an edited service or real server has it again.
const (
	defaultMethod = "-g"
	defaultWeight = 1
)

// mostTimeout is ipvsadm's: 31 days, in seconds.
const mostTimeout = 31 * 24 * 60 * 60

// option is one of ipvsadm's, by its letter, or by its long name where it has none.
type option struct {
	takes    bool      // an argument
	operates Operation // it says what to do
	gives    part      // what it gives the command
	absent   string    // why it has no counterpart
	set      func(c *Command, v string) error
}

// long gives the letters of long options; those without are options by themselves. Those of
// protocols and forwarding methods come from lvs.
var long = map[string]string{
	"add-service": "A", "edit-service": "E", "delete-service": "D", "clear": "C", "restore": "R", "save": "S", "add-server": "a",
	"edit-server": "e", "delete-server": "d", "list": "L", "zero": "Z", "version": "v",
	"fwmark-service": "f", "scheduler": "s", "persistent": "p", "netmask": "M", "sched-flags": "b", "ops": "o", "real-server": "r",
	"weight": "w", "u-threshold": "x", "l-threshold": "y", "numeric": "n", "connection": "c",
	"ipv6": "6", "exact": "X",
}

// Why options have no counterpart.
const (
	noMarks       = "there are no firewall marks: make a service for each address and port"
	noPersistence = "persistence is not built yet"
	noFlags       = "scheduler flags are not built yet"
	noOnePacket   = "one-packet scheduling is not built yet"
	noEngines     = "there are no persistence engines"
	noDaemon      = "there is no synchronisation of sessions yet"
	noGUE         = "tunnels are IP in IP; GUE and GRE are not built yet"
)

// options are all options. Those of protocols and forwarding methods come from lvs.
var options = map[string]option{
	"A": {operates: AddService}, "E": {operates: EditService}, "D": {operates: DeleteService}, "C": {operates: Clear}, "R": {operates: Restore},
	"S": {operates: Save}, "a": {operates: AddServer}, "e": {operates: EditServer}, "d": {operates: DeleteServer}, "L": {operates: List},
	"l": {operates: List}, "Z": {operates: Zero}, "v": {operates: Version}, "set": {operates: SetTimeouts},

	"s":             {takes: true, gives: scheduler, set: func(c *Command, v string) error { c.Scheduler = v; return nil }},
	"r":             {takes: true, gives: server, set: realServer},
	"local-address": {takes: true, gives: local, set: localAddresses},
	"tun-type":      {takes: true, gives: tunnel, set: tunnelType},
	"w":             {takes: true, gives: weight, set: number(weight, 65535, func(c *Command) *int { return &c.Weight })},
	"x":             {takes: true, gives: upper, set: number(upper, 1<<31-1, func(c *Command) *int { return &c.Upper })},
	"y":             {takes: true, gives: lower, set: number(lower, 1<<31-1, func(c *Command) *int { return &c.Lower })},

	"n": {gives: numeric, set: nothing}, "sort": {gives: sorting, set: nothing}, "6": {set: nothing}, // an address shows its family
	"nosort":          {gives: sorting, set: flag(func(c *Command) *bool { return &c.Unsorted })},
	"c":               {gives: connections, set: flag(func(c *Command) *bool { return &c.Connections })},
	"timeout":         {gives: timeouts, set: flag(func(c *Command) *bool { return &c.ShowTimeouts })},
	"stats":           {gives: stats, set: flag(func(c *Command) *bool { return &c.Stats })},
	"rate":            {gives: rate, set: flag(func(c *Command) *bool { return &c.Rate })},
	"thresholds":      {gives: thresholds, set: flag(func(c *Command) *bool { return &c.Thresholds })},
	"persistent-conn": {gives: persistent, set: flag(func(c *Command) *bool { return &c.Persistent })},
	"tun-info":        {gives: tunnels, set: flag(func(c *Command) *bool { return &c.Tunnels })},
	"X":               {gives: exact, set: flag(func(c *Command) *bool { return &c.Exact })},

	"f": {absent: noMarks}, "p": {absent: noPersistence}, "M": {absent: noPersistence}, "b": {absent: noFlags}, "o": {absent: noOnePacket},
	"pe": {absent: noEngines}, "daemon": {absent: noDaemon}, "start-daemon": {absent: noDaemon}, "stop-daemon": {absent: noDaemon},
	"tun-port": {absent: noGUE}, "tun-nocsum": {absent: noGUE}, "tun-csum": {absent: noGUE}, "tun-remcsum": {absent: noGUE},
}

func init() {
	for _, p := range lvs.Protocols() {
		addOption(p.Flag(), p.LongFlag(), option{takes: true, gives: service, set: socket(p)})
	}
	for _, m := range lvs.Modes() {
		addOption(m.Flag(), m.LongFlag(), option{gives: method, set: forward(m)})
	}
}

// addOption adds an option by its letter and its long name, or by its long name alone.
func addOption(short, longFlag string, o option) {
	name := strings.TrimLeft(short, "-")
	options[name] = o
	if longFlag != short {
		long[strings.TrimLeft(longFlag, "-")] = name
	}
}

func nothing(*Command, string) error { return nil }

func flag(field func(*Command) *bool) func(*Command, string) error {
	return func(c *Command, _ string) error { *field(c) = true; return nil }
}

func number(p part, most int, field func(*Command) *int) func(*Command, string) error {
	return func(c *Command, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > most {
			return usage("the %s %q is none: write a number from 0 to %d", nounOf(p), v, most)
		}
		*field(c) = n
		return nil
	}
}

func forward(m lvs.Mode) func(*Command, string) error {
	return func(c *Command, _ string) error { c.Method = m; return nil }
}

func tunnelType(_ *Command, v string) error {
	here := lvs.ModesWith(func(m lvs.Mode) bool { return m.Path() == lvs.Tunnel && m.TunnelType() == v })
	switch {
	case len(here) > 0:
		return nil
	case v == "gue", v == "gre":
		return absent("--tun-type", noGUE)
	}
	return usage("the tunnel type %q is none: write ipip", v)
}

func localAddresses(c *Command, v string) error {
	for text := range strings.SplitSeq(v, ",") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return usage("the local address %q is none: write addresses with commas between them", text)
		}
		c.Local = append(c.Local, a)
	}
	return nil
}

// noNames is for those who save with names.
const noNames = "; names are not looked up: save with ipvsadm-save -n"

func socket(protocol lvs.Protocol) func(*Command, string) error {
	return func(c *Command, v string) error {
		a, err := netip.ParseAddrPort(v)
		if err != nil || a.Port() == 0 {
			return usage("the service %q is none: write an address and a port, such as 10.0.0.100:80 or [fd00::100]:80%s", v, noNames)
		}
		c.Service = lvs.ServiceID{Protocol: protocol, Address: a}
		return nil
	}
}

func realServer(c *Command, v string) error {
	a, err := netip.ParseAddrPort(v)
	if err != nil {
		alone, err := netip.ParseAddr(strings.Trim(v, "[]"))
		if err != nil {
			return usage("the real server %q is none: write an address, or an address and a port, such as 10.1.0.11:80%s", v, noNames)
		}
		a = netip.AddrPortFrom(alone, 0)
	}
	c.Server = a
	return nil
}
