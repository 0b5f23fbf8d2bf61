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
)

// cpus is the part that keeps the workers' CPUs free for them.
type cpus struct {
	cfg Config

	// Valid while the part is started.
	all    unix.CPUSet // that the process may use
	others unix.CPUSet // all that no worker has
	procs  int         // GOMAXPROCS before
}

func (c *cpus) Start() (err error) {
	workers := c.cfg.Config.Director.Workers
	if err := unix.SchedGetaffinity(0, &c.all); err != nil {
		return fmt.Errorf("find out which CPUs may be used: %w", err)
	}
	if c.others, err = otherCPUs(c.all, workers); err != nil {
		return err
	}
	// Go would let as many goroutines run at once as its threads have CPUs, and the workers are
	// goroutines.
	c.procs = runtime.GOMAXPROCS(len(workers) + max(c.others.Count(), 2))
	if err := leaveToWorkers(c.others); err != nil {
		return errors.Join(err, c.Stop())
	}
	note(c.cfg.Log, sharedCPUs(workers))
	return nil
}

// Stop lets all threads run where they might before.
func (c *cpus) Stop() error {
	runtime.GOMAXPROCS(c.procs)
	_ = moveThreads(c.all) // those CPUs may have been taken away meanwhile
	return nil
}

// spare returns a CPU for threads that hardly ever run: one that no worker has or, if there is
// none, the first worker's.
func (c *cpus) spare() int {
	for cpu := range len(c.others) * 64 {
		if c.others.IsSet(cpu) {
			return cpu
		}
	}
	return c.cfg.Config.Director.Workers[0]
}

// otherCPUs returns the CPUs of all that no worker has. A worker's CPU that is not among all is an
// error here, before any device is opened.
func otherCPUs(all unix.CPUSet, workers []int) (unix.CPUSet, error) {
	for _, w := range workers {
		if !all.IsSet(w) {
			return all, fmt.Errorf("run a worker on CPU %d: this process may not use it, or it does not exist; "+
				"name another one in director.workers (taskset -cp $$ shows which may be used)", w)
		}
	}
	for _, w := range workers {
		all.Clear(w)
	}
	return all, nil
}

// leaveToWorkers keeps all threads on the CPUs that no worker has, those too that are started
// later, since a thread inherits where it may run. A worker pins its own thread to its CPU
// afterwards. What answers the API, reads counters or collects garbage would otherwise take a
// worker's CPU for milliseconds at a time. Where workers have all the CPUs they share them.
func leaveToWorkers(others unix.CPUSet) error {
	if others.Count() == 0 {
		return nil
	}
	return moveThreads(others)
}

// moveThreads looks again until it finds no new thread: one that has not been moved yet may start
// another meanwhile.
func moveThreads(where unix.CPUSet) error {
	moved := map[int]bool{}
	for {
		before := len(moved)
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("find this process's threads: %w", err)
		}
		for _, t := range tasks {
			id, _ := strconv.Atoi(t.Name()) // the kernel names them by numbers
			if moved[id] {
				continue
			}
			if err := unix.SchedSetaffinity(id, &where); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("keep threads off the workers' CPUs: %w", err)
			}
			moved[id] = true
		}
		if len(moved) == before {
			return nil
		}
	}
}

// sharedCPUs says which CPUs several workers have to share.
func sharedCPUs(workers []int) []string {
	workersOn := map[int]int{}
	for _, cpu := range workers {
		workersOn[cpu]++
	}
	var notes []string
	for _, cpu := range slices.Sorted(maps.Keys(workersOn)) {
		if n := workersOn[cpu]; n > 1 {
			notes = append(notes, fmt.Sprintf("%d workers share CPU %d, where each waits for the others; give every worker a CPU of its own", n, cpu))
		}
	}
	return notes
}
