package ipvsadm

import (
	"fmt"
	"strings"

	"fulcrum/lvs"
)

// numbered has the flags of any scheduler that ipvsadm knows by number. The third has no meaning
// for any scheduler.
var numbered = map[string]lvs.SchedulerFlags{
	"flag-1": lvs.SchedFallback, "flag-2": lvs.SchedPort, "flag-3": 0,
}

// flags returns the scheduler flags of the command. Its errors begin with ipvsadm's words.
func (k *Command) flags() (set lvs.SchedulerFlags, err error) {
	for _, name := range k.Flags {
		flag, byNumber := numbered[name]
		s, own, known := lvs.ParseSchedulerFlag(name)
		switch {
		case byNumber && k.takes(flag):
			set |= flag
		case byNumber:
			return 0, usage("incompatible scheduler flag `%s': it means nothing to %s", name, k.Scheduler)
		case !known:
			return 0, usage("invalid scheduler flag `%s'", name)
		case s.String() != k.Scheduler:
			return 0, usage("incompatible scheduler flag `%s': it is one of %s, not of %s", name, s,
				k.Scheduler)
		default:
			set |= own
		}
	}
	return set, nil
}

// takes reports whether the command's scheduler has a flag.
func (k *Command) takes(flag lvs.SchedulerFlags) bool {
	s, _ := lvs.ParseScheduler(k.Scheduler)
	return len(s.FlagNames(flag)) > 0
}

func (k *Command) checkFlags() error {
	_, err := k.flags()
	return err
}

// flagList returns flags as ipvsadm lists them behind the scheduler: " (mh-fallback,mh-port)".
func flagList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", strings.Join(names, ","))
}
