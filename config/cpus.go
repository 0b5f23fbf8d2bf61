package config

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// allowedCPUs gives the CPUs that the process may run on, in ascending order. It is read once, before a worker pins the
// thread that the kernel answers for.
var allowedCPUs = sync.OnceValue(func() []int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return parseCPUList(strings.TrimSpace(list)) // never empty: the process runs
		}
	}
	return sequence(0, runtime.NumCPU()-1) // no procfs: take them as numbered from 0
})

// parseCPUList reads the kernel's form of a set of CPUs, such as 0-3,8.
func parseCPUList(list string) []int {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if errFrom == nil && errTo == nil {
			cpus = append(cpus, sequence(from, to)...)
		}
	}
	return cpus
}

func sequence(first, last int) []int {
	var numbers []int
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}
