package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Process identifies a process for ever: process ids are used again, start times are not.
type Process struct {
	Role string `json:"role"`
	PID  int    `json:"pid"`
	// Started is the start time in clock ticks since boot, field 22 of /proc/PID/stat.
	Started uint64 `json:"started"`
}

func identify(role string, pid int) (Process, error) {
	started, err := startTime(pid)
	return Process{Role: role, PID: pid, Started: started}, err
}

// startTime returns field 22. The second field, the program's name, may hold spaces and
// parentheses.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	const after = 22 - 3 // the name is field 2, and fields count from 1
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= after {
		return 0, fmt.Errorf("reading the start time of process %d: /proc/%d/stat has only %d fields",
			pid, pid, len(fields)+2)
	}
	return strconv.ParseUint(string(fields[after]), 10, 64)
}

// alive reports whether this very process still runs. A zombie that waits for its parent does not.
func (p Process) alive() bool {
	started, err := startTime(p.PID)
	return err == nil && started == p.Started && !p.zombie()
}

func (p Process) zombie() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	name := bytes.LastIndexByte(stat, ')')
	return err != nil || len(stat) < name+3 || stat[name+2] == 'Z'
}

// signal sends a signal to this very process. It opens the handle (a pidfd) before it compares the
// start time, so that the signal cannot reach a later process with the same id.
func (p Process) signal(s os.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return nil // it has ended
	}
	defer handle.Release()
	if !p.alive() {
		return nil
	}
	if err := handle.Signal(s); err != nil && p.alive() {
		return fmt.Errorf("sending %s to %s (process %d): %w", s, p.Role, p.PID, err)
	}
	return nil
}
