package ipvsadm

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/lvs"
)

// Operation is what a command does. Its value is ipvsadm's letter.
type Operation byte

// The operations of ipvsadm.
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
	Version       Operation = 'v'
	SetTimeouts   Operation = 't' // --set
)

// String returns the option that selects the operation, such as "-A".
func (o Operation) String() string {
	if o == SetTimeouts {
		return "--set"
	}
	return "-" + string(rune(o))
}

// Command is a parsed command line. Parse returns it.
type Command struct {
	Operation Operation
	Line      int            // from 1, in the rules of ReadRules; 0 for a command line
	Service   lvs.ServiceID  // zero if the operation applies to all services
	Six       bool           // -6: a mark is that of IPv6
	Server    netip.AddrPort // valid for operations on real servers; port 0 means the service's port
	Scheduler string         // as given, not checked; ipvsadm's default if not given
	Flags     []string       // of the scheduler, as given; checked
	// Persistence is the timeout in seconds; 0 is not persistent. Mask is the netmask as given:
	// checked; empty for single clients.
	Persistence int
	Mask        string
	// Engine is NoEngine if not given.
	Engine    lvs.PersistenceEngine
	OnePacket bool         // one-packet scheduling; UDP
	Method    lvs.Mode     // the forwarding method; NoMode if not given
	Local     []netip.Addr // fullnat's local addresses; nil if not given
	Weight    int          // 0 to 65535
	Upper     int          // upper threshold in sessions; 0 is none
	Lower     int          // lower threshold in sessions; 0 is none
	Timeouts  [3]int       // for SetTimeouts: TCP, TCP after a FIN, UDP, in seconds; 0 keeps one

	// What List shows. Exact prints numbers in full, Unsorted keeps the order of the services.
	Connections, Stats, Rate, Thresholds, Persistent, Tunnels, ShowTimeouts bool
	Exact, Unsorted                                                         bool
}

// UsageError is the error of a wrong command line.
type UsageError struct{ What string }

// Error returns what is wrong and what to do.
func (e *UsageError) Error() string { return e.What }

// ErrNotHere is wrapped by the errors of valid ipvsadm commands that Fulcrum cannot execute.
var ErrNotHere = errors.New("not supported by Fulcrum")

// absent returns the error of an option that Fulcrum does not support.
func absent(what, why string) error { return fmt.Errorf("%s: %w: %s", what, ErrNotHere, why) }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Parse parses a command line without the program's name. No arguments mean -L. The error is a
// UsageError or wraps ErrNotHere.
func Parse(args []string) (Command, error) {
	if len(args) == 0 {
		args = []string{"-L"}
	}
	p := parser{words: split(args), c: Command{
		Weight: defaultWeight, Scheduler: lvs.DefaultScheduler.String(), Method: lvs.NoMode,
	}}
	if err := p.parse(); err != nil {
		return p.c, err
	}
	p.c.complete()
	return p.c, p.validate()
}

// split separates combined letters: -Ln becomes -L -n. The rest of the word after a letter that
// takes an argument is that argument.
func split(args []string) []string {
	var words []string
	for _, a := range args {
		if len(a) < 3 || a[0] != '-' || a[1] == '-' {
			words = append(words, a)
			continue
		}
		for i := 1; i < len(a); i++ {
			words = append(words, "-"+a[i:i+1])
			if o := options[a[i:i+1]]; (o.takes || o.may) && i+1 < len(a) {
				words = append(words, a[i+1:])
				break
			}
		}
	}
	return words
}

type parser struct {
	words []string
	given part
	port  string // of the real server, as given
	c     Command
}

// parse parses all words, and then the real server's port, whose protocol may follow it.
func (p *parser) parse() error {
	for len(p.words) > 0 {
		word := p.words[0]
		p.words = p.words[1:]
		if err := p.option(word); err != nil {
			return err
		}
	}
	if p.given&(service|server) != service|server {
		return nil // validate says what is missing
	}
	port, err := portNumber(p.c.Service.Protocol, p.port)
	p.c.Server = netip.AddrPortFrom(p.c.Server.Addr(), port)
	return err
}

func (p *parser) option(word string) error {
	name, value, joined := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	if strings.HasPrefix(word, "--") {
		if letter, ok := long[name]; ok {
			name = letter
		} else if len(name) == 1 {
			return usage("unknown option %q: a single letter takes one dash", word)
		}
	} else {
		name = strings.TrimPrefix(word, "-")
	}
	o, known := options[name]
	if !known || !strings.HasPrefix(word, "-") {
		return usage("unknown option %q: see fulcrum ipvsadm --help", word)
	}
	if o.absent != "" {
		return absent(word, o.absent)
	}
	if o.gives == schedFlags && grammar[p.c.Operation].needs&server != 0 {
		return absent(word, dpvsFullNAT)
	}
	if joined && !o.takes && !o.may {
		return usage("%s takes no argument", strings.TrimSuffix(word, "="+value))
	}
	if o.may && !joined && len(p.words) > 0 && !strings.HasPrefix(p.words[0], "-") {
		value, p.words = p.words[0], p.words[1:]
	}
	if o.takes && !joined {
		if len(p.words) == 0 {
			return usage("%s needs an argument", word)
		}
		value, p.words = p.words[0], p.words[1:]
	}
	return p.take(o, value)
}

func (p *parser) take(o option, value string) error {
	switch {
	case o.operates != 0 && p.c.Operation != 0:
		return usage("more than one command: give one of -A, -E, -D, -C, -R, -S, -a, -e, -d, -L and -Z")
	case o.operates != 0:
		p.c.Operation = o.operates
		if o.operates == SetTimeouts {
			return p.timeouts()
		}
		return nil
	case o.gives&p.given != 0:
		return usage("more than one %s: give %s only once", nounOf(o.gives), optionsOf(o.gives))
	}
	p.given |= o.gives
	if o.gives == server {
		return p.realServer(value)
	}
	return o.set(&p.c, value)
}

// timeouts parses the three arguments of --set.
func (p *parser) timeouts() error {
	if len(p.words) < len(p.c.Timeouts) {
		return usage("--set needs three timeouts in seconds: " +
			"TCP, TCP after a FIN, and UDP; 0 keeps the present one")
	}
	for i := range p.c.Timeouts {
		set := number(timeouts, mostTimeout, func(c *Command) *int { return &c.Timeouts[i] })
		if err := set(&p.c, p.words[i]); err != nil {
			return err
		}
	}
	p.words = p.words[len(p.c.Timeouts):]
	return nil
}
