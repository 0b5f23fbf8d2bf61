package config

import (
	"errors"
	"net/netip"
	"strings"
)

// maxLocalAddresses bounds a service's local addresses. Each gives 64k ports per real server, so a
// larger number is a typing error.
const maxLocalAddresses = 4096

// The remedies for a malformed entry of local_addresses, and for a malformed list of them.
const (
	localForm = `write an address "10.1.0.50", a range "10.1.0.50-10.1.0.53" ` +
		`or a subnet "10.1.0.48/28"`
	localListForm = `write a list such as ["10.1.0.50-10.1.0.53", "10.1.0.96/28"]`
)

var errRange = errors.New("want first-last: one IP version, in ascending order")

// localRange expands one entry of local_addresses into at most limit addresses.
func (v value) localRange(limit int) []netip.Addr {
	text, ok := as[string](v, "a string", localForm)
	if !ok {
		return nil
	}
	next, ok := v.sequence(text)
	if !ok {
		return nil
	}
	var addresses []netip.Addr
	for a := range next {
		if len(addresses) == limit {
			v.reportf("give fewer addresses",
				"exceeds the limit of %d local addresses of a service", maxLocalAddresses)
			return nil
		}
		addresses = append(addresses, a)
	}
	return addresses
}

// sequence iterates over the addresses of an entry. It makes no list, since there may be very many.
func (v value) sequence(text string) (func(func(netip.Addr) bool), bool) {
	switch {
	case strings.Contains(text, "/"):
		subnet := v.subnet()
		ok := subnet.IsValid() && v.unicastSubnet(subnet)
		return hosts(subnet), ok
	case strings.Contains(text, "-"):
		ends, ok := parsed(v, parseRange, "address range", localForm)
		return between(ends), ok && v.unicast(ends[0]) && v.unicast(ends[1])
	default:
		a, ok := parsed(v, netip.ParseAddr, "address, range or subnet", localForm)
		return between([2]netip.Addr{a, a}), ok && v.unicast(a)
	}
}

// unicastSubnet reports a subnet that begins with addresses that no host can have.
func (v value) unicastSubnet(subnet netip.Prefix) bool {
	a := subnet.Addr()
	if a.IsMulticast() || a.IsLoopback() || a.IsUnspecified() {
		v.reportf(`use a unicast subnet, such as "10.2.0.0/16"`, "%s is not a unicast subnet", subnet)
		return false
	}
	return true
}

// parseRange parses first-last.
func parseRange(text string) (ends [2]netip.Addr, err error) {
	first, last, _ := strings.Cut(text, "-")
	for i, end := range []string{first, last} {
		if ends[i], err = netip.ParseAddr(strings.TrimSpace(end)); err != nil {
			return ends, err
		}
	}
	if ends[0].BitLen() != ends[1].BitLen() || ends[1].Less(ends[0]) {
		return ends, errRange
	}
	return ends, nil
}

// between iterates over the addresses of a range, both ends included.
func between(ends [2]netip.Addr) func(func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for a := ends[0]; a.IsValid() && !ends[1].Less(a) && yield(a); {
			a = a.Next()
		}
	}
}

// hosts iterates over the addresses of a subnet that hosts may have.
func hosts(subnet netip.Prefix) func(func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for a := subnet.Addr(); subnet.Contains(a); a = a.Next() {
			if isHost(subnet, a) && !yield(a) {
				return
			}
		}
	}
}

// ParseLocalAddresses expands entries of local_addresses in the file's notation: addresses,
// ranges and subnets. The result is in the order of the entries, without duplicates. Its error is
// always of type Problems.
func ParseLocalAddresses(entries []string) ([]netip.Addr, error) {
	doc := &document{name: "request"}
	list := make([]any, len(entries))
	for i, e := range entries {
		list[i] = e
	}
	addresses := distinct(value{doc: doc, key: "service.local_addresses", raw: list}.localEntries())
	if len(doc.problems) > 0 {
		return nil, doc.problems
	}
	return addresses, nil
}
