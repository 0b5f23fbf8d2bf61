package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWorkersHaveTheirCPUs: no thread of the director but the worker, neither DPDK's nor Go's, may
// run on the worker's CPU.
func TestWorkersHaveTheirCPUs(t *testing.T) {
	needRoot(t)
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU: there is none to move other threads to")
	}
	file, socket := withControl(t, "workers = 1", "workers = [1]")
	p := newProgram(t, "run", "--config", file).start().awaitReady()
	ask(t, 0, "status", "--socket", socket) // the threads that answer requests run by now
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.command.Process.Pid))
	if err != nil || len(threads) < 4 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	workers := 0
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		var allowed unix.CPUSet
		err = unix.SchedGetaffinity(id, &allowed)
		switch {
		case errors.Is(err, unix.ESRCH): // the thread has ended
		case err != nil:
			t.Fatal(err)
		case allowed.IsSet(1) && allowed.Count() == 1:
			workers++
		case allowed.IsSet(1):
			t.Errorf("thread %d may run on %d CPUs, the worker's among them", id, allowed.Count())
		}
	}
	if workers != 1 {
		t.Errorf("%d threads are kept on the worker's CPU, want 1", workers)
	}
}
