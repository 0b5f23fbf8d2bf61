package dpdk

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestTriedHugePagesAreGivenBack: DPDK finds the pages free that were tried before it starts.
func TestTriedHugePagesAreGivenBack(t *testing.T) {
	const pages = 2
	addHugePages(t, pages)
	before := mappedHuge(t)
	if err := tryHugePages(hugePages(strconv.Itoa(pages), "0"), pages<<21); err != nil {
		t.Skipf("the machine gives no huge pages: %v", err)
	}
	if after := mappedHuge(t); after != before {
		t.Errorf("%d mappings of huge pages before, %d after", before, after)
	}
}

// addHugePages reserves huge pages for the time of the test, where that is possible.
func addHugePages(t *testing.T, n int) {
	t.Helper()
	const file = hugePagesDirectory + "/hugepages-2048kB/nr_hugepages"
	add := func(n int) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		now, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(strconv.Itoa(max(now+n, 0))), 0o644)
	}
	if err := add(n); err != nil {
		t.Skipf("reserve huge pages: %v", err)
	}
	t.Cleanup(func() {
		if err := add(-n); err != nil {
			t.Error(err)
		}
	})
}

// mappedHuge counts this process's anonymous mappings of huge pages.
func mappedHuge(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "/anon_hugepage")
}
