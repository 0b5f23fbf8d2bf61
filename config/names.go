package config

import (
	"cmp"
	"fmt"
	"strings"

	"fulcrum/lvs"
)

// choices are the words that a key may have: those that work, and those that are known but not supported yet.
type choices struct{ supported, planned []string }

var (
	modes      = choices{supported: namesOf(lvs.Modes())}
	protocols  = choices{supported: namesOf(lvs.Protocols())}
	schedulers = choices{
		supported: namesOf(lvs.Schedulers()),
		planned:   []string{"sed", "nq", "sh", "dh", "mh", "fo", "ovf", "twos", "lblc", "lblcr"},
	}
	idles     = choices{supported: []string{string(IdleBusy), string(IdleAdaptive)}}
	hugePages = choices{supported: []string{HugePagesAuto, HugePagesOn, HugePagesOff}}
	logLevels = choices{supported: []string{"debug", "info", "warn", "error"}}
)

// right says what would be right in place of a word that is none of the choices.
func (c choices) right() string { return "use one of " + strings.Join(c.supported, ", ") }

func namesOf[T fmt.Stringer](all []T) []string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = v.String()
	}
	return names
}

// either lists modes as a person would: fullnat or ipip.
func either(all []lvs.Mode) string { return strings.Join(namesOf(all), " or ") }

// ParseProtocol reads a service's protocol as the file has it. Its error is always of type
// Problems.
func ParseProtocol(name string) (lvs.Protocol, error) {
	p, _ := lvs.ParseProtocol(name)
	return p, protocols.check("service.protocol", name)
}

// ParseMode reads a service's mode as the file has it. Its error is always of type Problems.
func ParseMode(name string) (lvs.Mode, error) {
	m, _ := lvs.ParseMode(name)
	return m, modes.check("service.mode", name)
}

// ParseScheduler reads a service's scheduler as the file has it; an empty name stands for the
// default. Its error is always of type Problems.
func ParseScheduler(name string) (lvs.Scheduler, error) {
	name = cmp.Or(name, lvs.DefaultScheduler.String())
	s, _ := lvs.ParseScheduler(name)
	return s, schedulers.check("service.scheduler", name)
}

// check returns what is wrong with a word that comes from elsewhere than a file.
func (c choices) check(key, word string) error {
	doc := &document{name: "request"}
	value{doc: doc, key: key, raw: word}.choice("", c)
	if len(doc.problems) > 0 {
		return doc.problems
	}
	return nil
}
