package config

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
)

// DefaultControl is the path of the control API's socket when the file names none.
const DefaultControl = "/run/fulcrum.sock"

// How often a new address is announced: RFC 5227, section 1.1 (ANNOUNCE_NUM), and at most for 20
// seconds.
const (
	defaultAnnounceRepeat = 2
	mostAnnounceRepeat    = 10
)

const maxCPU = 1023 // the kernel's usual CPU_SETSIZE

func readDirector(t *table, cpus cpuSets) Director {
	defer t.done()
	idle := Idle(t.get("idle").choice(string(IdleAdaptive), idles))
	d := Director{
		Workers: t.get("workers").workers(cpus, idle),
		Idle:    idle,
		Control: t.get("control").socketPath(DefaultControl),
		IPVS:    t.get("ipvs").optionalSocket(),
		State:   t.get("state").folder(),
		Log:     t.get("log").level(),

		ControlMode:  t.get("control_mode").socketMode(),
		ControlGroup: t.get("control_group").group(),

		Announce:       t.get("announce").boolean(true),
		AnnounceRepeat: t.get("announce_repeat").integer(defaultAnnounceRepeat, 1, mostAnnounceRepeat),
	}
	if v := t.child("ipvs"); v.given() && d.IPVS == d.Control {
		v.report("is the path of the control API's socket", "give each socket a path of its own")
	}
	return d
}

// optionalSocket returns the path of a unix socket, or "" for none.
func (v value) optionalSocket() string {
	if v.raw == "" {
		return ""
	}
	return v.socketPath("")
}

// mostSocketPath is the longest path of a unix socket in bytes (unix(7)).
const mostSocketPath = 107

// socketPath returns the path of a unix socket.
func (v value) socketPath(fallback string) string {
	const right = "write an absolute path of at most 107 bytes, such as \"/run/fulcrum.sock\""
	path, ok := as[string](v, "a string", right)
	switch {
	case !ok:
		return fallback
	case !filepath.IsAbs(path) || len(path) > mostSocketPath:
		v.reportf(right, "invalid socket path %q", path)
	}
	return path
}

// folder returns the absolute path of a folder, or "" for none.
func (v value) folder() string {
	const right = `write an absolute path, such as "/var/lib/fulcrum", or "" for none`
	path, _ := as[string](v, "a string", right)
	if path != "" && !filepath.IsAbs(path) {
		v.reportf(right, "invalid folder %q", path)
	}
	return path
}

// workers returns the CPUs of a list. For a number n it returns the n highest of the allowed CPUs.
func (v value) workers(cpus cpuSets, idle Idle) []int {
	switch v.raw.(type) {
	case nil:
		return lastOf(cpus.allowed, 1)
	case int64:
		return lastOf(cpus.allowed, v.workerCount(len(cpus.allowed)))
	case []any:
		return v.cpuList(cpus.online, idle)
	}
	v.reportf("write a list such as [1], or a number",
		"is %s, not a list of CPUs or a number", typeName(v.raw))
	return nil
}

// workerCount returns a number of workers. It is at most the number of CPUs, since each gets its
// own.
func (v value) workerCount(cpus int) int {
	if n, _ := v.raw.(int64); n > int64(cpus) {
		v.reportf(fmt.Sprintf("write an integer from 1 to %d", cpus),
			"%d workers are too many: the process may run on %d CPUs", n, cpus)
		return cpus
	}
	return v.integer(1, 1, cpus)
}

// lastOf returns the n highest CPUs: the kernel's own work gathers on the lowest.
func lastOf(cpus []int, n int) []int { return cpus[max(0, len(cpus)-n):] }

// cpuList returns the CPUs of a list. It reports one that the machine does not have, and a repeated
// CPU unless idle workers sleep, which lets them share a CPU.
func (v value) cpuList(online []int, idle Idle) []int {
	elements, _ := v.elements()
	if len(elements) == 0 {
		v.report("the list is empty", "give at least one CPU, such as [1]")
	}
	var cpus []int
	seen := map[int]bool{}
	for _, element := range elements {
		cpu := element.integer(-1, 0, maxCPU)
		switch {
		case cpu < 0:
		case !slices.Contains(online, cpu):
			element.reportf("use CPUs of "+cpuRanges(online),
				"this machine has no CPU %d, or it is offline", cpu)
		case seen[cpu] && idle != IdleAdaptive:
			element.reportf(`give every CPU once, or set idle = "adaptive"`,
				"CPU %d already has a worker", cpu)
		}
		seen[cpu] = true
		cpus = append(cpus, cpu)
	}
	return cpus
}

// level returns the lowest level that is logged.
func (v value) level() slog.Level {
	return map[string]slog.Level{
		"debug": slog.LevelDebug,
		"info":  slog.LevelInfo,
		"warn":  slog.LevelWarn,
		"error": slog.LevelError,
	}[v.choice("info", logLevels)]
}
