package director

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fulcrum/config"
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

// TestPriority: beside busy workers, all threads have priority over other programs from Start to
// Stop, unless the operator has chosen another one.
func TestPriority(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to raise a priority")
		}
		t.Skip("needs root to raise a priority")
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	if all.Count() < 2 {
		t.Skip("needs a CPU besides the worker's")
	}
	if now := readings(t); len(now) != 1 || !now[defaultReading] {
		t.Skipf("threads have other priorities than 0 before: %v", now)
	}
	worker := 0
	for !all.IsSet(worker) {
		worker++
	}
	for idle, want := range map[config.Idle]int{
		config.IdleAdaptive: defaultReading, config.IdleBusy: defaultReading - highestNice,
	} {
		var c cpus
		c.cfg.Config = &config.Config{Director: config.Director{Workers: []int{worker}, Idle: idle}}
		c.cfg.Log = slog.New(slog.DiscardHandler)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if now := readings(t); len(now) != 1 || !now[want] {
			t.Errorf("%s: priorities %v while started, want %d", idle, now, want)
		}
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		if now := readings(t); len(now) != 1 || !now[defaultReading] {
			t.Errorf("%s: priorities %v after Stop", idle, now)
		}
	}
}

// readings returns the priorities of all threads, as getpriority(2) tells them.
func readings(t *testing.T) map[int]bool {
	t.Helper()
	all := map[int]bool{}
	if err := eachThread(func(id int) error {
		now, err := unix.Getpriority(unix.PRIO_PROCESS, id)
		if err == nil {
			all[now] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMayRaise: busy workers take priority over other programs, but not over the thread of the
// kernel that brings their packets.
func TestMayRaise(t *testing.T) {
	for _, tt := range []struct {
		device string
		idle   config.Idle
		want   bool
	}{
		{"0000:3b:00.0", config.IdleBusy, true}, {"0000:3b:00.0", config.IdleAdaptive, false},
		{"net_vhost0,iface=/run/x.sock", config.IdleBusy, true},
		{"net_af_packet0,iface=eth1", config.IdleBusy, false}, {"net_af_xdp0,iface=eth1", config.IdleBusy, false},
	} {
		c := &cpus{cfg: Config{Config: &config.Config{
			Director: config.Director{Idle: tt.idle},
			Ports:    []config.Port{{Device: "net_null0"}, {Device: tt.device}},
		}}}
		c.others.Set(0)
		if got := c.mayRaise(); got != tt.want {
			t.Errorf("%s, %s: %t", tt.device, tt.idle, got)
		}
		c.others.Zero()
		if c.mayRaise() {
			t.Errorf("%s, %s: priority without a CPU for the other threads", tt.device, tt.idle)
		}
	}
}
