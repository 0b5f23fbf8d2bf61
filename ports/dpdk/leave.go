package dpdk

// Why this is sound: C writes the results into a Go array without Go pointers, and all its threads
// end before the call returns.

// #include "shim.h"
import "C"

import (
	"errors"
	"os"
	"sync"
)

// Leave closes ports that another process goes on with: their interfaces keep MTU and flags. The
// kernel lets each wait for its own sake, so all are closed at once. Buffers are not given back.
// No queue may be in use. Ports of another EAL, and closed ones, are an error.
func (e *EAL) Leave(all ...Port) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var leaving []*port
	for _, one := range all {
		p, ok := one.(*port)
		if !ok || p.eal != e || !p.started {
			return &Error{Doing: "leaving port " + one.Name(), Err: os.ErrClosed}
		}
		leaving = append(leaving, p)
	}
	failed := releaseAll(leaving)
	for _, p := range leaving {
		failed = append(failed, p.close())
	}
	return errors.Join(failed...)
}

// releaseAll stops the devices and closes them.
func releaseAll(all []*port) (failed []error) {
	if len(all) == 0 {
		return nil
	}
	for _, p := range all {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	closings := make([]C.struct_fulcrum_closing, len(all))
	for i, p := range all {
		closings[i].port = p.id
	}
	C.fulcrum_eth_close_all(&closings[0], C.size_t(len(closings)))
	var sockets sync.WaitGroup
	for i, p := range all {
		p.leaves, p.started, p.released = true, false, true
		if rc := closings[i].stopped; rc != 0 {
			failed = append(failed, p.fail("stopping the device", rc, ""))
		}
		if rc := closings[i].closed; rc != 0 {
			failed = append(failed, p.fail("closing the device", rc, ""))
		}
		sockets.Go(p.sockets.closeLeft)
	}
	sockets.Wait()
	return failed
}
