package host

import (
	"errors"
	"fmt"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// MapHuge maps n zeroed huge pages of pageSize bytes, a power of two. The pages are there when it
// returns: a mapping alone proves nothing, since a control group (hugetlb.SIZE.max) counts pages at
// the first touch, and kills the process then. The caller unmaps them with unix.Munmap:
// syscall.Munmap knows only its own mappings.
func MapHuge(pageSize, n int) ([]byte, error) {
	flags := unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_HUGETLB |
		(bits.Len(uint(pageSize))-1)<<unix.MAP_HUGE_SHIFT
	b, err := unix.Mmap(-1, 0, n*pageSize, unix.PROT_READ|unix.PROT_WRITE, flags)
	if errors.Is(err, unix.ENOMEM) {
		return nil, fmt.Errorf("this process gets no %d huge pages of %d KiB", n, pageSize>>10)
	}
	if err != nil {
		return nil, fmt.Errorf("map %d huge pages of %d KiB: %w", n, pageSize>>10, err)
	}
	touched, err := touch(b, pageSize)
	if touched < n && err == nil {
		err = fmt.Errorf("this process gets only %d of %d huge pages of %d KiB "+
			"(hugetlb limit of its control group)", touched, n, pageSize>>10)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(b))
	}
	return b, nil
}

// touch returns how many pages of a mapping can be written, from the first one on. The kernel
// writes into them: where there is no page, the call fails instead of the process.
func touch(b []byte, pageSize int) (pages int, err error) {
	zero, err := os.Open("/dev/zero")
	if err != nil {
		return 0, fmt.Errorf("touch huge pages: %w", err)
	}
	defer zero.Close()
	for at := 0; at < len(b); at += pageSize {
		if n, err := unix.Read(int(zero.Fd()), b[at:at+1]); n != 1 || err != nil {
			break // EFAULT
		}
		pages++
	}
	return pages, nil
}
