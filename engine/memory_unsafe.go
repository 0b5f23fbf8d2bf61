package engine

// Why this is sound: the slices lie in anonymous mappings of their own, which are page aligned and stay
// until Close. Their elements hold no Go pointers, so that it does not matter that the garbage
// collector never looks at them.

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserve returns n zeroed elements whose memory is taken page by page when it is first touched, so that
// a slice which may become large costs what is used of it, and never moves.
func reserve[T any](n int) ([]T, error) {
	size := n * int(unsafe.Sizeof(*new(T)))
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB for real servers: %w", size>>20, err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// giveBack ends the mapping of a slice that reserve returned; nil has none.
func giveBack[T any](s []T) error {
	if s == nil {
		return nil
	}
	first := (*byte)(unsafe.Pointer(unsafe.SliceData(s)))
	return unix.Munmap(unsafe.Slice(first, len(s)*int(unsafe.Sizeof(s[0]))))
}
