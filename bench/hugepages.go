package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	hugePages    = "/sys/kernel/mm/hugepages/hugepages-2048kB"
	hugePageSize = 2 << 20
)

// reservation is the state of the machine's huge pages before the benchmark asked for more.
type reservation struct {
	file   string // nr_hugepages; empty if nothing has been changed
	before int
}

// reserve makes at least this many bytes of huge pages free, as far as the kernel still finds them.
func reserve(sysfs string, bytes int) (reservation, error) {
	free, err := readNumber(filepath.Join(sysfs, "free_hugepages"))
	if err != nil {
		return reservation{}, err
	}
	missing := (bytes+hugePageSize-1)/hugePageSize - free
	if missing <= 0 {
		return reservation{}, nil
	}
	file := filepath.Join(sysfs, "nr_hugepages")
	before, err := readNumber(file)
	if err != nil {
		return reservation{}, err
	}
	return reservation{file, before}, writeNumber(file, before+missing)
}

// restore writes the old number back.
func (r reservation) restore() error {
	if r.file == "" {
		return nil
	}
	return writeNumber(r.file, r.before)
}

func readNumber(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read the number of huge pages: %w; run without huge pages", err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func writeNumber(file string, n int) error {
	if err := os.WriteFile(file, []byte(strconv.Itoa(n)), 0o644); err != nil {
		return fmt.Errorf("set the number of huge pages to %d: %w; run without huge pages", n, err)
	}
	return nil
}
