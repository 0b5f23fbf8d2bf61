package conntrack

// Why this is sound: the slices made here lie one after the other in one anonymous mapping that stays until Close, each at
// a multiple of a cache line, which is enough for any of their element types. Those hold no pointers, so that it
// does not matter that the garbage collector never looks at them.

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	cacheLine    = 64
	hugePageSize = 2 << 20
)

// mapMemory maps what a table of n4 sessions of IPv4 and n6 of IPv6 needs.
func (t *Table) mapMemory(n4, n6 int, huge bool) error {
	n := n4 + n6
	buckets := bucketsFor(2 * n)
	size := room[Session](n) + room[Addresses6](n6) + room[bucket](buckets) + room[uint16](n) + room[uint32](n4) + room[uint32](n6)
	if err := t.mapBytes(size, huge); err != nil {
		return fmt.Errorf("map %d MiB: %w", size>>20, err)
	}
	rest := t.memory
	t.sessions = carve[Session](&rest, n)
	t.addresses = carve[Addresses6](&rest, n6)
	t.index.buckets = carve[bucket](&rest, buckets)
	t.wake = carve[uint16](&rest, n)
	t.four.halfOpen.slots = carve[uint32](&rest, n4)
	t.six.halfOpen.slots = carve[uint32](&rest, n6)
	return nil
}

// room returns the bytes that n elements take, in whole cache lines.
func room[T any](n int) int {
	return (n*int(unsafe.Sizeof(*new(T))) + cacheLine - 1) &^ (cacheLine - 1)
}

// carve makes n elements of the first bytes of rest.
func carve[T any](rest *[]byte, n int) []T {
	s := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(*rest))), n)
	*rest = (*rest)[room[T](n):]
	return s
}

// mapBytes maps zeroed memory, on huge pages if asked for and to be had, and takes it at once: a page that is only
// promised would cost its first user a fault, or the whole process its life.
func (t *Table) mapBytes(size int, huge bool) (err error) {
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANON
	if huge {
		rounded := (size + hugePageSize - 1) &^ (hugePageSize - 1)
		if t.memory, err = unix.Mmap(-1, 0, rounded, prot, flags|unix.MAP_HUGETLB|unix.MAP_POPULATE); err == nil {
			return nil
		}
		t.notes = append(t.notes, fmt.Sprintf("sessions are on ordinary pages, as no %d huge pages are free; huge pages are faster", rounded/hugePageSize))
	}
	if available, known := availableMemory(); known && !leavesEnough(size, available) {
		return fmt.Errorf("only %d MiB are available, and others need some of them", available>>20)
	}
	if t.memory, err = unix.Mmap(-1, 0, size, prot, flags); err != nil {
		return err
	}
	// Both are wishes: transparent huge pages are faster, and a kernel before 5.14 takes the memory page by page later.
	_ = unix.Madvise(t.memory, unix.MADV_HUGEPAGE)
	_ = unix.Madvise(t.memory, unix.MADV_POPULATE_WRITE)
	return nil
}

// Close gives the memory back.
func (t *Table) Close() error {
	if t.memory == nil {
		return nil
	}
	memory := t.memory
	t.memory = nil
	return unix.Munmap(memory)
}
