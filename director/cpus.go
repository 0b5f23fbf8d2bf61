package director

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// cpus is the part that keeps the workers' CPUs free for them.
type cpus struct {
	cfg Config

	// Valid while the part is started.
	all    unix.CPUSet // CPUs that the process may use
	others unix.CPUSet // CPUs of all without a worker
	procs  int         // GOMAXPROCS before Start
	raised bool        // threads have priority over other programs
}

func (c *cpus) Start() (err error) {
	workers := c.cfg.Config.Director.Workers
	if err := unix.SchedGetaffinity(0, &c.all); err != nil {
		return fmt.Errorf("read the CPU affinity of this process: %w", err)
	}
	if c.others, err = otherCPUs(c.all, workers); err != nil {
		return err
	}
	// By default Go runs as many goroutines at once as its threads have CPUs. The workers are
	// goroutines too.
	c.procs = runtime.GOMAXPROCS(len(workers) + max(c.others.Count(), 2))
	if err := leaveToWorkers(c.others); err != nil {
		return errors.Join(err, c.Stop())
	}
	note(c.cfg.Log, sharedCPUs(workers))
	if c.mayRaise() {
		c.raise()
	}
	return nil
}

// Stop lets all threads run on the CPUs that they had before Start.
func (c *cpus) Stop() error {
	runtime.GOMAXPROCS(c.procs)
	_ = moveThreads(c.all) // fails if the process has lost these CPUs meanwhile
	if c.raised {
		_ = eachThread(setNice(0))
	}
	return nil
}

// lend calls a function on a thread that may run on all CPUs, so that a process that it starts may
// do so too.
func (c *cpus) lend(do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return fmt.Errorf("read the CPU affinity of a thread: %w", err)
	}
	if err := unix.SchedSetaffinity(0, &c.all); err != nil {
		return fmt.Errorf("lend a thread to a process: %w", err)
	}
	return errors.Join(do(), unix.SchedSetaffinity(0, &own))
}

// spare returns a CPU for threads that hardly ever run. It is a CPU without a worker, or the first
// worker's if every CPU has one.
func (c *cpus) spare() int {
	for cpu := range len(c.others) * 64 {
		if c.others.IsSet(cpu) {
			return cpu
		}
	}
	return c.cfg.Config.Director.Workers[0]
}

// otherCPUs returns the CPUs of all without a worker. A worker's CPU that is not in all is an error
// here, before any device is opened.
func otherCPUs(all unix.CPUSet, workers []int) (unix.CPUSet, error) {
	for _, w := range workers {
		if !all.IsSet(w) {
			return all, fmt.Errorf("run a worker on CPU %d: "+
				"the CPU does not exist or this process may not use it; "+
				"set another one in director.workers (taskset -cp $$ lists the usable CPUs)", w)
		}
	}
	for _, w := range workers {
		all.Clear(w)
	}
	return all, nil
}

// leaveToWorkers moves all threads to the CPUs without a worker. Threads that start later inherit
// that. A worker pins its own thread to its CPU afterwards. Otherwise the API, the metrics or the
// garbage collector would take a worker's CPU for milliseconds at a time. If every CPU has a
// worker, all threads share all CPUs.
func leaveToWorkers(others unix.CPUSet) error {
	if others.Count() == 0 {
		return nil
	}
	return moveThreads(others)
}

// The kernel's nice value of the highest priority, and what getpriority(2) returns for nice 0: 20
// less the value.
const (
	highestNice    = -20
	defaultReading = 20
)

// mayRaise reports whether threads with priority do no harm: busy workers have CPUs of their own,
// and no port works on an interface of the kernel. The packets of such a port may wait for a thread
// of the kernel on the worker's CPU (ksoftirqd), which would wait for the worker in turn.
func (c *cpus) mayRaise() bool {
	onKernel := func(p config.Port) bool { return p.Below() != "" }
	return c.cfg.Config.Director.Idle == config.IdleBusy && c.others.Count() > 0 &&
		!slices.ContainsFunc(c.cfg.Config.Ports, onKernel)
}

// raise gives all threads priority over other programs. A busy worker's CPU is its own, but the
// worker depends on the others: Go's scheduler takes it off its CPU some fifty times a second, and
// another thread has to put it back. While that waits for a CPU, so does the worker. raise leaves a
// priority alone that the operator has chosen, or that this process may not change.
func (c *cpus) raise() {
	if now, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && now == defaultReading {
		c.raised = eachThread(setNice(highestNice)) == nil
	}
}

func setNice(nice int) func(id int) error {
	return func(id int) error { return unix.Setpriority(unix.PRIO_PROCESS, id, nice) }
}

// moveThreads moves all threads of this process.
func moveThreads(where unix.CPUSet) error {
	return eachThread(func(id int) error {
		if err := unix.SchedSetaffinity(id, &where); err != nil {
			return fmt.Errorf("keep threads off the workers' CPUs: %w", err)
		}
		return nil
	})
}

// eachThread calls do for all threads of this process. It repeats until it finds no new thread,
// since a thread for which it has not been called yet may start another one.
func eachThread(do func(id int) error) error {
	done := map[int]bool{}
	for {
		before := len(done)
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("find this process's threads: %w", err)
		}
		for _, t := range tasks {
			id, _ := strconv.Atoi(t.Name()) // a number: the thread's ID
			if done[id] {
				continue
			}
			// ESRCH: the thread has ended.
			if err := do(id); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			done[id] = true
		}
		if len(done) == before {
			return nil
		}
	}
}

// sharedCPUs returns a note for each CPU that several workers share.
func sharedCPUs(workers []int) []string {
	workersOn := map[int]int{}
	for _, cpu := range workers {
		workersOn[cpu]++
	}
	var notes []string
	for _, cpu := range slices.Sorted(maps.Keys(workersOn)) {
		if n := workersOn[cpu]; n > 1 {
			notes = append(notes, fmt.Sprintf("%d workers share CPU %d and wait for each other: "+
				"give every worker a CPU of its own", n, cpu))
		}
	}
	return notes
}
