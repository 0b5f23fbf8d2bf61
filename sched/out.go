package sched

import "slices"

// LeaveOut notes the real servers of the service that are down, and that the pool therefore does
// not have. Call it before Publish. The pool keeps the slice.
func (p *Pool) LeaveOut(down []*Load) { p.out = down }

// LeavesOut reports whether the real server with a load is down.
func (p *Pool) LeavesOut(load *Load) bool { return len(p.out) > 0 && slices.Contains(p.out, load) }
