package main

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

// otherCPUs are those that this process may use and no worker has. Workers' CPUs that may not be used are an error here, before any device
// is opened.
func otherCPUs(workers []int) (unix.CPUSet, error) {
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return cpus, fmt.Errorf("find out which CPUs may be used: %w", err)
	}
	for _, w := range workers {
		if !cpus.IsSet(w) {
			return cpus, fmt.Errorf("run a worker on CPU %d: this process may not use it, or it does not exist; "+
				"name another one in director.workers (taskset -cp $$ shows which may be used)", w)
		}
	}
	for _, w := range workers {
		cpus.Clear(w)
	}
	return cpus, nil
}

// leaveToWorkers keeps all threads on the CPUs that no worker has, those too that are started later, since a thread inherits where it
// may run. A worker pins its own thread to its CPU afterwards. What answers the API, reads counters or collects garbage would otherwise
// take a worker's CPU for milliseconds at a time. Where workers have all the CPUs they share them.
func leaveToWorkers(others unix.CPUSet, workers []int) error {
	// Go would let as many goroutines run at once as its threads have CPUs, and the workers are goroutines.
	runtime.GOMAXPROCS(len(workers) + max(others.Count(), 2))
	if others.Count() == 0 {
		return nil
	}
	return moveThreads(others)
}

// moveThreads looks again until it finds no new thread: one that has not been moved yet may start another meanwhile.
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

// mainCPU returns the CPU for DPDK's main lcore, which does no work: one that no worker has or, if there is none, the first worker's.
func mainCPU(others unix.CPUSet, workers []int) int {
	for cpu := range len(others) * 64 {
		if others.IsSet(cpu) {
			return cpu
		}
	}
	return workers[0]
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
