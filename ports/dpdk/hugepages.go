package dpdk

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"
)

const hugePagesDirectory = "/sys/kernel/mm/hugepages"

// memoryPlan is the EAL's memory: its arguments, and a note for the operator.
type memoryPlan struct {
	args []string
	note string
}

// planMemory chooses between huge and ordinary pages. sysfs is hugePagesDirectory; total is the
// machine's memory in bytes.
func planMemory(c Config, sysfs fs.FS, total int64) (memoryPlan, error) {
	free := freeHugePages(sysfs)
	enough := free >= c.Memory
	switch {
	case c.HugePages == "on" && !enough:
		return memoryPlan{}, &Error{
			Doing: fmt.Sprintf("allocating %d MiB of huge pages: %d MiB are free",
				mebibytes(c.Memory), free>>20),
			Err: syscall.ENOMEM,
			Try: fmt.Sprintf("reserve them (sysctl vm.nr_hugepages=%d for pages of 2 MiB), "+
				"configure less memory, or set huge pages to auto or off", (mebibytes(c.Memory)+1)/2),
		}
	case (c.HugePages == "off" || !enough) && c.Memory > total:
		// DPDK would first spend memory on a record of each page.
		return memoryPlan{}, &Error{
			Doing: fmt.Sprintf("allocating %d MiB of memory: the machine has %d MiB",
				mebibytes(c.Memory), total>>20),
			Err: syscall.ENOMEM,
			Try: "configure less memory",
		}
	case c.HugePages == "off" || !enough:
		return ordinaryPages(c, free), nil
	}
	return memoryPlan{
		args: []string{"--in-memory"},
		note: fmt.Sprintf("DPDK uses %d MiB of huge pages", mebibytes(c.Memory)),
	}, nil
}

// ordinaryPages returns a plan without huge pages. It also turns off the files that processes
// share, as --in-memory would, which DPDK does not accept with --no-huge.
func ordinaryPages(c Config, free int64) memoryPlan {
	note := fmt.Sprintf("DPDK uses %d MiB of ordinary pages", mebibytes(c.Memory))
	if c.HugePages != "off" {
		note += fmt.Sprintf(", because only %d MiB of huge pages are free; huge pages are faster",
			free>>20)
	}
	return memoryPlan{args: []string{"--no-huge", "--no-shconf"}, note: note}
}

// totalMemory returns the machine's memory in bytes.
func totalMemory() (int64, error) {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("reading the machine's memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}

// freeHugePages returns the number of bytes in huge pages of all sizes that are neither used nor
// reserved.
func freeHugePages(sysfs fs.FS) int64 {
	directories, _ := fs.Glob(sysfs, "hugepages-*kB")
	var free int64
	for _, d := range directories {
		size, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(d, "hugepages-"), "kB"), 10, 64)
		free += size << 10 * (readCount(sysfs, path.Join(d, "free_hugepages")) -
			readCount(sysfs, path.Join(d, "resv_hugepages")))
	}
	return free
}

// readCount reads a number and returns 0 for a missing file, which a kernel without huge pages
// does not have.
func readCount(sysfs fs.FS, name string) int64 {
	text, _ := fs.ReadFile(sysfs, name)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}
