package dpdk

// Why this is sound: the argument vector passed to C is C memory and is never freed, because the
// EAL keeps pointers into it.

// #cgo pkg-config: libdpdk
// #cgo CFLAGS: -O3 -DALLOW_EXPERIMENTAL_API
// #include <stdlib.h>
// #include <rte_eal.h>
// #include <rte_lcore.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// started is true once this process has called rte_eal_init, which can be done only once.
var started atomic.Bool

// EAL is DPDK's environment abstraction layer, running. Its methods may be called from any
// goroutine, except RegisterThread and UnregisterThread.
type EAL struct {
	directory *runtimeDirectory
	ordinary  bool // DPDK's memory is on ordinary pages, which it takes as they are used

	mu     sync.Mutex // held during every control call; guards the fields below
	notes  []string
	ports  []*port
	pools  []*pool // pools of closed ports with buffers in use
	closed bool
	// prepared are the pools of ports that are to be opened, by PortConfig.Device.
	prepared map[string]*pool
}

// Start starts DPDK. A process can call it once, unless it failed before it reached DPDK. The
// calling thread keeps its CPU affinity.
func Start(c Config) (*EAL, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	has, err := effective()
	if err != nil {
		return nil, err
	}
	if err := requireRights(c.Devices, has); err != nil {
		return nil, err
	}
	total, err := totalMemory()
	if err != nil {
		return nil, err
	}
	memory, err := planMemory(c, total, func(bytes int64) error {
		return tryHugePages(os.DirFS(hugePagesDirectory), bytes)
	})
	if err != nil {
		return nil, err
	}
	if !started.CompareAndSwap(false, true) {
		return nil, &Error{
			Doing: "starting DPDK a second time in one process",
			Err:   syscall.EBUSY,
			Try:   "use a process for each director",
		}
	}
	directory, err := newRuntimeDirectory(runtimeParent())
	if err != nil {
		return nil, err
	}
	if err := initialise(c.arguments(directory.prefix(), memory)); err != nil {
		return nil, errors.Join(err, directory.remove())
	}
	return &EAL{prepared: map[string]*pool{}, directory: directory, ordinary: memory.ordinary, notes: []string{memory.note}}, nil
}

// initialise calls rte_eal_init and keeps its output from the terminal.
func initialise(args []string) error {
	if C.fulcrum_log_open() != 0 {
		return &Error{Doing: "opening a memory stream for DPDK's log", Err: syscall.ENOMEM}
	}
	// Affinity and lcore belong to the thread, and the shim must restore them on the same one.
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

// argumentVector returns a C argv, which must not be freed.
func argumentVector(args []string) **C.char {
	vector := (**C.char)(C.calloc(C.size_t(len(args)+1), C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	for i, arg := range args {
		unsafe.Slice(vector, len(args))[i] = C.CString(arg)
	}
	return vector
}

// RegisterThread makes the calling thread an lcore, which gives it its own buffer caches. The
// caller must be locked to its thread and pinned to a CPU.
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

// UnregisterThread undoes RegisterThread. It must be called on the same thread.
func (e *EAL) UnregisterThread() { C.rte_thread_unregister() }

// Notes returns sentences for the operator about how DPDK runs.
func (e *EAL) Notes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.notes)
}

// Close closes the ports that are still open, stops DPDK, and removes its runtime directory. All
// threads must be unregistered before, and no queue may be in use. No packet may be used
// afterwards.
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
	e.pools = slices.AppendSeq(e.pools, maps.Values(e.prepared))
	e.freePools()
	e.noteMissingBuffers()
	if rc := C.rte_eal_cleanup(); rc != 0 {
		failed = append(failed, &Error{Doing: "stopping DPDK", Err: errno(int(rc))})
	}
	return errors.Join(append(failed, e.directory.remove())...)
}
