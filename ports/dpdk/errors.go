package dpdk

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Error is what went wrong with DPDK or one of its devices.
type Error struct {
	Port   string   // the port's name; empty when it is about DPDK as a whole
	Device string   // the port's device, as configured
	Doing  string   // what was being done, and with what
	Err    error    // an errno in most cases
	Try    string   // what to do about it
	Log    []string // what DPDK and the driver logged meanwhile
}

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

func (e *Error) Unwrap() error { return e.Err }

var errUnexplained = errors.New("it failed")

// errno turns a DPDK return code into an error. -1 is what drivers return when they have nothing to
// say, and would read as "operation not permitted".
func errno(rc int) error {
	if rc >= -1 {
		return errUnexplained
	}
	return syscall.Errno(-rc)
}
