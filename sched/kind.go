package sched

import (
	"fmt"
	"strings"
)

// Kind names a scheduler.
type Kind uint8

const (
	RR Kind = iota
	WRR
	LC
	WLC
)

// schedulers has one row a scheduler, in the order of the configuration's reference. What they do is
// in implementations.
var schedulers = [...]struct {
	name string
	rule string // one line for people; doc.go shows the same
}{
	RR:  {"rr", "the next available one after the last pick"},
	WRR: {"wrr", "as many picks each as its weight, the heavier ones more often in between"},
	LC:  {"lc", "the least overhead = 256*active + total sessions"},
	WLC: {"wlc", "the least overhead/weight; the first of equals"},
}

// Kinds returns every scheduler, in the order of the documentation.
func Kinds() []Kind {
	kinds := make([]Kind, len(schedulers))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// Parse returns the scheduler of an ipvsadm name such as "wlc".
func Parse(name string) (Kind, error) {
	names := make([]string, len(schedulers))
	for i, s := range schedulers {
		if s.name == name {
			return Kind(i), nil
		}
		names[i] = s.name
	}
	return 0, fmt.Errorf("choosing the scheduler: there is no %q; use one of %s", name, strings.Join(names, ", "))
}

// String returns the ipvsadm name.
func (k Kind) String() string {
	if int(k) >= len(schedulers) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return schedulers[k].name
}

// Rule says in one line whom the scheduler picks.
func (k Kind) Rule() string { return schedulers[k].rule }
