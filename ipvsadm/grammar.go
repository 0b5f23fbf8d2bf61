package ipvsadm

import (
	"math/bits"
	"slices"

	"fulcrum/lvs"
)

// part is something that options give a command, or a set of them.
type part uint32

const (
	service part = 1 << iota
	server
	scheduler
	method
	local
	weight
	upper
	lower
	tunnel
	numeric
	sorting
	connections
	timeouts
	stats
	rate
	thresholds
	persistent
	tunnels
	exact
)

// parts names them, in their order, and says which options give them.
var parts = [...]struct{ noun, options string }{
	{"service", "-t, -u and --sctp-service"}, {"real server", "-r"}, {"scheduler", "-s"}, {"forwarding method", "-g, -i, -m and --fullnat"},
	{"local address", "--local-address"}, {"weight", "-w"}, {"upper threshold", "-x"}, {"lower threshold", "-y"}, {"tunnel type", "--tun-type"},
	{"numeric form", "-n"}, {"order", "--sort and --nosort"}, {"connection list", "-c"}, {"timeout", "--timeout"}, {"statistics list", "--stats"},
	{"rate list", "--rate"}, {"threshold list", "--thresholds"}, {"persistent connection list", "--persistent-conn"}, {"tunnel list", "--tun-info"},
	{"exact form", "--exact"},
}

// first is the first one's place among the parts.
func (p part) first() int { return bits.TrailingZeros32(uint32(p)) }

func nounOf(p part) string { return parts[p.first()].noun }

func optionsOf(p part) string { return parts[p.first()].options }

// grammar is what goes with an operation, as ipvsadm has it. The forwarding method is also a service's here.
var grammar = map[Operation]struct{ needs, takes part }{
	AddService:    {service, scheduler | method | local},
	EditService:   {service, scheduler | method | local},
	DeleteService: {service, 0},
	Clear:         {},
	Restore:       {},
	Save:          {0, numeric},
	AddServer:     {service | server, method | local | weight | upper | lower | tunnel},
	EditServer:    {service | server, method | local | weight | upper | lower | tunnel},
	DeleteServer:  {service | server, 0},
	List:          {0, service | numeric | sorting | connections | timeouts | stats | rate | thresholds | persistent | tunnels | exact},
	Zero:          {0, service},
	Version:       {},
	SetTimeouts:   {},
}

// apart are sets of parts of which a command has one at most.
var apart = []part{
	service | connections | timeouts, connections | stats, connections | rate, connections | thresholds,
	timeouts | stats, timeouts | rate, timeouts | thresholds, timeouts | persistent,
}

// validate holds the command to what goes together.
func (p *parser) validate() error {
	g, known := grammar[p.c.Operation]
	if !known {
		return usage("no command: give one of -A, -E, -D, -C, -R, -S, -a, -e, -d, -L and -Z")
	}
	if missing := g.needs &^ p.given; missing != 0 {
		return usage("%s needs a %s: %s", p.c.Operation, nounOf(missing), optionsOf(missing))
	}
	if foreign := p.given &^ (g.needs | g.takes); foreign != 0 {
		return usage("%s has no %s: leave %s out", p.c.Operation, nounOf(foreign), optionsOf(foreign))
	}
	if p.given&tunnel != 0 && p.c.Method.Path() != lvs.Tunnel {
		return usage("--tun-type goes with -i")
	}
	if p.given&local != 0 && p.given&method != 0 && !hasLocals(p.c.Method) {
		return usage("--local-address goes with --fullnat")
	}
	if i := slices.IndexFunc(apart, func(set part) bool { return bits.OnesCount32(uint32(set&p.given)) > 1 }); i >= 0 {
		one := apart[i] & p.given
		return usage("%s and %s do not go together", optionsOf(one), optionsOf(one&^(1<<one.first())))
	}
	return nil
}
