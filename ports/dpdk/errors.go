package dpdk

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Error is a failure of DPDK or of one of its devices. It matches Err with errors.Is.
type Error struct {
	Port   string   // name of the port; empty if DPDK as a whole failed
	Device string   // device of the port, as configured; empty without Port
	Doing  string   // what was being done, and with what
	Err    error    // the cause, usually an errno
	Try    string   // what the operator can do; may be empty
	Log    []string // the last lines that DPDK and the driver logged meanwhile
}

// Error returns all of it on one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Port != "" {
		fmt.Fprintf(&b, "port %q (%s): ", e.Port, e.Device)
	}
	b.WriteString(e.Doing)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Try != "" {
		b.WriteString("; " + e.Try)
	}
	if len(e.Log) > 0 {
		fmt.Fprintf(&b, " (DPDK says: %s)", strings.Join(e.Log, " | "))
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

var errUnexplained = errors.New("failed without a reason")

// errno converts a DPDK return code into an error. Drivers return -1 without any meaning, so it
// must not read as "operation not permitted".
func errno(rc int) error {
	if rc >= -1 {
		return errUnexplained
	}
	return syscall.Errno(-rc)
}
