package persist

// Why this is sound: the slices made here lie one after the other in one anonymous mapping that
// stays until Close. Each begins at a multiple of a cache line, which is enough for all of their
// element types. The elements hold no pointers, so the garbage collector need not look at them.

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"fulcrum/host"
)

const cacheLine = 64

// mapMemory maps the records, the index and the counts. A page costs memory once it is used: a
// director without persistence takes none.
func (t *Table) mapMemory(servers int) error {
	size := sizeInLines[atomic.Int32](servers)
	for i := range t.shards {
		n := t.recordsOf(i)
		size += sizeInLines[record](n) + sizeInLines[uint64](placesFor(n))
	}
	if err := host.CheckSpace(size); err != nil {
		return err
	}
	var err error
	t.memory, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("map %d MiB: %w", size>>20, err)
	}
	rest := t.memory
	for i := range t.shards {
		s, n := &t.shards[i], t.recordsOf(i)
		s.number = uint32(i)
		s.records = carve[record](&rest, n)
		s.index = newIndex(carve[uint64](&rest, placesFor(n)))
	}
	t.counts = carve[atomic.Int32](&rest, servers)
	return nil
}

// recordsOf returns how many of the table's records a shard has.
func (t *Table) recordsOf(shard int) int {
	return (t.max + len(t.shards) - 1 - shard) / len(t.shards)
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

// Close gives the memory back. The table must not be used afterwards; a second Close does nothing.
func (t *Table) Close() error {
	if t.memory == nil {
		return nil
	}
	memory := t.memory
	t.memory, t.counts = nil, nil
	return unix.Munmap(memory)
}
