package dpdk

// Why this is sound: the argument vector handed to C lives in C memory and is never freed, because
// the EAL keeps pointers into it.

// #cgo pkg-config: libdpdk
// #cgo CFLAGS: -O3 -DALLOW_EXPERIMENTAL_API
// #include <stdlib.h>
// #include <rte_eal.h>
// #include <rte_lcore.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// started is whether this process has called rte_eal_init, which can be done once.
var started atomic.Bool

// EAL is DPDK's environment abstraction layer, running.
type EAL struct {
	directory *runtimeDirectory

	mu     sync.Mutex // one control call at a time; guards what follows
	notes  []string
	ports  []*port
	pools  []*pool // of closed ports, with buffers that are not back yet
	closed bool
}

// Start starts DPDK. It can be called once in the life of a process, unless it failed before
// anything was done. The calling thread keeps its CPU affinity.
func Start(c Config) (*EAL, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	if err := requireRoot(); err != nil {
		return nil, err
	}
	total, err := totalMemory()
	if err != nil {
		return nil, err
	}
	memory, err := planMemory(c, os.DirFS(hugePagesDirectory), total)
	if err != nil {
		return nil, err
	}
	if !started.CompareAndSwap(false, true) {
		return nil, &Error{Doing: "starting DPDK a second time in one process", Err: syscall.EBUSY, Try: "use a process for each director"}
	}
	directory, err := newRuntimeDirectory(runtimeParent())
	if err != nil {
		return nil, err
	}
	if err := initialise(c.arguments(directory.prefix(), memory)); err != nil {
		return nil, errors.Join(err, directory.remove())
	}
	return &EAL{directory: directory, notes: []string{memory.note}}, nil
}

// initialise is rte_eal_init with its output kept from the terminal.
func initialise(args []string) error {
	if C.fulcrum_log_open() != 0 {
		return &Error{Doing: "opening a memory stream for DPDK's log", Err: syscall.ENOMEM}
	}
	// Affinity and lcore are the thread's: the shim must put them back where it found them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	mark := markLog()
	rc := int(C.fulcrum_eal_init(C.int(len(args)), argumentVector(args)))
	if rc == 0 {
		return nil
	}
	return &Error{
		Doing: "starting DPDK",
		Err:   errno(rc),
		Try:   "check the CPU numbers, the memory, and the further EAL arguments",
		Log:   mark.lines(),
	}
}

// argumentVector is a C argv, which is not to be freed.
func argumentVector(args []string) **C.char {
	vector := (**C.char)(C.calloc(C.size_t(len(args)+1), C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	for i, arg := range args {
		unsafe.Slice(vector, len(args))[i] = C.CString(arg)
	}
	return vector
}

// RegisterThread makes the calling thread an lcore, which gives it buffer caches of its own. The
// caller is locked to its thread, and pinned.
func (e *EAL) RegisterThread() error {
	mark := markLog()
	rc := int(C.fulcrum_thread_register())
	if rc == 0 {
		return nil
	}
	return &Error{
		Doing: "registering a worker's thread with DPDK",
		Err:   errno(rc),
		Try:   "use fewer workers: each takes one of DPDK's lcores (RTE_MAX_LCORE)",
		Log:   mark.lines(),
	}
}

// UnregisterThread undoes RegisterThread, on the same thread.
func (e *EAL) UnregisterThread() { C.rte_thread_unregister() }

// Notes are sentences about how DPDK runs that an operator may want to know.
func (e *EAL) Notes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.notes)
}

// Close closes the ports that are still open, stops DPDK and removes its runtime directory. No
// queue may be in use, and every packet is gone afterwards. Threads are unregistered before.
func (e *EAL) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true

	var failed []error
	for _, p := range slices.Clone(e.ports) {
		failed = append(failed, p.close())
	}
	e.noteMissingBuffers()
	if rc := C.rte_eal_cleanup(); rc != 0 {
		failed = append(failed, &Error{Doing: "stopping DPDK", Err: errno(int(rc))})
	}
	return errors.Join(append(failed, e.directory.remove())...)
}
