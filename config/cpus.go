package config

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// cpuSets are the CPUs that a file is checked against, each set in ascending order.
type cpuSets struct {
	allowed []int // that the process may run on
	online  []int // of the machine: another process, such as a service of systemd, may run on them
}

func machineCPUs() cpuSets {
	all := cpuSets{allowedCPUs(), nil}
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if all.online = parseCPUList(strings.TrimSpace(string(online))); err != nil {
		all.online = all.allowed
	}
	return all
}

// allowedCPUs returns the CPUs that the process may run on, in ascending order. It reads them once,
// before a worker pins the thread that the kernel reports on.
var allowedCPUs = sync.OnceValue(func() []int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return parseCPUList(strings.TrimSpace(list)) // never empty: the process runs
		}
	}
	return sequence(0, runtime.NumCPU()-1) // without procfs, number them from 0
})

// parseCPUList parses the kernel's notation of a set of CPUs, such as 0-3,8.
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

// cpuRanges writes a set of CPUs, in ascending order, in the kernel's notation.
func cpuRanges(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		first := i
		for i++; i < len(cpus) && cpus[i] == cpus[i-1]+1; i++ {
		}
		part := strconv.Itoa(cpus[first])
		if i > first+1 {
			part += "-" + strconv.Itoa(cpus[i-1])
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}
