package director

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestOtherCPUsNamesAStranger checks that the error names a worker's CPU that does not exist.
func TestOtherCPUsNamesAStranger(t *testing.T) {
	_, err := otherCPUs(unix.CPUSet{1}, []int{1000})
	if err == nil || !strings.Contains(err.Error(), "CPU 1000") {
		t.Errorf("got %v, want an error that names CPU 1000", err)
	}
}

func TestSharedCPUs(t *testing.T) {
	if notes := sharedCPUs([]int{0, 1, 2}); notes != nil {
		t.Errorf("notes %q", notes)
	}
	want := []string{
		"2 workers share CPU 0 and wait for each other: give every worker a CPU of its own",
		"3 workers share CPU 4 and wait for each other: give every worker a CPU of its own",
	}
	if diff := cmp.Diff(want, sharedCPUs([]int{4, 0, 4, 1, 0, 4})); diff != "" {
		t.Error(diff)
	}
}
