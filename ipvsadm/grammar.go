package ipvsadm

import (
	"math/bits"
	"slices"

	"fulcrum/lvs"
)

// part is a set of the things that options give a command.
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
	schedFlags
	persistence
	netmask
	onePacket
	engine
)

// parts holds the noun of each part, in the order of their bits, and the options that give it.
var parts = [...]struct{ noun, options string }{
	{"service", "-t, -u, --sctp-service or -f"},
	{"real server", "-r"},
	{"scheduler", "-s"},
	{"forwarding method", "-g, -i, -m or --fullnat"},
	{"local address list", "--local-address"},
	{"weight", "-w"},
	{"upper threshold", "-x"},
	{"lower threshold", "-y"},
	{"tunnel type", "--tun-type"},
	{"numeric form", "-n"},
	{"order", "--sort or --nosort"},
	{"connection list", "-c"},
	{"timeout", "--timeout"},
	{"statistics list", "--stats"},
	{"rate list", "--rate"},
	{"threshold list", "--thresholds"},
	{"persistent connection list", "--persistent-conn"},
	{"tunnel list", "--tun-info"},
	{"exact form", "--exact"},
	{"scheduler flag list", "-b"},
	{"persistence timeout", "-p"},
	{"netmask", "-M"},
	{"one-packet flag", "-o"},
	{"persistence engine", "--pe"},
}

// first returns the index of the lowest part of the set.
func (p part) first() int { return bits.TrailingZeros32(uint32(p)) }

func nounOf(p part) string { return parts[p.first()].noun }

func optionsOf(p part) string { return parts[p.first()].options }

// List's parts: a selection, a form, and one or more of the lists.
const (
	listForms = numeric | sorting | exact
	lists     = connections | timeouts | stats | rate | thresholds | persistent | tunnels
)

// ofService are the parts that a service takes.
const ofService = scheduler | schedFlags | persistence | netmask | engine | onePacket | method |
	local

// grammar holds the parts that an operation needs and takes, as in ipvsadm. Unlike there, a service
// takes a forwarding method.
var grammar = map[Operation]struct{ needs, takes part }{
	AddService:    {service, ofService},
	EditService:   {service, ofService},
	DeleteService: {service, 0},
	Clear:         {},
	Restore:       {},
	Save:          {0, numeric},
	AddServer:     {service | server, method | local | weight | upper | lower | tunnel},
	EditServer:    {service | server, method | local | weight | upper | lower | tunnel},
	DeleteServer:  {service | server, 0},
	List:          {0, service | listForms | lists},
	Zero:          {0, service},
	Version:       {},
	SetTimeouts:   {},
}

// apart are sets of mutually exclusive parts.
var apart = []part{
	service | connections | timeouts,
	connections | stats, connections | rate, connections | thresholds,
	timeouts | stats, timeouts | rate, timeouts | thresholds, timeouts | persistent,
}

// zeroPort begins with ipvsadm's words.
const zeroPort = "Zero port specified for non-persistent service: " +
	"give the service a port, or add a service for each one"

// notUDP is ipvsadm's words.
const notUDP = "One-Packet Scheduling is only for UDP virtual services"

// validate checks the parts of the command against the grammar.
func (p *parser) validate() error {
	g, known := grammar[p.c.Operation]
	if !known {
		return usage("missing command: give one of -A, -E, -D, -C, -R, -S, -a, -e, -d, -L and -Z")
	}
	if missing := g.needs &^ p.given; missing != 0 {
		return usage("%s needs a %s: give %s", p.c.Operation, nounOf(missing), optionsOf(missing))
	}
	if foreign := p.given &^ (g.needs | g.takes); foreign != 0 {
		return usage("%s takes no %s: leave %s out", p.c.Operation, nounOf(foreign), optionsOf(foreign))
	}
	allPorts := p.c.Service.Mark == 0 && p.c.Service.Address.Port() == 0
	if g.takes&scheduler != 0 && allPorts && p.c.Persistence == 0 {
		return usage(zeroPort)
	}
	if p.c.OnePacket && p.c.Service.Protocol != lvs.UDP {
		return usage(notUDP)
	}
	if _, err := p.c.maskBits(); err != nil {
		return err
	}
	if p.given&engine != 0 && p.c.Persistence == 0 {
		return usage("--pe needs -p")
	}
	if err := p.c.checkFlags(); err != nil {
		return err
	}
	if p.given&tunnel != 0 && p.c.Method.Path() != lvs.Tunnel {
		return usage("--tun-type needs -i")
	}
	if p.given&local != 0 && p.given&method != 0 && !hasLocals(p.c.Method) {
		return usage("--local-address needs --fullnat")
	}
	clash := func(set part) bool { return bits.OnesCount32(uint32(set&p.given)) > 1 }
	if i := slices.IndexFunc(apart, clash); i >= 0 {
		one := apart[i] & p.given
		other := one &^ (1 << one.first())
		return usage("%s cannot be combined with %s", optionsOf(one), optionsOf(other))
	}
	return nil
}
