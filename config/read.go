package config

import "net/netip"

// draft is a Config before its checks. Every element of the file has its counterpart at the same
// index, so that the checker can name places by index. A value that could not be read is zero,
// and a mode is lvs.NoMode.
type draft struct {
	Config
	locals [][][]netip.Addr // by service and entry of local_addresses

	// The names of ports in the file, by route and neighbour; empty if none is given.
	routePorts, neighbourPorts []string
}

// read turns the decoded file into a draft.
func read(doc *document, entries map[string]any, cpus cpuSets) *draft {
	t := newTable(value{doc: doc, at: root, raw: entries})
	d := &draft{Config: Config{
		File:     doc.name,
		Director: readDirector(t.table("director"), cpus),
		Control:  readControl(t.table("control")),
		DPDK:     readDPDK(t.table("dpdk")),
		Metrics:  readMetrics(t.table("metrics")),
	}}
	ports := t.tables("port")
	port := t.child("port")
	if list, isList := port.elements(); len(list) == 0 && (isList || !port.given()) {
		t.missing("port", "give the director at least one [[port]]")
	}
	d.Ports = each(ports, readPort)
	d.Routes, d.routePorts = eachWithPort(t.tables("route"), readRoute)
	d.Neighbours, d.neighbourPorts = eachWithPort(t.tables("neighbour"), readNeighbour)
	d.Marks = each(t.tables("mark"), readMark)
	d.Session = readSession(t.table("session"))
	for _, service := range t.tables("service") {
		s, locals := readService(service)
		d.Services = append(d.Services, s)
		d.locals = append(d.locals, locals)
	}
	t.done()
	return d
}

// each reads every table of an array.
func each[T any](tables []*table, read func(*table) T) []T {
	var results []T
	for _, t := range tables {
		results = append(results, read(t))
	}
	return results
}

// eachWithPort is each for tables that may name a port.
func eachWithPort[T any](tables []*table, read func(*table) (T, string)) (all []T, ports []string) {
	for _, t := range tables {
		entry, port := read(t)
		all, ports = append(all, entry), append(ports, port)
	}
	return all, ports
}

// finish returns the Config of a draft that has passed its checks.
func (d *draft) finish() *Config {
	for i := range d.Services {
		d.Services[i].LocalAddresses = distinct(d.locals[i])
	}
	if d.Session.MaxV6 == unsetMaxV6 {
		d.Session.MaxV6 = d.sessionsV6()
	}
	return &d.Config
}

// distinct joins lists of addresses without duplicates.
func distinct(lists [][]netip.Addr) []netip.Addr {
	var addresses []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, list := range lists {
		for _, a := range list {
			if !seen[a] {
				addresses = append(addresses, a)
			}
			seen[a] = true
		}
	}
	return addresses
}
