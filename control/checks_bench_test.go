package control

import (
	"bufio"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/health"
	"fulcrum/lvs"
)

// checkedServers is how many real servers the benchmarks check each second.
const checkedServers = 10_000

// BenchmarkChecks shows what it costs to check 10,000 real servers each second by tcp. They listen
// on loopback, in a process of their own. It reports the CPU time of this process in percent of one
// CPU: user is the director's own, sys the kernel's. On loopback the kernel does the listeners'
// half of each connection in the same system call.
func BenchmarkChecks(b *testing.B) {
	k := checkFarm(b)
	before, begin := k.counts(), time.Now()
	user, system := processTimes()
	made := func() uint64 {
		c := k.counts()
		return c.Good + c.Bad + c.Late - before.Good - before.Bad - before.Late
	}
	for made() < max(uint64(b.N), 5*checkedServers) {
		time.Sleep(10 * time.Millisecond)
	}
	took, n := time.Since(begin).Seconds(), made()
	userAfter, systemAfter := processTimes()
	user, system = userAfter-user, systemAfter-system
	after := k.counts()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(100*user.Seconds()/took, "%user")
	b.ReportMetric(100*system.Seconds()/took, "%sys")
	b.ReportMetric(float64((user+system).Nanoseconds())/float64(n), "ns/check")
	b.ReportMetric(float64(n)/took, "checks/s")
	b.ReportMetric(float64(after.Bad-before.Bad), "bad")
	b.ReportMetric(float64(after.Late-before.Late), "late")
	b.ReportMetric(float64(k.lateness().Microseconds())/1000, "ms-late")
	b.ReportMetric(heapMB(), "MB-heap")
}

// checkFarm starts the checks of 10,000 real servers until the benchmark ends. They have been made
// for some turns when it returns.
func checkFarm(b *testing.B) *checks {
	b.Helper()
	k := newChecks(nil)
	k.follow(nil, farm(startAccepting(b)))
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { k.loop(ctx) })
	b.Cleanup(func() { cancel(); done.Wait() })
	for k.counts().Good < 3*checkedServers {
		time.Sleep(10 * time.Millisecond)
	}
	return k
}

func (k *checks) counts() health.Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.Counts()
}

// lateness returns how late a check begins now, at most of a second.
func (k *checks) lateness() (most time.Duration) {
	for begin := time.Now(); time.Since(begin) < time.Second; time.Sleep(time.Millisecond) {
		k.mu.Lock()
		if next, any := k.watch.Next(); any {
			most = max(most, time.Since(next))
		}
		k.mu.Unlock()
	}
	return most
}

// farm returns a service with 10,000 real servers on loopback.
func farm(port uint16) *config.Service {
	s := &config.Service{
		Name: "farm", Address: netip.MustParseAddrPort("10.0.0.200:80"), Protocol: lvs.TCP,
		Health: config.Health{
			Type: config.CheckTCP, Interval: time.Second, Timeout: 500 * time.Millisecond,
			Jitter: 10, Rise: 2, Fall: 3, Damping: true,
		},
	}
	a := netip.MustParseAddr("127.1.0.0")
	for range checkedServers {
		a = a.Next()
		s.RealServers = append(s.RealServers, config.RealServer{Address: netip.AddrPortFrom(a, port), Weight: 1})
	}
	return s
}

// startAccepting starts a process that accepts connections on all addresses of loopback, and
// returns its port.
func startAccepting(b *testing.B) uint16 {
	b.Helper()
	c := exec.Command(os.Args[0], "accept", "0.0.0.0:0")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.ParseUint(strings.TrimSpace(line), 10, 16)
	if err != nil {
		b.Fatal(err)
	}
	return uint16(port)
}

// processTimes returns the CPU time that this process has taken, and the kernel for it.
func processTimes() (user, system time.Duration) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, 0
	}
	return time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())
}

func heapMB() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse) / 1e6
}
