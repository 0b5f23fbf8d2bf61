package engine

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nap has a worker sleep on its thread, unknown to Go's scheduler: told of a system call, that would take the worker's place to run meanwhile,
// thousands of times a second, and keep a thread of its own awake for it. The signal by which it stops goroutines ends a nap.
//
// The conversion is sound: ts is on this goroutine's stack, which does not move during a call without a frame of Go.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	// Interrupted or not, the next poll is what matters.
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
