package host

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// spareSpace is the address space that Go, libc and DPDK take beside what is reserved on purpose,
// in bytes: arenas of 64 MiB for the heap and for each thread, and the threads' stacks. A director
// on one worker takes 0.6 GiB.
const spareSpace = 1 << 30

// SpaceLimited reports whether the address space of this process is limited (ulimit -v).
func SpaceLimited() bool { return spaceLimit() != unix.RLIM_INFINITY }

// CheckSpace returns an error if the limit of the address space does not allow size bytes more,
// with a gibibyte for Go, libc and DPDK. They end the process where they reach the limit.
func CheckSpace(size int) error {
	limit := spaceLimit()
	if limit == unix.RLIM_INFINITY {
		return nil
	}
	return checkSpace(machine, limit, size)
}

func checkSpace(files fs.FS, limit uint64, size int) error {
	used, known := fieldOf(files, "proc/self/status", "VmSize:")
	needed := uint64(used<<10 + size + spareSpace)
	if !known || needed <= limit {
		return nil
	}
	return fmt.Errorf("the address space is limited to %d MiB, and %d MiB are needed: raise or "+
		"remove the limit (ulimit -v, LimitAS= of the unit)", limit>>20, needed>>20)
}

func spaceLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return unix.RLIM_INFINITY
	}
	return limit.Cur
}
