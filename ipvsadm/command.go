package ipvsadm

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Operation is what a command does.
type Operation byte

// The operations, by ipvsadm's letters.
const (
	AddService    Operation = 'A'
	EditService   Operation = 'E'
	DeleteService Operation = 'D'
	Clear         Operation = 'C'
	Restore       Operation = 'R'
	Save          Operation = 'S'
	AddServer     Operation = 'a'
	EditServer    Operation = 'e'
	DeleteServer  Operation = 'd'
	List          Operation = 'L'
	Zero          Operation = 'Z'
	SetTimeouts   Operation = 't' // --set
)

// Command is a command line.
type Command struct {
	Operation Operation
	Protocol  string         // "tcp", "udp" or "sctp"
	Service   netip.AddrPort // not valid where the operation is about all
	Server    netip.AddrPort // port 0 is the service's
	Scheduler string         // "" is not given
	Method    string         // "dr", "ipip", "nat" or "fullnat"; "" is not given
	Local     []string       // fullnat's local addresses, as the configuration has them
	Weight    int            // -1 is not given
	Upper     int            // -1 is not given
	Lower     int            // -1 is not given

	Numeric, Connections, Stats, Rate, Thresholds, Timeouts, Exact bool // how to list
}

// UsageError is a command line that is none.
type UsageError struct{ What string }

func (e *UsageError) Error() string { return e.What }

// ErrNotHere says that Fulcrum has no counterpart of what is asked for.
var ErrNotHere = errors.New("not in Fulcrum")

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Parse reads a command line, without the program's name.
func Parse(args []string) (Command, error) {
	p := parser{words: split(args), c: Command{Weight: -1, Upper: -1, Lower: -1}}
	if err := p.parse(); err != nil {
		return p.c, err
	}
	return p.c, p.c.validate()
}

// option is one of ipvsadm's, by its letter, or by its long name where it has none.
type option struct {
	takes    bool      // an argument
	operates Operation // it says what to do
	absent   string    // why it has no counterpart
	set      func(c *Command, v string) error
}

// long gives the letters of long options; those without are options by themselves.
var long = map[string]string{
	"add-service": "A", "edit-service": "E", "delete-service": "D", "clear": "C", "restore": "R", "save": "S", "add-server": "a",
	"edit-server": "e", "delete-server": "d", "list": "L", "zero": "Z", "tcp-service": "t", "udp-service": "u", "fwmark-service": "f",
	"scheduler": "s", "persistent": "p", "netmask": "M", "sched-flags": "b", "ops": "o", "real-server": "r", "gatewaying": "g",
	"ipip": "i", "masquerading": "m", "weight": "w", "u-threshold": "x", "l-threshold": "y", "numeric": "n", "connection": "c", "ipv6": "6",
	"mcast-interface": "mcast-interface", "pe": "pe",
}

var options = map[string]option{
	"A": {operates: AddService}, "E": {operates: EditService}, "D": {operates: DeleteService}, "C": {operates: Clear}, "R": {operates: Restore},
	"S": {operates: Save}, "a": {operates: AddServer}, "e": {operates: EditServer}, "d": {operates: DeleteServer}, "L": {operates: List}, "l": {operates: List},
	"Z": {operates: Zero},
	"t": {takes: true, set: socket("tcp")}, "u": {takes: true, set: socket("udp")}, "sctp-service": {takes: true, set: socket("sctp")},
	"f": {takes: true, absent: "there are no firewall marks: make a service for each address and port"},
	"s": {takes: true, set: func(c *Command, v string) error { c.Scheduler = v; return nil }},
	"p": {absent: "persistence is not built yet"}, "M": {takes: true, absent: "persistence is not built yet"},
	"b": {takes: true, absent: "scheduler flags are not built yet"}, "o": {absent: "one-packet scheduling is not built yet"},
	"pe": {takes: true, absent: "there are no persistence engines"},
	"r":  {takes: true, set: realServer}, "g": {set: method("dr")}, "i": {set: method("ipip")}, "m": {set: method("nat")}, "fullnat": {set: method("fullnat")},
	"local-address": {takes: true, set: func(c *Command, v string) error {
		c.Local = append(c.Local, strings.Split(v, ",")...)
		return nil
	}},
	"w": {takes: true, set: number("weight", 65535, func(c *Command) *int { return &c.Weight })},
	"x": {takes: true, set: number("upper threshold", 1<<31-1, func(c *Command) *int { return &c.Upper })},
	"y": {takes: true, set: number("lower threshold", 1<<31-1, func(c *Command) *int { return &c.Lower })},
	"n": {set: flag(func(c *Command) *bool { return &c.Numeric })}, "c": {set: flag(func(c *Command) *bool { return &c.Connections })},
	"stats": {set: flag(func(c *Command) *bool { return &c.Stats })}, "rate": {set: flag(func(c *Command) *bool { return &c.Rate })},
	"thresholds": {set: flag(func(c *Command) *bool { return &c.Thresholds })}, "timeout": {set: flag(func(c *Command) *bool { return &c.Timeouts })},
	"exact": {set: flag(func(c *Command) *bool { return &c.Exact })},
	"sort":  {set: nothing}, "nosort": {set: nothing}, "persistent-conn": {set: nothing}, "6": {set: nothing}, // an address shows its family
	"set":          {absent: "timeouts are fixed at start: session.timeouts in the configuration"},
	"daemon":       {absent: "there is no synchronisation of sessions yet"},
	"start-daemon": {takes: true, absent: "there is no synchronisation of sessions yet"},
	"stop-daemon":  {takes: true, absent: "there is no synchronisation of sessions yet"},
	"tun-type":     {takes: true, absent: "tunnels are IP in IP; GUE and GRE are not built yet"},
}

func nothing(*Command, string) error { return nil }

func flag(field func(*Command) *bool) func(*Command, string) error {
	return func(c *Command, _ string) error { *field(c) = true; return nil }
}

func number(name string, most int, field func(*Command) *int) func(*Command, string) error {
	return func(c *Command, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > most {
			return usage("the %s %q is none: write a number from 0 to %d", name, v, most)
		}
		*field(c) = n
		return nil
	}
}

func method(name string) func(*Command, string) error {
	return func(c *Command, _ string) error {
		if c.Method != "" && c.Method != name {
			return usage("two forwarding methods: give one of -g, -i, -m and --fullnat")
		}
		c.Method = name
		return nil
	}
}

func socket(protocol string) func(*Command, string) error {
	return func(c *Command, v string) error {
		if c.Protocol != "" {
			return usage("two services: give one of -t, -u and --sctp-service")
		}
		a, err := netip.ParseAddrPort(v)
		if err != nil || a.Port() == 0 {
			return usage("the service %q is none: write an address and a port, such as 10.0.0.100:80 or [fd00::100]:80", v)
		}
		c.Protocol, c.Service = protocol, a
		return nil
	}
}

func realServer(c *Command, v string) error {
	a, err := netip.ParseAddrPort(v)
	if err != nil {
		alone, err := netip.ParseAddr(strings.Trim(v, "[]"))
		if err != nil {
			return usage("the real server %q is none: write an address, or an address and a port, such as 10.1.0.11:80", v)
		}
		a = netip.AddrPortFrom(alone, 0)
	}
	c.Server = a
	return nil
}

// split takes combined letters apart, so that -Ln is -L -n; a letter that takes an argument takes the rest of its word.
func split(args []string) []string {
	var words []string
	for _, a := range args {
		if len(a) < 3 || a[0] != '-' || a[1] == '-' {
			words = append(words, a)
			continue
		}
		for i := 1; i < len(a); i++ {
			words = append(words, "-"+a[i:i+1])
			if options[a[i:i+1]].takes && i+1 < len(a) {
				words = append(words, a[i+1:])
				break
			}
		}
	}
	return words
}

type parser struct {
	words []string
	c     Command
}

func (p *parser) parse() error {
	for len(p.words) > 0 {
		word := p.words[0]
		p.words = p.words[1:]
		if err := p.option(word); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) option(word string) error {
	name, value, joined := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	if strings.HasPrefix(word, "--") {
		if letter, ok := long[name]; ok {
			name = letter
		}
	} else {
		name = strings.TrimPrefix(word, "-")
	}
	o, known := options[name]
	if !known || !strings.HasPrefix(word, "-") {
		return usage("%q is no option of ipvsadm", word)
	}
	if o.takes && !joined {
		if len(p.words) == 0 {
			return usage("%s needs an argument", word)
		}
		value, p.words = p.words[0], p.words[1:]
	}
	switch {
	case o.absent != "":
		return fmt.Errorf("%s: %w: %s", word, ErrNotHere, o.absent)
	case o.operates == 0:
		return o.set(&p.c, value)
	case p.c.Operation != 0:
		return usage("two commands: give one of -A, -E, -D, -C, -R, -S, -a, -e, -d, -L and -Z")
	}
	p.c.Operation = o.operates
	return nil
}

// validate holds the command to what ipvsadm lets go together.
func (k *Command) validate() error {
	aboutService := []Operation{AddService, EditService, DeleteService, AddServer, EditServer, DeleteServer}
	aboutServer := aboutService[3:]
	switch {
	case k.Operation == 0:
		return usage("no command: give one of -A, -E, -D, -C, -R, -S, -a, -e, -d and -L")
	case slices.Contains(aboutService, k.Operation) && k.Protocol == "":
		return usage("-%c needs a service: -t, -u or --sctp-service", k.Operation)
	case slices.Contains(aboutServer, k.Operation) != k.Server.IsValid():
		if k.Server.IsValid() {
			return usage("-%c has no real server: leave -r out", k.Operation)
		}
		return usage("-%c needs a real server: -r", k.Operation)
	case k.Scheduler != "" && k.Operation != AddService && k.Operation != EditService:
		return usage("-%c has no scheduler: leave -s out", k.Operation)
	case (k.Weight >= 0 || k.Upper >= 0 || k.Lower >= 0) && k.Operation != AddServer && k.Operation != EditServer:
		return usage("-%c has no weight and no thresholds: leave -w, -x and -y out", k.Operation)
	case k.Method != "" && !slices.Contains([]Operation{AddService, EditService, AddServer, EditServer}, k.Operation):
		return usage("-%c has no forwarding method: leave -g, -i, -m and --fullnat out", k.Operation)
	}
	return nil
}
