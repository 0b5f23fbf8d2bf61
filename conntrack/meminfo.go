package conntrack

import (
	"os"
	"strconv"
	"strings"
)

// leavesEnough reports whether size bytes can be taken of what is available: not the last sixteenth, which the rest of the director and of the
// machine need. Who takes that is killed by the kernel, or has others killed.
func leavesEnough(size, available int) bool { return size <= available-available/16 }

// availableMemory returns how many bytes the kernel thinks can be taken without swapping (proc(5), MemAvailable).
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
