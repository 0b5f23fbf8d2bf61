package conntrack

// Why this is sound: the slices made here lie one after the other in one anonymous mapping that
// stays until Close. Each begins at a multiple of a cache line, which is enough for all of their
// element types. The elements hold no pointers, so the garbage collector need not look at them.

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"fulcrum/host"
)

const (
	cacheLine    = 64
	hugePageSize = 2 << 20
)

// Size returns the memory in bytes of a table of n4 IPv4 and n6 IPv6 sessions.
func Size(n4, n6 int) int {
	n := n4 + n6
	return sizeInLines[Session](n) + sizeInLines[Addresses6](n6) +
		sizeInLines[bucket](bucketsFor(2*n)) + sizeInLines[uint16](n)
}

// mapMemory maps the memory of a table.
func (t *Table) mapMemory(c *Config) error {
	n := c.Max + c.MaxV6
	buckets := bucketsFor(2 * n)
	size := Size(c.Max, c.MaxV6)
	if c.File != "" {
		size = sizeInLines[bucket](buckets) + sizeInLines[uint16](n)
		if err := t.mapFile(c.File, c.Max, c.MaxV6); err != nil {
			return err
		}
	}
	if err := t.mapBytes(size, c.Huge); err != nil {
		return fmt.Errorf("map %d MiB: %w", size>>20, err)
	}
	rest := t.memory
	if c.File == "" {
		t.sessions = carve[Session](&rest, n)
		t.addresses = carve[Addresses6](&rest, c.MaxV6)
	}
	t.index.buckets = carve[bucket](&rest, buckets)
	t.wake = carve[uint16](&rest, n)
	return nil
}

// sizeInLines returns the size of n elements in bytes, rounded up to whole cache lines.
func sizeInLines[T any](n int) int {
	return (n*int(unsafe.Sizeof(*new(T))) + cacheLine - 1) &^ (cacheLine - 1)
}

// carve makes n elements of the first bytes of rest and removes those bytes from rest.
func carve[T any](rest *[]byte, n int) []T {
	s := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(*rest))), n)
	*rest = (*rest)[sizeInLines[T](n):]
	return s
}

// mapBytes maps zeroed memory, on huge pages if they are requested and available. It populates the
// memory at once: a page without memory behind it would cause a page fault later, or the kernel
// might kill the process.
func (t *Table) mapBytes(size int, huge bool) (err error) {
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANON
	if huge {
		if t.memory, err = host.MapHuge(hugePageSize, pagesFor(size)); err == nil {
			return nil
		}
		t.notes = append(t.notes, fmt.Sprintf("sessions are on ordinary pages, as %v; "+
			"huge pages are faster", err))
	}
	if err := errors.Join(host.CheckSpace(size), host.CheckMemory(size)); err != nil {
		return err
	}
	if t.memory, err = unix.Mmap(-1, 0, size, prot, flags); err != nil {
		return err
	}
	// Errors are ignored because both calls are optional. Transparent huge pages are faster. A
	// kernel before 5.14 cannot populate and allocates the memory page by page later.
	_ = unix.Madvise(t.memory, unix.MADV_HUGEPAGE)
	_ = unix.Madvise(t.memory, unix.MADV_POPULATE_WRITE)
	return nil
}

// pagesFor returns how many huge pages hold size bytes.
func pagesFor(size int) int { return (size + hugePageSize - 1) / hugePageSize }

// Close unmaps the table's memory. A file stays, with the sessions that it has. The table must not
// be used afterwards; a second Close does nothing.
func (t *Table) Close() error {
	var all error
	for _, m := range []*[]byte{&t.memory, &t.file} {
		if *m != nil {
			all = errors.Join(all, unix.Munmap(*m))
			*m = nil
		}
	}
	return all
}
