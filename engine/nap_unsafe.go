package engine

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nap makes a worker sleep without telling Go's scheduler. The scheduler would hand the worker's P
// to another thread at each system call, thousands of times a second, and keep a thread awake for
// that. The signal that stops goroutines ends a nap.
//
// The conversion is sound: ts is on this goroutine's stack, which does not move during a call
// without a Go frame.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	// Interrupted or not, the worker polls next.
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
