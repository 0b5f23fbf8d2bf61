package keepalived

import (
	"regexp"
	"strconv"
	"time"
)

// option is a key that a virtual server, a real server and a check may each have.
type option struct {
	*entry
	time   time.Duration // of timers
	number int           // of retry
	yes    bool          // of alpha and inhibit_on_failure
}

// options are the options of one of the three, by key. The innermost one holds.
type options map[string]option

// takeOption reads an option. It is false for other keys. Outside a check keepalived takes no retry
// of 0.
func (i *importer) takeOption(all *options, e *entry, within bool) bool {
	key, o := e.words[0], option{entry: e}
	switch key {
	case "delay_loop", "connect_timeout":
		o.time = i.seconds(e, time.Millisecond)
	case "delay_before_retry":
		o.time = i.seconds(e, 0)
	case "retry", "nb_get_retry":
		key, o.number = "retry", i.number(e, 0, mostSeconds)
		if o.number == 0 && !within {
			i.Leave(e.place, e.String(), "has no effect in keepalived either, outside a check")
			return true
		}
	case "alpha", "inhibit_on_failure":
		o.yes = i.truth(e)
	case "virtualhost":
	default:
		return false
	}
	if *all == nil {
		*all = options{}
	}
	(*all)[key] = o
	return true
}

// timers matches keepalived's TIMER: seconds, also with a fraction.
var timers = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]*)?$`)

// seconds parses a timer, to the millisecond.
func (i *importer) seconds(e *entry, least time.Duration) time.Duration {
	text := e.value()
	n, err := strconv.ParseFloat(text, 64)
	d := time.Duration(n*1000+0.5) * time.Millisecond
	if !timers.MatchString(text) || err != nil || d < least {
		i.Wrong(e.place, "invalid %s %q: write a number of seconds%s", e.words[0], text, hint(text))
	}
	return d
}

// truth parses a key that may stand alone, or with a boolean.
func (i *importer) truth(e *entry) bool {
	switch text := e.value(); text {
	case "", "true", "on", "yes":
		return true
	case "false", "off", "no":
	default:
		i.Wrong(e.place, "invalid %s %q: write true or false%s", e.words[0], text, hint(text))
	}
	return false
}
