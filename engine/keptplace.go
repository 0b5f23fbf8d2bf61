package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// keptPlace says what speaks against a folder as the place of session tables, or "".
func keptPlace(folder string) string {
	var fs unix.Statfs_t
	if unix.Statfs(folder, &fs) != nil {
		return "" // the tables could be made there
	}
	switch {
	case fs.Type == unix.HUGETLBFS_MAGIC:
		return ""
	case fs.Type != unix.TMPFS_MAGIC:
		return fmt.Sprintf("session.keep: %s is on a disk, to which the kernel writes the sessions "+
			"again and again; use a folder on tmpfs, such as /dev/shm/fulcrum", folder)
	case !hasHugeTmpfs(folder):
		return fmt.Sprintf("session.keep: %s is on a tmpfs of ordinary pages; one that is mounted "+
			"with huge=advise is faster", folder)
	}
	return ""
}

// hasHugeTmpfs reports whether the tmpfs of a folder gives huge pages to those who ask for them.
// See the kernel's Documentation/admin-guide/mm/transhuge.rst.
func hasHugeTmpfs(folder string) bool {
	rule, _ := os.ReadFile("/sys/kernel/mm/transparent_hugepage/shmem_enabled") // without it: no force
	switch {
	case strings.Contains(string(rule), "[deny]"):
		return false
	case strings.Contains(string(rule), "[force]"):
		return true
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo") // without it: not known to be huge
	return hugeMount(string(mounts), deviceOf(folder))
}

// deviceOf returns the number of the file system of a folder, as in mountinfo; "" if it is not
// known.
func deviceOf(folder string) string {
	var s unix.Stat_t
	if unix.Stat(filepath.Clean(folder), &s) != nil {
		return ""
	}
	return strconv.Itoa(int(unix.Major(s.Dev))) + ":" + strconv.Itoa(int(unix.Minor(s.Dev)))
}

// hugeMount reports whether a device is mounted with huge pages, by the text of mountinfo.
func hugeMount(mounts, device string) bool {
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != device {
			continue
		}
		for _, o := range strings.Split(f[len(f)-1], ",") {
			if rule, ok := strings.CutPrefix(o, "huge="); ok {
				return rule != "never"
			}
		}
	}
	return false
}
