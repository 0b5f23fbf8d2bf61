package bench

import (
	"errors"
	"fmt"

	"fulcrum/modes"
)

// Case is a kind of work whose cost for a packet is measured without a link: datagrams of clients
// that all go the same way.
type Case struct {
	Mode     modes.Mode
	Six      bool // IPv6 throughout
	Fresh    bool // each packet is the first of its flow; else each belongs to a known session
	Sessions int  // known sessions; 0 if Fresh
	Workers  int  // that share packets and sessions; 0 is one
}

// caseSessions are the numbers of known sessions that are timed. One is enough for instructions:
// with more sessions the same are executed, on memory that is farther away.
var caseSessions = []int{thousand, million}

// crew is the number of workers in the cases of several.
const crew = 2

// AllCases returns every case that is timed. Those of IPv4 are timed with several workers too, each
// beside the same work of one: a machine's speed changes from minute to minute. What workers share
// does not depend on the family.
func AllCases() (all []Case) {
	for _, c := range CasesOf(caseSessions...) {
		all = append(all, c)
		if !c.Six {
			c.Workers = crew
			all = append(all, c)
		}
	}
	return all
}

// CountedCases returns the cases whose instructions are counted.
func CountedCases() []Case { return CasesOf(thousand) }

// CasesOf returns the cases of all modes and families, with hits among these numbers of sessions.
func CasesOf(sessions ...int) (all []Case) {
	for _, m := range allModes {
		for _, six := range []bool{false, true} {
			for _, n := range sessions {
				all = append(all, Case{Mode: m, Six: six, Sessions: n})
			}
			all = append(all, Case{Mode: m, Six: six, Fresh: true})
		}
	}
	return all
}

// String returns the name of the case, such as "dr IPv4 hit 1k", "fullnat IPv6 new" or
// "nat IPv4 new by 2 workers".
func (c Case) String() string {
	return c.group() + " " + c.work()
}

func (c Case) work() string {
	work := "new"
	if !c.Fresh {
		work = "hit " + inWords(c.Sessions)
	}
	return work + byWorkers(c.workers())
}

// byWorkers names the number of workers, if there are several.
func byWorkers(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" by %d workers", n)
}

func (c Case) workers() int { return max(c.Workers, 1) }

// group is what cases of different work have in common.
func (c Case) group() string { return c.Mode.String() + " " + familyName(c.Six) }

func familyName(six bool) string {
	if six {
		return "IPv6"
	}
	return "IPv4"
}

// Validate returns an error if the numbers make no sense.
func (c Case) Validate() error {
	switch {
	case c.Fresh && c.Sessions != 0:
		return errors.New("a case of new sessions has no known ones: give no number of sessions")
	case !c.Fresh && (c.Sessions < 1 || c.Sessions > MaxFlows):
		return fmt.Errorf("invalid number of sessions %d: give 1 to %d", c.Sessions, MaxFlows)
	}
	return nil
}
