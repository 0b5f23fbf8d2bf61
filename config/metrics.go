package config

import "net/netip"

func readMetrics(t *table) Metrics {
	defer t.done()
	return Metrics{Listen: t.get("listen").listener()}
}

// listener returns the address and port on which a server of the director listens. It accepts
// loopback and the unspecified address too.
func (v value) listener() netip.AddrPort {
	s, ok := parsed(v, netip.ParseAddrPort, "address with port",
		`write an address with a port, such as "127.0.0.1:9107"`)
	if !ok || !v.plain(s.Addr()) {
		return netip.AddrPort{}
	}
	if s.Port() == 0 {
		v.report("invalid port 0: it means a different port at every start",
			"write a port from 1 to 65535")
		return netip.AddrPort{}
	}
	return s
}
