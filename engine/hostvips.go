package engine

import "net/netip"

// SetHostVIPs tells which addresses host interfaces hold that are no port's own. Those that are
// VIPs are served as ever; what comes for their other ports is the host's. The engine keeps the
// list, which must not change any more. Any goroutine may call it.
func (e *Engine) SetHostVIPs(all []netip.Addr) { e.hostVIPs.Store(&all) }
