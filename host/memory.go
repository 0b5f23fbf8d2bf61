package host

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// spare is the least part of the memory that stays free, in bytes: the heap of a director with a
// few services grows by that after its start.
const spare = 16 << 20

// machine is the file system that limits are read from.
var machine = os.DirFS("/")

// memory is how many bytes can be taken, and what bounds them.
type memory struct {
	available int
	of        string // such as "of the machine"
}

// CheckMemory returns an error if taking size bytes would leave less than a sixteenth of the
// available memory, or less than 16 MiB. The rest of the director and of the machine need them:
// without, the kernel may kill this process or others. It returns nil if the kernel does not tell.
func CheckMemory(size int) error { return checkMemory(machine, size) }

func checkMemory(files fs.FS, size int) error {
	for _, m := range memories(files) {
		if size > m.available-max(m.available/16, spare) {
			return fmt.Errorf("only %d MiB %s are available, and a sixteenth, at least %d MiB, "+
				"must stay free", max(m.available, 0)>>20, m.of, spare>>20)
		}
	}
	return nil
}

// memories returns what the machine and each control group of this process have left.
func memories(files fs.FS) []memory {
	all := controlGroups(files)
	if available, known := fieldOf(files, "proc/meminfo", "MemAvailable:"); known {
		all = append(all, memory{available << 10, "of the machine"})
	}
	return all
}

// fieldOf returns the number behind a name in a file with a name and a number in each line.
func fieldOf(files fs.FS, file, name string) (value int, known bool) {
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			value, err := strconv.Atoi(f[1])
			return value, err == nil
		}
	}
	return 0, false
}
