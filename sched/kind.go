package sched

import (
	"fmt"
	"strings"

	"fulcrum/lvs"
)

// Kind names a scheduler.
type Kind = lvs.Scheduler

// The schedulers, as lvs has them.
const (
	RR  = lvs.RR
	WRR = lvs.WRR
	LC  = lvs.LC
	WLC = lvs.WLC
)

// schedulers has one row a scheduler; names and rules stand in package lvs.
var schedulers = [lvs.NumSchedulers]struct {
	pick func(*Pool) int
	peek func(*Pool) int // what pick would give, and nothing moves
}{
	RR:  {(*Pool).pickRR, (*Pool).peekRR},
	WRR: {(*Pool).pickWRR, (*Pool).peekWRR},
	LC:  {(*Pool).pickLC, (*Pool).pickLC},
	WLC: {(*Pool).pickWLC, (*Pool).pickWLC},
}

// Kinds returns every scheduler, in the order of the documentation.
func Kinds() []Kind { return lvs.Schedulers() }

// Parse returns the scheduler of an ipvsadm name such as "wlc".
func Parse(name string) (Kind, error) {
	if k, ok := lvs.ParseScheduler(name); ok {
		return k, nil
	}
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.String())
	}
	return 0, fmt.Errorf("choosing the scheduler: there is no %q; use one of %s", name, strings.Join(names, ", "))
}
