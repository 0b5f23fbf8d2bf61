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

// memoryPlan says which memory the EAL takes.
type memoryPlan struct {
	args []string
	note string
}

// planMemory decides between huge and ordinary pages. sysfs is hugePagesDirectory; total is the machine's memory in bytes.
func planMemory(c Config, sysfs fs.FS, total int64) (memoryPlan, error) {
	free := freeHugePages(sysfs)
	enough := free >= c.Memory
	switch {
	case c.HugePages == "on" && !enough:
		return memoryPlan{}, &Error{
			Doing: fmt.Sprintf("taking %d MiB of huge pages, of which %d MiB are free", mebibytes(c.Memory), free>>20),
			Err:   syscall.ENOMEM,
			Try:   fmt.Sprintf("reserve them (sysctl vm.nr_hugepages=%d for pages of 2 MiB), ask for less memory, or set huge pages to auto or off", (mebibytes(c.Memory)+1)/2),
		}
	case (c.HugePages == "off" || !enough) && c.Memory > total: // DPDK would keep books about each page first
		return memoryPlan{}, &Error{
			Doing: fmt.Sprintf("taking %d MiB of memory, of which the machine has %d MiB", mebibytes(c.Memory), total>>20),
			Err:   syscall.ENOMEM,
			Try:   "ask for less memory",
		}
	case c.HugePages == "off" || !enough:
		return ordinaryPages(c, free), nil
	}
	return memoryPlan{
		args: []string{"--in-memory"},
		note: fmt.Sprintf("%d MiB of huge pages are used", mebibytes(c.Memory)),
	}, nil
}

// ordinaryPages also turns off the files that processes share, which --in-memory, not to be had
// with --no-huge, would have done.
func ordinaryPages(c Config, free int64) memoryPlan {
	note := fmt.Sprintf("%d MiB of ordinary pages are used", mebibytes(c.Memory))
	if c.HugePages != "off" {
		note += fmt.Sprintf(", as only %d MiB of huge pages are free; huge pages are faster", free>>20)
	}
	return memoryPlan{args: []string{"--no-huge", "--no-shconf"}, note: note}
}

// totalMemory is the machine's memory in bytes.
func totalMemory() (int64, error) {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("ask the kernel for the machine's memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}

// freeHugePages is the number of bytes in huge pages of all sizes that nobody uses or has reserved.
func freeHugePages(sysfs fs.FS) int64 {
	directories, _ := fs.Glob(sysfs, "hugepages-*kB")
	var free int64
	for _, d := range directories {
		size, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(d, "hugepages-"), "kB"), 10, 64)
		free += size << 10 * (readCount(sysfs, path.Join(d, "free_hugepages")) - readCount(sysfs, path.Join(d, "resv_hugepages")))
	}
	return free
}

// readCount takes a file that is missing for 0: a kernel without huge pages has none.
func readCount(sysfs fs.FS, name string) int64 {
	text, _ := fs.ReadFile(sysfs, name)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}
