package engine

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
)

// sessionMemories are the kinds of memory that sessions can be in. Each returns the folder of
// session.keep, or "" for none, for a number of sessions, or skips the benchmark. The index is on
// huge pages where sessions are on reserved ones, and otherwise on transparent ones.
var sessionMemories = []struct {
	name string
	make func(b *testing.B, sessions int) (keep string)
}{
	{"anonymous", func(*testing.B, int) string { return "" }},
	{"anonymous on reserved huge pages", func(b *testing.B, sessions int) string {
		reservePages(b, pagesOf(conntrack.Size(sessions, 0)))
		return ""
	}},
	{"tmpfs of 4 KiB", func(b *testing.B, _ int) string {
		folder, err := os.MkdirTemp("/dev/shm", "fulcrum-bench-")
		if err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() { os.RemoveAll(folder) })
		return folder
	}},
	{"tmpfs with huge=advise", func(b *testing.B, _ int) string {
		return filepath.Join(mounted(b, "tmpfs", "huge=advise,mode=700"), "keep")
	}},
	{"hugetlbfs", func(b *testing.B, sessions int) string {
		records := sessions * recordLen
		reservePages(b, pagesOf(conntrack.Size(sessions, 0)-records))
		return filepath.Join(hugetlbfs(b, keptPages+pagesOf(records)), "keep")
	}},
}

// recordLen is the size of an IPv4 session's record, see conntrack.Session.
const recordLen = 64 // bytes

func pagesOf(bytes int) int { return (bytes + pageSize - 1) / pageSize }

// BenchmarkKeep is BenchmarkPipeline with sessions in each kind of memory: what a packet costs
// there, and with a million sessions the memory that a session takes.
func BenchmarkKeep(b *testing.B) {
	for _, mode := range []modes.Mode{modes.DR, modes.FullNAT} {
		for _, flows := range []int{1_000, 1_000_000} {
			for _, kind := range sessionMemories {
				b.Run(fmt.Sprintf("%s/%d/%s", mode, flows, kind.name), func(b *testing.B) {
					sessions := max(flows, 1<<10)
					keep := kind.make(b, sessions)
					before := resident(b)
					s := millSettings(mode)
					s.Timeouts = conntrack.DefaultTimeouts()
					m := newMills(b, s, millConfig{sessions: sessions, flows: flows, workers: 1, keep: keep})[0]
					m.run(b)
					b.StopTimer()
					if flows >= 1_000_000 {
						b.ReportMetric(float64(resident(b)-before)/float64(sessions), "B/session")
					}
				})
			}
		}
	}
}

// resident returns the memory of this process that is in RAM, in bytes, huge pages included.
func resident(t testing.TB) (bytes int) {
	t.Helper()
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "Rss", "Shared_Hugetlb", "Private_Hugetlb":
			var kib int
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
			bytes += kib << 10
		}
	}
	return bytes
}
