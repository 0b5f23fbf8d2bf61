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
}

// caseSessions are the numbers of known sessions that are timed. One is enough for instructions:
// with more sessions the same are executed, on memory that is farther away.
var caseSessions = []int{thousand, million}

// AllCases returns every case that is timed.
func AllCases() []Case { return CasesOf(caseSessions...) }

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

// String returns the name of the case, such as "dr IPv4 hit 1k" or "fullnat IPv6 new".
func (c Case) String() string {
	return c.group() + " " + c.work()
}

func (c Case) work() string {
	if c.Fresh {
		return "new"
	}
	return "hit " + inWords(c.Sessions)
}

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
