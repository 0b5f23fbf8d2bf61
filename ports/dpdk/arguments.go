package dpdk

import (
	"slices"
	"strings"
)

// refusedArgs are EAL arguments that would end the process, join another process, or contradict
// the CPUs and the memory of Config.
var refusedArgs = []string{
	"-h", "--help", "-v", "--version",
	"--file-prefix", "--proc-type",
	"-l", "-c", "--lcores", "--main-lcore",
	"-m", "--socket-mem", "--in-memory", "--no-huge", "--no-shconf",
}

// RefusedArgs returns the EAL arguments that Config.Args must not contain.
func RefusedArgs() []string { return slices.Clone(refusedArgs) }

// refusedArg returns the refused argument that arg could be read as. getopt_long accepts a prefix
// of a long option for the whole, and a value directly behind a short option.
func refusedArg(arg string) (string, bool) {
	if asksForHelp(arg) {
		return arg, true
	}
	name, _, _ := strings.Cut(arg, "=")
	i := slices.IndexFunc(refusedArgs, func(refused string) bool {
		if strings.HasPrefix(refused, "--") {
			return strings.HasPrefix(name, "--") && strings.HasPrefix(refused, name)
		}
		return strings.HasPrefix(arg, refused)
	})
	if i < 0 {
		return "", false
	}
	return refusedArgs[i], true
}

// asksForHelp reports whether arg asks for help: --log-level=help prints a page and ends the
// process, also when written as two arguments.
func asksForHelp(arg string) bool { return arg == "help" || strings.HasSuffix(arg, "=help") }
