package host

import (
	"strings"
	"testing"
	"testing/fstest"
)

// files returns a file system with these texts.
func files(texts map[string]string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, text := range texts {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

const plenty = "MemTotal: 99999999 kB\nMemAvailable:   1048576 kB\n" // 1 GiB is available

// TestMemoryOfEveryGroupAbove has the limit in each place that bounds a process.
func TestMemoryOfEveryGroupAbove(t *testing.T) {
	const (
		mib = 1 << 20
		v2  = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
		v1  = "36 30 0:33 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
		own = "36 30 0:33 /docker/c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
	)
	for _, c := range []struct {
		name, groups, mounts string
		files                map[string]string
		available            int    // in MiB
		says                 string // of the error
	}{
		{"no group", "", "", nil, 1024, "of the machine"},
		{"v2, no limit", "0::/a/b\n", v2,
			map[string]string{"a/b/memory.max": "max", "a/b/memory.current": "5"}, 1024, "machine"},
		{"v2, own", "0::/a/b\n", v2, map[string]string{
			"a/b/memory.max": "104857600", "a/b/memory.current": "10485760",
		}, 90, "control group /a/b (memory.max)"},
		{"v2, above", "0::/a/b\n", v2, map[string]string{
			"a/b/memory.max": "max", "a/b/memory.current": "1",
			"a/memory.max": "104857600", "a/memory.current": "0",
		}, 100, "control group /a (memory.max)"},
		{"v2, a container's", "0::/\n", v2, map[string]string{
			"memory.max": "104857600", "memory.current": "62914560",
			"memory.stat": "anon 1\ninactive_file 10485760\nactive_file 10485760\n",
		}, 60, "control group / (memory.max)"},
		{"v1", "3:cpu:/\n2:memory:/x\n0::/\n", v1, map[string]string{
			"memory/x/memory.limit_in_bytes": "104857600", "memory/x/memory.usage_in_bytes": "0",
			"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "1",
		}, 100, "control group /x (memory.limit_in_bytes)"},
		{"v1, a container's", "2:cpu,memory:/docker/c\n", own, map[string]string{
			"memory/memory.limit_in_bytes": "104857600", "memory/memory.usage_in_bytes": "52428800",
			"memory/memory.stat": "total_inactive_file 10485760\n",
		}, 60, "control group / (memory.limit_in_bytes)"},
		{"used up", "0::/a\n", v2,
			map[string]string{"a/memory.max": "10", "a/memory.current": "20"}, 0, "only 0 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := files(map[string]string{"proc/meminfo": plenty,
				"proc/self/cgroup": c.groups, "proc/self/mountinfo": c.mounts})
			for name, text := range c.files {
				all["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text)}
			}
			most := c.available*mib - max(c.available*mib/16, spare)
			if err := checkMemory(all, most); err != nil && most > 0 {
				t.Errorf("%d MiB are refused: %v", most/mib, err)
			}
			err := checkMemory(all, max(most, 0)+1)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("a byte more: %v, want %q", err, c.says)
			}
		})
	}
}

func TestWithoutLimits(t *testing.T) {
	for name, texts := range map[string]map[string]string{
		"nothing is told": {},
		"no number":       {"proc/meminfo": "MemAvailable: much kB\n"},
		"broken files": {"proc/self/cgroup": "0\n0::\n", "proc/self/mountinfo": " - \n- cgroup2\n",
			"proc/meminfo": "MemAvailable:\n"},
	} {
		if err := checkMemory(files(texts), 1<<60); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckMemory(1 << 60); err == nil {
		t.Error("this machine is said to have an exbibyte")
	}
}

func TestSpace(t *testing.T) {
	used := files(map[string]string{"proc/self/status": "Name:\tx\nVmSize:\t 1048576 kB\n"})
	const gib = 1 << 30
	if err := checkSpace(used, 4*gib, 2*gib); err != nil {
		t.Errorf("used 1 GiB, spare 1, asked 2 of 4: %v", err)
	}
	err := checkSpace(used, 4*gib, 2*gib+1<<20)
	if err == nil || !strings.Contains(err.Error(), "limited to 4096 MiB, and 4097 MiB are needed") {
		t.Errorf("a MiB more: %v", err)
	}
	if err := checkSpace(files(nil), gib, 2*gib); err != nil {
		t.Errorf("nothing is told: %v", err)
	}
}

// TestTouchStopsAtMissingMemory touches pages beyond the end of a file, where a write would raise
// SIGBUS.
func TestTouchStopsAtMissingMemory(t *testing.T) {
	b := mapShortFile(t, 3, 5)
	if n, err := touch(b, len(b)/5); n != 3 || err != nil {
		t.Errorf("%d pages were touched, %v; want 3", n, err)
	}
}

func TestMapHugeOfNone(t *testing.T) {
	if _, err := MapHuge(2<<20, 1<<28); err == nil || !strings.Contains(err.Error(), "gets no") {
		t.Errorf("half a pebibyte of huge pages: %v", err)
	}
}

// FuzzControlGroups gives any texts to the parsers of the kernel's files.
func FuzzControlGroups(f *testing.F) {
	f.Add("0::/a/../b\n1:memory:/\n", "1 2 0:1 / /sys/fs/cgroup - cgroup2 x y\n", "99", "inactive_file 1\n")
	f.Fuzz(func(_ *testing.T, groups, mounts, limit, stat string) {
		_ = checkMemory(files(map[string]string{
			"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, "proc/meminfo": stat,
			"sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/memory.current": limit,
			"sys/fs/cgroup/memory.stat": stat,
		}), 1)
	})
}
