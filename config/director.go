package config

import (
	"fmt"
	"log/slog"
	"path/filepath"
)

const (
	// DefaultControl is where a director listens whose file does not say it.
	DefaultControl = "/run/fulcrum.sock"

	maxCPU = 1023 // the kernel's usual CPU_SETSIZE
)

func readDirector(t *table, cpus []int) Director {
	defer t.done()
	idle := Idle(t.get("idle").choice(string(IdleAdaptive), idles))
	d := Director{
		Workers: t.get("workers").workers(cpus, idle),
		Idle:    idle,
		Control: t.get("control").path(DefaultControl),
		Log:     t.get("log").level(),
	}
	return d
}

// workers gives the CPUs of a list, or as many as a number says of those allowed.
func (v value) workers(allowed []int, idle Idle) []int {
	switch v.raw.(type) {
	case nil:
		return lastOf(allowed, 1)
	case int64:
		return lastOf(allowed, v.workerCount(len(allowed)))
	case []any:
		return v.cpuList(idle)
	}
	v.reportf("write a list such as [1], or a number", "is %s, not a list of CPUs or a number", typeName(v.raw))
	return nil
}

// workerCount gives a number of workers, each with a CPU of its own.
func (v value) workerCount(cpus int) int {
	if n, _ := v.raw.(int64); n > int64(cpus) {
		v.reportf(fmt.Sprintf("write an integer from 1 to %d", cpus),
			"%d workers are more than the CPUs that the process may run on, which are %d", n, cpus)
		return cpus
	}
	return v.integer(1, 1, cpus)
}

// lastOf gives the n highest CPUs: the kernel's own work gathers on the lowest.
func lastOf(cpus []int, n int) []int { return cpus[max(0, len(cpus)-n):] }

// cpuList gives each CPU once, unless its workers leave it to each other while they are idle.
func (v value) cpuList(idle Idle) []int {
	elements, _ := v.elements()
	if len(elements) == 0 {
		v.report("no CPU for a worker", "give one, such as [1]")
	}
	var cpus []int
	seen := map[int]bool{}
	for _, element := range elements {
		cpu := element.integer(-1, 0, maxCPU)
		if seen[cpu] && cpu >= 0 && idle != IdleAdaptive {
			element.report(fmt.Sprintf("CPU %d has a worker already", cpu), `give every CPU once, or set idle = "adaptive"`)
		}
		seen[cpu] = true
		cpus = append(cpus, cpu)
	}
	return cpus
}

// maxSocketPath is what fits a unix socket's address (unix(7)).
const maxSocketPath = 107

// path gives where a unix socket is.
func (v value) path(fallback string) string {
	if !v.given() {
		return fallback
	}
	const right = `write an absolute path such as "/run/fulcrum.sock"`
	path := v.word(right)
	switch {
	case path == "":
	case !filepath.IsAbs(path):
		v.reportf(right, "%q is not absolute", path)
	case len(path) > maxSocketPath:
		v.reportf(fmt.Sprintf("write one of %d bytes at most", maxSocketPath), "%d bytes are too long for a socket", len(path))
	}
	return path
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
