package engine

// Why this is sound: the slices lie in anonymous mappings of their own, which are page aligned and
// stay until Close. Their elements hold no Go pointers, so that the garbage collector need not scan
// them.

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	machine "fulcrum/host" // "host" is a station in tests
)

// reserve returns n zeroed elements, for what an error is to name. The kernel gives a page only
// when it is first touched: a large slice costs what is used of it, and never moves.
func reserve[T any](n int, what string) ([]T, error) {
	size := n * int(unsafe.Sizeof(*new(T)))
	if err := machine.CheckSpace(size); err != nil {
		return nil, fmt.Errorf("reserve %d MiB for %s: %w", size>>20, what, err)
	}
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB for %s: %w", size>>20, what, err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// giveBack unmaps a slice that reserve returned. It does nothing for nil.
func giveBack[T any](s []T) error {
	if s == nil {
		return nil
	}
	first := (*byte)(unsafe.Pointer(unsafe.SliceData(s)))
	return unix.Munmap(unsafe.Slice(first, len(s)*int(unsafe.Sizeof(s[0]))))
}
