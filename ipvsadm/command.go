package ipvsadm

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/lvs"
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
	Version       Operation = 'v'
	SetTimeouts   Operation = 't' // --set
)

// String is the operation as it is given.
func (o Operation) String() string {
	if o == SetTimeouts {
		return "--set"
	}
	return "-" + string(rune(o))
}

// Command is a command line.
type Command struct {
	Operation Operation
	Line      int            // of the rules it was read from; 0 is none
	Service   lvs.ServiceID  // zero where the operation is about all
	Server    netip.AddrPort // port 0 is the service's
	Scheduler string         // as it is given; ipvsadm's default where none is
	Method    lvs.Mode       // NoMode is not given
	Local     []netip.Addr   // fullnat's local addresses
	Weight    int
	Upper     int
	Lower     int
	Timeouts  [3]int // of --set: TCP, TCP after a FIN, UDP, in seconds; 0 stays as it is

	Connections, Stats, Rate, Thresholds, Persistent, Tunnels, ShowTimeouts, Exact, Unsorted bool // how to list
}

// UsageError is a command line that is none.
type UsageError struct{ What string }

func (e *UsageError) Error() string { return e.What }

// ErrNotHere says that Fulcrum has no counterpart of what is asked for.
var ErrNotHere = errors.New("not in Fulcrum")

// absent is the error of what has no counterpart.
func absent(what, why string) error { return fmt.Errorf("%s: %w: %s", what, ErrNotHere, why) }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Parse reads a command line, without the program's name. None is -L.
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
	return p.c, p.validate()
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
	given part
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
		} else if len(name) == 1 {
			return usage("%q is no option of ipvsadm: letters have one -", word)
		}
	} else {
		name = strings.TrimPrefix(word, "-")
	}
	o, known := options[name]
	if !known || !strings.HasPrefix(word, "-") {
		return usage("%q is no option of ipvsadm", word)
	}
	if o.absent != "" {
		return absent(word, o.absent)
	}
	if joined && !o.takes {
		return usage("%s takes no argument", strings.TrimSuffix(word, "="+value))
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
		return usage("two commands: give one of -A, -E, -D, -C, -R, -S, -a, -e, -d, -L and -Z")
	case o.operates != 0:
		p.c.Operation = o.operates
		if o.operates == SetTimeouts {
			return p.timeouts()
		}
		return nil
	case o.gives&p.given != 0:
		return usage("the %s is given twice: leave one of %s out", nounOf(o.gives), optionsOf(o.gives))
	}
	p.given |= o.gives
	return o.set(&p.c, value)
}

// timeouts takes the three arguments of --set.
func (p *parser) timeouts() error {
	if len(p.words) < len(p.c.Timeouts) {
		return usage("--set needs three timeouts in seconds: of TCP, of TCP after a FIN, and of UDP; 0 leaves one as it is")
	}
	for i := range p.c.Timeouts {
		if err := number(timeouts, mostTimeout, func(c *Command) *int { return &c.Timeouts[i] })(&p.c, p.words[i]); err != nil {
			return err
		}
	}
	p.words = p.words[len(p.c.Timeouts):]
	return nil
}
