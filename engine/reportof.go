package engine

import "fulcrum/lvs"

// ReportOf reports one service, without looking at others. ok is false if it is not configured.
// Announced is not set. Any goroutine may call it at any time.
func (e *Engine) ReportOf(id lvs.ServiceID) (r ServiceReport, ok bool) {
	e.registry.mu.RLock()
	live := e.registry.services[id]
	e.registry.mu.RUnlock()
	if live == nil {
		return r, false
	}
	r, ok = e.reportService(live)
	e.keepCountersOf(live)
	return r, ok
}
