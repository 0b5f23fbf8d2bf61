package lvs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Scheduler is a rule that chooses the real servers of a service's new sessions.
type Scheduler uint8

// The schedulers, in the order of the documentation. The numbers are not part of any interface.
const (
	RR Scheduler = iota
	WRR
	LC
	WLC
	SED
	NQ
	SH
	DH
	MH
	FO
	OVF
	TWOS
	LBLC
	LBLCR
	NumSchedulers
)

// DefaultScheduler is the scheduler of a service that names none, as in ipvsadm and keepalived.
const DefaultScheduler = WLC

// schedulers is the table of schedulers. Package sched has their code, and its doc.go shows the
// rules.
var schedulers = [NumSchedulers]struct {
	name, rule string
	weighted   bool // a heavier real server gets more sessions
	turns      bool // real servers get sessions by turns, whatever their load
	bySessions bool // the sessions that there are decide; without any, one real server gets all
	byVIP      bool // one VIP's sessions go to one real server, or to few
	hashes     bool // addresses and weights alone decide: every director picks the same
	flags      bool // it has the two SchedulerFlags
	slowStarts bool // shares of the sessions mean something to it
	most       int  // how many real servers a service may have; 0 is no limit
}{
	RR: {
		name: "rr", rule: "the next available one after the last pick", turns: true, slowStarts: true,
	},
	WRR: {
		name: "wrr", rule: "as many picks each as its weight, the heavier ones more often in between",
		weighted: true, turns: true, slowStarts: true,
	},
	LC: {
		name: "lc", rule: "the least overhead = 256*active + total sessions", bySessions: true,
		slowStarts: true,
	},
	WLC: {
		name: "wlc", rule: "the least overhead/weight; the first of equals",
		weighted: true, bySessions: true, slowStarts: true,
	},
	SED: {
		name: "sed", rule: "the least (active+1)/weight; the first of equals",
		weighted: true, bySessions: true, slowStarts: true,
	},
	NQ: {
		name: "nq", rule: "the first without active sessions, else as sed",
		weighted: true, bySessions: true, slowStarts: true,
	},
	SH: {
		name: "sh", rule: "by the client's address: 256 slots, dealt out in turns of weight slots",
		weighted: true, hashes: true, flags: true,
	},
	DH: {
		name: "dh", rule: "by the VIP: 256 slots, dealt out in turns of one slot", byVIP: true,
		hashes: true,
	},
	MH: {
		name: "mh", rule: "by the client's address: Maglev, 4093 slots; few clients move with a change",
		weighted: true, hashes: true, flags: true, most: MaglevSlots,
	},
	FO: {name: "fo", rule: "the greatest weight; the first of equals"},
	OVF: {
		name: "ovf", rule: "the greatest weight of those with active <= weight",
	},
	TWOS: {
		name: "twos", rule: "of two drawn at random by weight, the least overhead/weight",
		weighted: true, slowStarts: true,
	},
	LBLC: {
		name: "lblc", rule: "one for each VIP, by wlc; a new one when its active sessions exceed its weight",
		byVIP: true,
	},
	LBLCR: {
		name: "lblcr", rule: "as lblc, with a set for each VIP, which grows and shrinks", byVIP: true,
	},
}

// Schedulers returns every scheduler in the order of the documentation.
func Schedulers() []Scheduler { return upTo(NumSchedulers) }

// SchedulersWith returns the schedulers with a property.
func SchedulersWith(property func(Scheduler) bool) []Scheduler {
	return slices.DeleteFunc(Schedulers(), func(s Scheduler) bool { return !property(s) })
}

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

// BySessions reports whether the sessions that there are decide alone: a service that keeps none
// sends all to one real server, or nearly all.
func (s Scheduler) BySessions() bool { return schedulers[s].bySessions }

// ByVIP reports whether the VIP of a session decides: a service with one VIP sends all sessions to
// one real server, or to few.
func (s Scheduler) ByVIP() bool { return schedulers[s].byVIP }

// Hashes reports whether addresses, weights and availability alone decide: two directors with the
// same real servers pick the same one for the same packet.
func (s Scheduler) Hashes() bool { return schedulers[s].hashes }

// SlowStarts reports whether a real server of the scheduler can begin with a part of its share: new
// sessions spread over all real servers, and no address decides.
func (s Scheduler) SlowStarts() bool { return schedulers[s].slowStarts }

// MaglevSlots is the size of mh's table: the kernel's prime for CONFIG_IP_VS_MH_TAB_INDEX = 12, the
// default.
const MaglevSlots = 4093

// MostServers returns how many real servers a service with the scheduler may have; 0 is no limit.
func (s Scheduler) MostServers() int { return schedulers[s].most }

// SchedulerFlags are the options of schedulers that hash, a set of the two below.
type SchedulerFlags uint8

// The options. IPVS calls them flags 1 and 2.
const (
	// SchedFallback looks for another real server when the hashed one is not available.
	SchedFallback SchedulerFlags = 1 << iota
	// SchedPort hashes the client's port as well.
	SchedPort
)

// schedulerFlags has the ends of the options' names, in the order of IPVS's flags.
var schedulerFlags = [...]struct {
	flag SchedulerFlags
	end  string
}{{SchedFallback, "-fallback"}, {SchedPort, "-port"}}

// String returns the options without their scheduler, such as "fallback,port"; "none" for none.
func (set SchedulerFlags) String() string {
	var names []string
	for _, f := range schedulerFlags {
		if set&f.flag != 0 {
			names = append(names, f.end[1:])
		}
	}
	return cmp.Or(strings.Join(names, ","), "none")
}

// FlagNames returns the names of options as ipvsadm and keepalived give them for this scheduler,
// such as "mh-port". A scheduler without options has no names.
func (s Scheduler) FlagNames(set SchedulerFlags) (names []string) {
	for _, f := range schedulerFlags {
		if schedulers[s].flags && set&f.flag != 0 {
			names = append(names, schedulers[s].name+f.end)
		}
	}
	return names
}

// AllSchedulerFlags are all options.
const AllSchedulerFlags = SchedFallback | SchedPort

// ParseSchedulerFlag returns the option with a name, and the scheduler that has it.
func ParseSchedulerFlag(name string) (s Scheduler, flag SchedulerFlags, ok bool) {
	for s := range schedulers {
		for _, f := range schedulerFlags {
			if schedulers[s].flags && schedulers[s].name+f.end == name {
				return Scheduler(s), f.flag, true
			}
		}
	}
	return 0, 0, false
}

// upTo returns the values of an enumeration below a number.
func upTo[T ~uint8](number T) []T {
	all := make([]T, number)
	for i := range all {
		all[i] = T(i)
	}
	return all
}
