package dpdk

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// xdpSockets are the AF_XDP sockets of this process: the number of the inode by file descriptor.
type xdpSockets map[int]uint64

// isXDP reports whether the driver opens AF_XDP sockets.
func (d device) isXDP() bool { return strings.HasPrefix(d.name, "net_af_xdp") }

// findXDPSockets returns the sockets that are open now. If they cannot be listed, there are none.
func findXDPSockets() xdpSockets {
	found := xdpSockets{}
	all, _ := filepath.Glob("/proc/self/fd/*")
	for _, path := range all {
		if link, err := os.Readlink(path); err != nil || !strings.HasPrefix(link, "socket:") {
			continue
		}
		fd, _ := strconv.Atoi(filepath.Base(path))
		if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil &&
			domain == unix.AF_XDP {
			found[fd] = inode(fd)
		}
	}
	return found
}

func inode(fd int) uint64 {
	var s unix.Stat_t
	if unix.Fstat(fd, &s) != nil {
		return 0
	}
	return s.Ino
}

// since returns the sockets that were not among others.
func (s xdpSockets) since(others xdpSockets) xdpSockets {
	added := xdpSockets{}
	for fd, number := range s {
		if others[fd] != number {
			added[fd] = number
		}
	}
	return added
}

// closeLeft closes those that are still open. The driver of DPDK 22.11 never closes the first
// socket of a device, and the kernel gives the interface's queue to no other one meanwhile.
func (s xdpSockets) closeLeft() {
	for fd, number := range s {
		if inode(fd) == number {
			unix.Close(fd)
		}
	}
}
