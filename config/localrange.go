package config

import (
	"errors"
	"net/netip"
	"strings"
)

// maxLocalAddresses bounds a service's local addresses: each gives 64k ports per real server, so that more of them are a
// typing error.
const maxLocalAddresses = 4096

const localForm = `write an address "10.1.0.50", a range "10.1.0.50-10.1.0.53" or a subnet "10.1.0.48/28"`

var errRange = errors.New("want first-last, of one family, in order")

// localRange expands one entry of local_addresses into at most room addresses.
func (v value) localRange(room int) []netip.Addr {
	text, ok := as[string](v, "an address", localForm)
	if !ok {
		return nil
	}
	next, ok := v.sequence(text)
	if !ok {
		return nil
	}
	var addresses []netip.Addr
	for a := range next {
		if len(addresses) == room {
			v.reportf("give fewer", "more than %d local addresses with this one", maxLocalAddresses)
			return nil
		}
		addresses = append(addresses, a)
	}
	return addresses
}

// sequence gives the addresses an entry stands for, one by one, as it may stand for many.
func (v value) sequence(text string) (func(func(netip.Addr) bool), bool) {
	switch {
	case strings.Contains(text, "/"):
		subnet := v.subnet()
		ok := subnet.IsValid() && v.unicastSubnet(subnet)
		return hosts(subnet), ok
	case strings.Contains(text, "-"):
		ends, ok := parsed(v, parseRange, "a range of addresses", localForm)
		return between(ends), ok && v.unicast(ends[0]) && v.unicast(ends[1])
	default:
		a, ok := parsed(v, netip.ParseAddr, "an address, a range or a subnet", localForm)
		return between([2]netip.Addr{a, a}), ok && v.unicast(a)
	}
}

// unicastSubnet reports a subnet that begins with addresses no host can have.
func (v value) unicastSubnet(subnet netip.Prefix) bool {
	a := subnet.Addr()
	if a.IsMulticast() || a.IsLoopback() || a.IsUnspecified() {
		v.reportf("use a subnet of unicast addresses", "%s has others, too", subnet)
		return false
	}
	return true
}

// parseRange reads first-last.
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

// between goes through the addresses of a range, both ends included.
func between(ends [2]netip.Addr) func(func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for a := ends[0]; a.IsValid() && !ends[1].Less(a) && yield(a); {
			a = a.Next()
		}
	}
}

// hosts goes through the addresses of a subnet that hosts may have.
func hosts(subnet netip.Prefix) func(func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for a := subnet.Addr(); subnet.Contains(a); a = a.Next() {
			if isHost(subnet, a) && !yield(a) {
				return
			}
		}
	}
}

// ParseLocalAddresses expands entries of local_addresses as the file has them. Its error is always of type Problems.
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
