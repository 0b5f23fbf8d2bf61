package dpdk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fulcrum/host"
)

const hugePagesDirectory = "/sys/kernel/mm/hugepages"

// memoryPlan is the EAL's memory: its arguments, and a note for the operator.
type memoryPlan struct {
	args     []string
	note     string
	ordinary bool // without huge pages
}

// planMemory chooses between huge and ordinary pages. total is the machine's memory in bytes.
// tryHuge takes huge pages and gives them back.
func planMemory(c Config, total int64, tryHuge func(bytes int64) error) (memoryPlan, error) {
	var missing error
	if c.HugePages != "off" {
		if missing = tryHuge(c.Memory); missing == nil {
			return memoryPlan{
				args: []string{"--in-memory"},
				note: fmt.Sprintf("DPDK uses %d MiB of huge pages", mebibytes(c.Memory)),
			}, nil
		}
	}
	if c.HugePages == "on" {
		return memoryPlan{}, &Error{
			Doing: fmt.Sprintf("allocating %d MiB of huge pages", mebibytes(c.Memory)),
			Err:   missing,
			Try: fmt.Sprintf("reserve them (sysctl vm.nr_hugepages=%d for pages of 2 MiB), "+
				"configure less memory, or set huge pages to auto or off", (mebibytes(c.Memory)+1)/2),
		}
	}
	if err := checkOrdinary(c, total); err != nil {
		return memoryPlan{}, err
	}
	return ordinaryPages(c, missing), nil
}

// checkOrdinary returns an error if the machine has less memory than DPDK is to have, or the
// process less address space. DPDK would first spend memory on a record of each page. What it takes
// of the memory is checked when ports open.
func checkOrdinary(c Config, total int64) error {
	doing := fmt.Sprintf("allocating %d MiB of memory", mebibytes(c.Memory))
	if c.Memory > total {
		return &Error{
			Doing: fmt.Sprintf("%s: the machine has %d MiB", doing, total>>20),
			Err:   syscall.ENOMEM,
			Try:   "configure less memory",
		}
	}
	if err := host.CheckSpace(int(c.Memory)); err != nil {
		return &Error{Doing: doing, Err: err}
	}
	return nil
}

// ordinaryPages returns a plan without huge pages. It also turns off the files that processes
// share, as --in-memory would, which DPDK does not accept with --no-huge. missing says why there
// are no huge pages, unless they are off.
func ordinaryPages(c Config, missing error) memoryPlan {
	note := fmt.Sprintf("DPDK uses %d MiB of ordinary pages", mebibytes(c.Memory))
	if missing != nil {
		note += fmt.Sprintf(", because %v; huge pages are faster", missing)
	}
	return memoryPlan{args: []string{"--no-huge", "--no-shconf"}, note: note, ordinary: true}
}

// pageSize is a size of huge pages, and how many of them are neither used nor reserved.
type pageSize struct{ bytes, free int64 }

// tryHugePages maps and touches as many huge pages as DPDK would take, and gives them back. That
// pages are free tells little: a control group or a cpuset may keep this process from them. sysfs
// is hugePagesDirectory.
func tryHugePages(sysfs fs.FS, bytes int64) error {
	if host.SpaceLimited() {
		return errors.New("DPDK keeps hundreds of GiB of address space for huge pages, " +
			"and the address space is limited (ulimit -v)")
	}
	wanted, err := hugePagesFor(hugePageSizes(sysfs), bytes)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		held, err := host.MapHuge(int(w.bytes), int(w.free))
		if err != nil {
			return err
		}
		defer unix.Munmap(held)
	}
	return nil
}

// hugePagesFor returns how many pages of each size DPDK takes for that many bytes: first the
// largest, and one page more for the rest.
func hugePagesFor(sizes []pageSize, bytes int64) (wanted []pageSize, err error) {
	var free int64
	rest := bytes
	for _, s := range sizes {
		free += s.bytes * s.free
		n := min(s.free, rest/s.bytes)
		rest -= n * s.bytes
		wanted = append(wanted, pageSize{s.bytes, n})
	}
	if free < bytes {
		return nil, fmt.Errorf("only %d MiB of huge pages are free", free>>20)
	}
	for i, s := range slices.Backward(sizes) {
		if rest > 0 && wanted[i].free < s.free {
			wanted[i].free++
			rest = 0
		}
	}
	return slices.DeleteFunc(wanted, func(w pageSize) bool { return w.free == 0 }), nil
}

// totalMemory returns the machine's memory in bytes.
func totalMemory() (int64, error) {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("reading the machine's memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}

// hugePageSizes returns the sizes of huge pages, the largest first.
func hugePageSizes(sysfs fs.FS) (sizes []pageSize) {
	directories, _ := fs.Glob(sysfs, "hugepages-*kB")
	for _, d := range directories {
		size, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(d, "hugepages-"), "kB"), 10, 64)
		free := readCount(sysfs, path.Join(d, "free_hugepages")) -
			readCount(sysfs, path.Join(d, "resv_hugepages"))
		sizes = append(sizes, pageSize{size << 10, max(free, 0)})
	}
	slices.SortFunc(sizes, func(a, b pageSize) int { return cmp.Compare(b.bytes, a.bytes) })
	return sizes
}

// readCount reads a number and returns 0 for a missing file, which a kernel without huge pages
// does not have.
func readCount(sysfs fs.FS, name string) int64 {
	text, _ := fs.ReadFile(sysfs, name)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}
