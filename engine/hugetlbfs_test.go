package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pagePool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	pageSize = 2 << 20 // bytes
)

// hugetlbfs mounts a hugetlbfs of so many pages of 2 MiB, which it takes from the machine for the
// time of the test. Without them, or without root, it skips the test.
func hugetlbfs(t testing.TB, pages int) (folder string) {
	t.Helper()
	reservePages(t, pages)
	bytes := pages * pageSize
	return mounted(t, "hugetlbfs", fmt.Sprintf("pagesize=2M,size=%d,min_size=%d,mode=700", bytes, bytes))
}

// mounted mounts a file system for the time of the test, or skips the test.
func mounted(t testing.TB, kind, options string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := unix.Mount("none", folder, kind, 0, options); err != nil {
		t.Skipf("mount a %s with %s: %v", kind, options, err)
	}
	t.Cleanup(func() {
		if err := unmount(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// unmount waits while the file system is busy: a process that another test starts has all open
// files of this one, until it executes its program.
func unmount(folder string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := unix.Unmount(folder, 0)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// reservePages adds huge pages to those of the machine, and takes them back when the test ends.
func reservePages(t testing.TB, pages int) {
	t.Helper()
	was, err := pagesReserved()
	if err == nil {
		err = setPages(was + pages)
	}
	if err != nil {
		t.Skipf("reserve huge pages: %v", err)
	}
	t.Cleanup(func() {
		now, err := pagesReserved()
		if err == nil {
			err = setPages(max(now-pages, 0))
		}
		if err != nil {
			t.Error(err)
		}
	})
	if now, err := pagesReserved(); err != nil || now < was+pages {
		pages = max(now-was, 0)
		t.Skipf("the machine gives only %d huge pages, %v", pages, err)
	}
}

func pagesReserved() (int, error) {
	text, err := os.ReadFile(pagePool)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func setPages(n int) error { return os.WriteFile(pagePool, []byte(strconv.Itoa(n)), 0o644) }
