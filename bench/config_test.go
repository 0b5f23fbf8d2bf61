package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// TestDirectorsFiles: the director accepts the files that are written for it.
func TestDirectorsFiles(t *testing.T) {
	for _, m := range allModes {
		for i, timeout := range []time.Duration{0, time.Second, 0, time.Second} {
			c := directorConfig{
				six: i >= 2, device: Link{folder: "/tmp/x"}.subjectDevice(), memory: dpdkMemory, mode: m, sessions: 12345, timeout: timeout, idle: "busy", control: "/tmp/x/control.sock", crowd: 2 * serverCount,
			}
			cfg, err := config.Parse("bench.toml", []byte(c.file()))
			if err != nil {
				t.Fatalf("%v: %v\n%s", m, err, c.file())
			}
			most := cfg.Session.Max
			if c.six {
				most = cfg.Session.MaxV6
			}
			if most != 12345 || len(cfg.Services) != 4 || cfg.Services[0].Mode != m ||
				len(cfg.Services[0].RealServers) != serverCount {
				t.Errorf("%v: %+v", m, cfg)
			}
			if timeout != 0 && (cfg.Session.Timeouts[lvs.StateUDP] != timeout ||
				cfg.Session.Timeouts[lvs.StateSynRecv] != timeout) {
				t.Errorf("%v: timeouts %+v", m, cfg.Session.Timeouts)
			}
		}
	}
}

// TestReservation: huge pages are added to those that are free, and the number is put back.
func TestReservation(t *testing.T) {
	for _, c := range []struct {
		free, total, bytes, during string
	}{
		{"0", "0", "1GiB", "512"}, {"100", "120", "1GiB", "532"}, {"600", "700", "1GiB", "700"},
	} {
		sysfs := t.TempDir()
		set(t, sysfs, "free_hugepages", c.free)
		set(t, sysfs, "nr_hugepages", c.total)
		r, err := reserve(sysfs, 1<<30)
		if got := get(t, sysfs, "nr_hugepages"); err != nil || got != c.during {
			t.Errorf("%s free of %s: %s pages, %v; want %s", c.free, c.total, got, err, c.during)
		}
		if err := r.restore(); err != nil || get(t, sysfs, "nr_hugepages") != c.total {
			t.Errorf("%s pages afterwards, %v; want %s", get(t, sysfs, "nr_hugepages"), err, c.total)
		}
	}
	if _, err := reserve(t.TempDir(), 1); err == nil {
		t.Error("a kernel without huge pages has some")
	}
}

func set(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestResidentBytes(t *testing.T) {
	folder := t.TempDir()
	set(t, folder, "status", "Name:\tfulcrum\nVmRSS:\t   1024 kB\nHugetlbPages:\t    2048 kB\nThreads:\t7")
	if n, err := residentBytes(filepath.Join(folder, "status")); err != nil || n != 3<<20 {
		t.Errorf("%d, %v", n, err)
	}
}
