package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"fulcrum/lvs"
)

// choices are the words that a key may have.
type choices struct {
	noun      string // for what is chosen, such as "mode"
	supported []string
}

var (
	modes      = choices{noun: "mode", supported: namesOf(lvs.Modes())}
	protocols  = choices{noun: "protocol", supported: namesOf(lvs.Protocols())}
	schedulers = choices{noun: "scheduler", supported: namesOf(lvs.Schedulers())}
	families   = choices{noun: "IP version", supported: []string{"ipv4", "ipv6"}}
	engines    = choices{noun: "persistence engine", supported: namesOf(lvs.PersistenceEngines())}
	refuses    = choices{noun: "refusal", supported: namesOf(lvs.Refusals())}
	idles      = choices{
		noun: "idle behaviour", supported: []string{string(IdleBusy), string(IdleAdaptive)},
	}
	hugePages = choices{
		noun: "hugepages setting", supported: []string{HugePagesAuto, HugePagesOn, HugePagesOff},
	}
	defences = choices{
		noun: "choice", supported: []string{string(DefenceOff), string(DefenceAuto), string(DefenceOn)},
	}
	resets = choices{
		noun:      "choice",
		supported: []string{string(ResetOff), string(ResetTwoWay), string(ResetAll)},
	}
	logLevels = choices{noun: "log level", supported: []string{"debug", "info", "warn", "error"}}
)

// right returns the remedy for a word that is not among the choices.
func (c choices) right() string { return "use one of " + strings.Join(c.supported, ", ") }

func namesOf[T fmt.Stringer](all []T) []string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = v.String()
	}
	return names
}

// either lists modes in prose: fullnat or ipip.
func either[T fmt.Stringer](all []T) string { return strings.Join(namesOf(all), " or ") }

// ParseProtocol parses a service's protocol in the file's notation, such as "tcp". Its error is
// always of type Problems.
func ParseProtocol(name string) (lvs.Protocol, error) {
	p, _ := lvs.ParseProtocol(name)
	return p, protocols.check("service.protocol", name)
}

// ParseMode parses a service's mode in the file's notation, such as "fullnat". Its error is
// always of type Problems.
func ParseMode(name string) (lvs.Mode, error) {
	m, _ := lvs.ParseMode(name)
	return m, modes.check("service.mode", name)
}

// ParseOwnMode parses a real server's mode in the file's notation. Empty is the service's. Its
// error is always of type Problems.
func ParseOwnMode(name string) (lvs.OwnMode, error) {
	if name == "" {
		return lvs.AsService, nil
	}
	m, _ := lvs.ParseMode(name)
	return lvs.Own(m), modes.check("service.real_server.mode", name)
}

// ParseScheduler parses a service's scheduler in the file's notation, such as "wlc". An empty name
// means the default. Its error is always of type Problems.
func ParseScheduler(name string) (lvs.Scheduler, error) {
	name = cmp.Or(name, lvs.DefaultScheduler.String())
	s, _ := lvs.ParseScheduler(name)
	return s, schedulers.check("service.scheduler", name)
}

// ParseRefusal parses what a service's clients hear, in the file's notation, such as "reset". Its
// error is always of type Problems.
func ParseRefusal(name string) (lvs.Refusal, error) {
	r, _ := lvs.ParseRefusal(name)
	return r, refuses.check("service.refuse", name)
}

// ParsePersistence parses a service's persistence in the file's notation, such as "5m". Its error
// is always of type Problems.
func ParsePersistence(text string) (time.Duration, error) {
	return parseDuration("service.persistence", text, mostTimeout)
}

// ParseSlowStart parses a service's slow start in the file's notation, such as "30s". Its error is
// always of type Problems.
func ParseSlowStart(text string) (time.Duration, error) {
	return parseDuration("service.slow_start", text, mostSlowStart)
}

// parseDuration parses the duration of a key, which is 0 to most.
func parseDuration(key, text string, most time.Duration) (time.Duration, error) {
	doc := &document{name: "request"}
	d := value{doc: doc, key: key, raw: text}.duration(0, 0, most)
	if len(doc.problems) > 0 {
		return 0, doc.problems
	}
	return d, nil
}

// ParsePersistenceEngine parses a service's persistence engine in the file's notation: "sip", or
// empty for none. Its error is always of type Problems.
func ParsePersistenceEngine(name string) (lvs.PersistenceEngine, error) {
	doc := &document{name: "request"}
	e := value{doc: doc, key: "service.persistence_engine", raw: name}.persistenceEngine()
	if len(doc.problems) > 0 {
		return lvs.NoEngine, doc.problems
	}
	return e, nil
}

// persistenceEngine returns an engine. Empty is none, as the key is by default.
func (v value) persistenceEngine() lvs.PersistenceEngine {
	if v.raw == "" {
		return lvs.NoEngine
	}
	e, _ := lvs.ParsePersistenceEngine(v.choice("", engines))
	return e
}

// ParseOwnTimeouts parses the timeouts of a service in the file's notation, by the states' keys.
// Its error is always of type Problems.
func ParseOwnTimeouts(texts map[string]string) (OwnTimeouts, error) {
	doc := &document{name: "request"}
	raw := make(map[string]any, len(texts))
	for key, text := range texts {
		raw[key] = text
	}
	own := readOwnTimeouts(newTable(value{doc: doc, key: "service.timeouts", raw: raw}))
	if len(doc.problems) > 0 {
		return OwnTimeouts{}, doc.problems
	}
	return own, nil
}

// ParseSchedulerFlags parses the flags of a scheduler in the file's notation, such as "mh-port".
// Its error is always of type Problems.
func ParseSchedulerFlags(s lvs.Scheduler, names []string) (lvs.SchedulerFlags, error) {
	doc := &document{name: "request"}
	raw := make([]any, len(names))
	for i := range names {
		raw[i] = names[i]
	}
	flags := value{doc: doc, key: "service.scheduler_flags", raw: raw}.schedulerFlags(s)
	if len(doc.problems) > 0 {
		return 0, doc.problems
	}
	return flags, nil
}

// check returns the problem of a word that does not come from a file.
func (c choices) check(key, word string) error {
	doc := &document{name: "request"}
	value{doc: doc, key: key, raw: word}.choice("", c)
	if len(doc.problems) > 0 {
		return doc.problems
	}
	return nil
}
