package config

import "net/netip"

func readMetrics(t *table) Metrics {
	defer t.done()
	return Metrics{Listen: t.get("listen").listener()}
}

// listener gives where a server of the host's own listens: loopback and the unspecified address are good too.
func (v value) listener() netip.AddrPort {
	s, ok := parsed(v, netip.ParseAddrPort, "an address with a port", `write an address with a port, such as "127.0.0.1:9107"`)
	if !ok || !v.plain(s.Addr()) {
		return netip.AddrPort{}
	}
	if s.Port() == 0 {
		v.report("port 0 would be another one at each start", "write a port from 1 to 65535")
		return netip.AddrPort{}
	}
	return s
}
