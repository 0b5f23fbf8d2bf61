package dpdk

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// HideFromChildren keeps this process's open files from the programs that it starts, except those
// that it passes on (exec.Cmd.ExtraFiles). Drivers open sockets without that mark: a program that
// inherits one keeps the queue of the interface, or the TAP, beyond the life of the port. OpenPort
// calls it; files that drivers open later need another call.
func HideFromChildren() {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range all {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
