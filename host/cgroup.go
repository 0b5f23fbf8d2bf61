package host

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// hierarchy is how a version of control groups names what bounds memory: cgroup v2 and v1 in the
// kernel's Documentation/admin-guide (cgroup-v2.rst, "Memory Interface Files", and
// cgroup-v1/memory.rst).
type hierarchy struct {
	limit, usage string
	cache        []string // lines of memory.stat, groups below included: what can be reclaimed
}

var (
	version2 = hierarchy{"memory.max", "memory.current", []string{"inactive_file", "active_file"}}
	version1 = hierarchy{"memory.limit_in_bytes", "memory.usage_in_bytes",
		[]string{"total_inactive_file", "total_active_file"}}
)

// controlGroups returns what each control group of this process that has a limit has left. Every
// group above a process bounds it, not only its own.
func controlGroups(files fs.FS) (all []memory) {
	groups, _ := fs.ReadFile(files, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) < 3:
		case f[0] == "0" && f[1] == "": // cgroups(7)
			all = append(all, version2.above(files, mountOf(files, "cgroup2", ""), f[2])...)
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			all = append(all, version1.above(files, mountOf(files, "cgroup", "memory"), f[2])...)
		}
	}
	return all
}

// mount is where a hierarchy is mounted, and which of its groups is seen there.
type mount struct{ root, point string }

// mountOf returns the mount of a hierarchy (proc_pid_mountinfo(5)). A hierarchy of version 1 has
// its controllers as options. Without one the point is empty.
func mountOf(files fs.FS, kind, controller string) mount {
	text, _ := fs.ReadFile(files, "proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		before, behind, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(behind)
		if len(f) < 5 || len(g) < 3 || g[0] != kind {
			continue
		}
		if controller == "" || slices.Contains(strings.Split(g[2], ","), controller) {
			return mount{root: f[3], point: strings.TrimPrefix(f[4], "/")}
		}
	}
	return mount{}
}

// above returns what a group and those above it have left, as far as the mount shows them. A
// container may see its own group alone, at the mount's point.
func (h hierarchy) above(files fs.FS, m mount, group string) (all []memory) {
	if m.point == "" {
		return nil
	}
	below, inside := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
	if !inside {
		below = "" // the group lies outside of what is mounted
	}
	for g := path.Join("/", below); ; g = path.Dir(g) {
		if left, limited := h.left(files, path.Join(m.point, g)); limited {
			all = append(all, memory{left, fmt.Sprintf("of the control group %s (%s)", g, h.limit)})
		}
		if g == "/" {
			return all
		}
	}
}

// left returns how many bytes a group may still take. Version 2 writes "max" for no limit, version
// 1 a number beyond all memory.
func (h hierarchy) left(files fs.FS, folder string) (bytes int, limited bool) {
	limit, limited := number(files, path.Join(folder, h.limit))
	usage, known := number(files, path.Join(folder, h.usage))
	if !limited || !known {
		return 0, false
	}
	for _, name := range h.cache {
		cached, _ := fieldOf(files, path.Join(folder, "memory.stat"), name)
		usage -= cached
	}
	return limit - max(usage, 0), true
}

// number reads a file with a single number.
func number(files fs.FS, file string) (n int, known bool) {
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}
