package conntrack

// Why this is sound: the records that are made here lie in one shared mapping of a file that stays
// until Close, at multiples of a cache line behind the header. They hold no pointers. Bytes that
// were read from a file are copied into records, of which every value is a valid one in memory;
// whether it means anything, is checked by those who use it.

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"fulcrum/host"
)

// mapFile maps the records of a table, and the addresses of IPv6 sessions, from a new file.
func (t *Table) mapFile(path string, n4, n6 int) error {
	size := keptHeaderLen + sizeInLines[Session](n4+n6) + sizeInLines[Addresses6](n6)
	size = (size + hugePageSize - 1) &^ (hugePageSize - 1) // hugetlbfs has whole pages
	if err := errors.Join(host.CheckSpace(size), host.CheckMemory(size)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// Memory that the file system does not have must be an error here, and no SIGBUS later.
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(size)); err != nil {
		return fmt.Errorf("%s: %d MiB: %w", path, size>>20, err)
	}
	t.file, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("%s: map %d MiB: %w", path, size>>20, err)
	}
	_ = unix.Madvise(t.file, unix.MADV_HUGEPAGE) // optional, as in mapBytes
	_ = unix.Madvise(t.file, unix.MADV_POPULATE_WRITE)
	h := keptHeader{Layout: LayoutVersion, Sessions4: uint64(n4), Sessions6: uint64(n6)}
	copy(t.file, h.encode())
	rest := t.file[keptHeaderLen:]
	t.sessions = carve[Session](&rest, n4+n6)
	t.addresses = carve[Addresses6](&rest, n6)
	return nil
}

// recordsOf returns the records that fill b. b begins at any address.
func recordsOf[T any](b []byte) []T {
	all := make([]T, len(b)/int(unsafe.Sizeof(*new(T))))
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(all))), len(b)), b)
	return all
}

// Beat notes in the file that its process lives. now is in ms.
func (t *Table) Beat(now uint32) {
	if t.file != nil {
		(*atomic.Uint32)(unsafe.Pointer(&t.file[keptBeat])).Store(now)
	}
}

const (
	sessionLen   = int(unsafe.Sizeof(Session{}))
	addressesLen = int(unsafe.Sizeof(Addresses6{}))
)
