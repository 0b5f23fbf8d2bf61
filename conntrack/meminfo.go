package conntrack

import (
	"os"
	"strconv"
	"strings"
)

// leavesEnough reports whether size bytes of the available memory may be taken. The last sixteenth
// stays free: the rest of the director and of the machine need it. Without it the kernel may kill
// this process or others.
func leavesEnough(size, available int) bool { return size <= available-available/16 }

// availableMemory returns how many bytes can be taken without swapping by the kernel's estimate
// (proc(5), MemAvailable).
func availableMemory() (bytes int, known bool) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	_, rest, found := strings.Cut(string(info), "MemAvailable:")
	if !found {
		return 0, false
	}
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	return kilobytes << 10, err == nil
}
