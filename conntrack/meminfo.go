package conntrack

import (
	"os"
	"strconv"
	"strings"
)

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
