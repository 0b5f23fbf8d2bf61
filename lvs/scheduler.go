package lvs

import "fmt"

// Scheduler is a rule that chooses the real servers of a service's new sessions.
type Scheduler uint8

// The schedulers, in the order of the documentation. The numbers are not part of any interface.
const (
	RR Scheduler = iota
	WRR
	LC
	WLC
	NumSchedulers
)

// DefaultScheduler is the scheduler of a service that names none, as in ipvsadm and keepalived.
const DefaultScheduler = WLC

// schedulers is the table of schedulers. Package sched has their code, and its doc.go shows the
// rules.
var schedulers = [NumSchedulers]struct {
	name, rule string
	weighted   bool // a heavier real server gets more sessions
	turns      bool // the load of real servers has no influence
}{
	RR: {name: "rr", rule: "the next available one after the last pick", turns: true},
	WRR: {
		name: "wrr", rule: "as many picks each as its weight, the heavier ones more often in between",
		weighted: true, turns: true,
	},
	LC:  {name: "lc", rule: "the least overhead = 256*active + total sessions"},
	WLC: {name: "wlc", rule: "the least overhead/weight; the first of equals", weighted: true},
}

// Schedulers returns every scheduler in the order of the documentation.
func Schedulers() []Scheduler { return upTo(NumSchedulers) }

// ParseScheduler returns the scheduler with a name of the configuration, which is ipvsadm's and
// keepalived's too.
func ParseScheduler(name string) (Scheduler, bool) {
	for s := range schedulers {
		if schedulers[s].name == name {
			return Scheduler(s), true
		}
	}
	return 0, false
}

// String returns the scheduler's name in the configuration.
func (s Scheduler) String() string {
	if s >= NumSchedulers {
		return fmt.Sprintf("scheduler %d", uint8(s))
	}
	return schedulers[s].name
}

// Rule returns one line that states which real server the scheduler picks.
func (s Scheduler) Rule() string { return schedulers[s].rule }

// Weighted reports whether a heavier real server gets more sessions than a lighter one. Weight 0
// gets none from any scheduler.
func (s Scheduler) Weighted() bool { return schedulers[s].weighted }

// Turns reports whether real servers get sessions by turns, whatever their load. The shares of each
// round are then exact.
func (s Scheduler) Turns() bool { return schedulers[s].turns }

// upTo returns the values of an enumeration below a number.
func upTo[T ~uint8](number T) []T {
	all := make([]T, number)
	for i := range all {
		all[i] = T(i)
	}
	return all
}
