package conntrack

// Why this is sound: the records that are made here lie in one shared mapping of a file that stays
// until Close, at multiples of a cache line behind the header. They hold no pointers. The size of a
// file is compared with what its header promises before it is mapped, and it is not cut off later:
// a folder of sessions belongs to one director and its successor. Bytes of a file are read into
// records, of which every value is a valid one in memory. Their users check what the values mean.

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

// OpenMirror maps a file of sessions. The process that has it may go on changing it.
func OpenMirror(path string) (*Mirror, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h, err := readHeader(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m := &Mirror{four: int(h.Sessions4)}
	m.file, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: map %d MiB: %w", path, info.Size()>>20, err)
	}
	_ = unix.Madvise(m.file, unix.MADV_POPULATE_READ) // optional: Follow is to find it there
	rest := m.file[keptHeaderLen:]
	m.records = carve[Session](&rest, int(h.Sessions4+h.Sessions6))
	m.lines = carve[Addresses6](&rest, int(h.Sessions6))
	return m, nil
}

// Beat returns when the process last said that it lives, in ms; 0 is not known.
func (m *Mirror) Beat() uint32 { return signsOf(m.file).beat.Load() }

func (m *Mirror) used() (four, six uint32) {
	s := signsOf(m.file)
	return s.four.Load(), s.six.Load()
}

// readRecords reads so many records at an offset into a buffer, which it makes for the first ones.
func readRecords[T any](r *keptReader, buffer *[]T, at int64, n int) []T {
	if *buffer == nil {
		*buffer = make([]T, keptChunk)
	}
	all := (*buffer)[:n]
	size := n * int(unsafe.Sizeof(*new(T)))
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(all))), size)
	if _, err := r.f.ReadAt(b, at); err != nil && r.err == nil {
		r.err = err
	}
	return all
}

// keptSigns are what the process writes into the header of its file from time to time.
type keptSigns struct {
	beat      atomic.Uint32 // when it last said that it lives, in ms; 0 is not known
	four, six atomic.Uint32 // how many slots of each family have ever been used
}

func signsOf(file []byte) *keptSigns {
	return (*keptSigns)(unsafe.Pointer((*[unsafe.Sizeof(keptSigns{})]byte)(file[keptBeat:])))
}

// Beat notes in the file that its process lives. now is in ms.
func (t *Table) Beat(now uint32) {
	if t.file != nil {
		s := signsOf(t.file)
		s.beat.Store(now)
		s.four.Store(t.four.used)
		s.six.Store(t.six.used)
	}
}

const (
	sessionLen   = int(unsafe.Sizeof(Session{}))
	addressesLen = int(unsafe.Sizeof(Addresses6{}))
)
