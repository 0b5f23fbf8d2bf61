package config

import (
	"slices"
	"strings"
)

// refusal is an EAL argument that is not allowed, with the remedy.
type refusal struct{ arg, right string }

const (
	leaveOut   = "leave it out"
	setWorkers = "leave it out and name the CPUs in director.workers"
	setMemory  = "leave it out and set dpdk.memory"
	setPages   = "leave it out and set dpdk.hugepages"
)

// refusals are the arguments that would end the director, join it to another process, or contradict
// other keys. Package ports/dpdk refuses the same ones.
var refusals = []refusal{
	{"-h", leaveOut}, {"--help", leaveOut}, {"-v", leaveOut}, {"--version", leaveOut},
	{"--file-prefix", leaveOut}, {"--proc-type", leaveOut},
	{"-l", setWorkers}, {"-c", setWorkers}, {"--lcores", setWorkers}, {"--main-lcore", setWorkers},
	{"-m", setMemory}, {"--socket-mem", setMemory},
	{"--in-memory", setPages}, {"--no-huge", setPages}, {"--no-shconf", leaveOut},
}

// RefusedEALArgs returns the EAL arguments that dpdk.args must not contain, such as "--help".
func RefusedEALArgs() []string {
	var args []string
	for _, r := range refusals {
		args = append(args, r.arg)
	}
	return args
}

// checkEALArg reports an argument that is refused, or that the EAL could read as a refused one.
func (v value) checkEALArg(arg string) {
	name, _, _ := strings.Cut(arg, "=")
	i := slices.IndexFunc(refusals, func(r refusal) bool { return r.covers(arg, name) })
	switch {
	case arg == "help" || strings.HasSuffix(arg, "=help"):
		v.reportf(leaveOut, "%q prints DPDK's help and ends the director", arg)
	case i >= 0 && name == refusals[i].arg:
		v.reportf(refusals[i].right, "%q is not allowed", arg)
	case i >= 0:
		v.reportf(refusals[i].right, "%q can be read as %s, which is not allowed", arg, refusals[i].arg)
	}
}

// covers reports whether getopt_long could read arg as the refused argument. It accepts an
// abbreviated long option, and a value joined to a short option.
func (r refusal) covers(arg, name string) bool {
	if strings.HasPrefix(r.arg, "--") {
		return strings.HasPrefix(name, "--") && strings.HasPrefix(r.arg, name)
	}
	return strings.HasPrefix(arg, r.arg)
}
