package config

import (
	"fmt"
	"log/slog"
)

const (
	defaultControl = "/run/fulcrum.sock"
	maxCPU         = 1023 // the kernel's usual CPU_SETSIZE
)

func readDirector(t *table, cpus []int) Director {
	defer t.done()
	d := Director{
		Workers: t.get("workers").workers(cpus),
		Idle:    Idle(t.get("idle").choice(string(IdleAdaptive), idles)),
		Control: defaultControl,
		Log:     t.get("log").level(),
	}
	t.get("control").refuse()
	return d
}

// workers gives the CPUs of a list, or as many as a number says of those allowed.
func (v value) workers(allowed []int) []int {
	var cpus []int
	switch v.raw.(type) {
	case nil:
		return lastOf(allowed, 1)
	case int64:
		cpus = lastOf(allowed, v.integer(1, 1, len(allowed)))
	case []any:
		cpus = v.cpuList()
	default:
		v.reportf("write a list such as [1], or a number", "is %s, not a list of CPUs or a number", typeName(v.raw))
	}
	if len(cpus) > 1 {
		v.report("more than one worker is not supported yet", "give one CPU")
	}
	return cpus
}

// lastOf gives the n highest CPUs: the kernel's own work gathers on the lowest.
func lastOf(cpus []int, n int) []int { return cpus[max(0, len(cpus)-n):] }

func (v value) cpuList() []int {
	elements, _ := v.elements()
	if len(elements) == 0 {
		v.report("no CPU for a worker", "give one, such as [1]")
	}
	var cpus []int
	seen := map[int]bool{}
	for _, element := range elements {
		cpu := element.integer(-1, 0, maxCPU)
		if seen[cpu] && cpu >= 0 {
			element.report(fmt.Sprintf("CPU %d has a worker already", cpu), "give every CPU once")
		}
		seen[cpu] = true
		cpus = append(cpus, cpu)
	}
	return cpus
}

// level gives the lowest level that is logged.
func (v value) level() slog.Level {
	return map[string]slog.Level{
		"debug": slog.LevelDebug,
		"info":  slog.LevelInfo,
		"warn":  slog.LevelWarn,
		"error": slog.LevelError,
	}[v.choice("info", logLevels)]
}
