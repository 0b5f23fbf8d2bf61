package dpdk

import (
	"slices"
	"strings"
)

// refusedArgs are EAL arguments that would end the process, join another one's, or contradict what
// Config says of CPUs and memory.
var refusedArgs = []string{
	"-h", "--help", "-v", "--version",
	"--file-prefix", "--proc-type",
	"-l", "-c", "--lcores", "--main-lcore",
	"-m", "--socket-mem", "--in-memory", "--no-huge", "--no-shconf",
}

// RefusedArgs lists the EAL arguments that Config.Args must not have.
func RefusedArgs() []string { return slices.Clone(refusedArgs) }

// refusedArg finds what an argument could be read as. getopt_long takes the beginning of a long
// option for the whole, and a value right behind a short one.
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

// asksForHelp: --log-level=help prints a page and ends the process, also in two words.
func asksForHelp(arg string) bool { return arg == "help" || strings.HasSuffix(arg, "=help") }
