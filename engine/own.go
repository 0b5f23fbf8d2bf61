package engine

import (
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// Each part of the new snapshot is copied once, before its first change. more is the number of keys
// that may be added before the next call.

func (c *change) ownServices(more int) *lookup[*serviceEntry] {
	return ownLookup(c, &c.own.services, &c.new.services, more)
}

func (c *change) ownAddresses(more int) *lookup[addressKind] {
	return ownLookup(c, &c.own.addresses, &c.new.addresses, more)
}

func (c *change) ownEchoing(more int) *lookup[*echoGroup] {
	return ownLookup(c, &c.own.echoing, &c.new.echoing, more)
}

func (c *change) ownPassing(more int) *lookup[*serviceEntry] {
	return ownLookup(c, &c.own.passing, &c.new.passing, more)
}

func (c *change) ownClientEnds(more int) *lookup[struct{}] {
	return ownLookup(c, &c.own.clientEnds, &c.new.clientEnds, more)
}

func (c *change) ownLeaving(more int) *lookup[lvs.Owner] {
	return ownLookup(c, &c.own.leaving, &c.new.leaving, more)
}

func ownLookup[V any](c *change, own *bool, l *lookup[V], more int) *lookup[V] {
	c.changed = true
	if !*own || 2*(l.used+more) > len(l.keys) {
		*l, *own = l.clone(more), true
	}
	return l
}

func (c *change) ownOrder() *[]*serviceEntry {
	c.changed = true
	if !c.own.order {
		c.new.order, c.own.order = slices.Clone(c.new.order), true
	}
	return &c.new.order
}

// setServer stores the description of a real server.
func (c *change) setServer(id uint32, e serverEntry) {
	c.changed = true
	if !c.own.servers {
		c.new.servers, c.own.servers = slices.Clone(c.new.servers), true
	}
	for len(c.new.servers) <= int(id) {
		c.new.servers = append(c.new.servers, nil)
	}
	c.new.servers[id] = &e
}

// endKeys returns the keys of a real server's sockets in clientEnds. Port 0 stands for every port.
func endKeys(id lvs.RealServerID) []lookupKey {
	protocols := []lvs.Protocol{id.Service.Protocol}
	if id.Service.Mark != 0 {
		protocols = lvs.Protocols()
	}
	keys := make([]lookupKey, len(protocols))
	for i, p := range protocols {
		keys[i] = socketKey(packet.AddrOf(id.Address.Addr()), id.Address.Port(), uint8(p))
	}
	return keys
}

// endKey returns the key of a real server's socket. That of a mark has no protocol.
func endKey(id lvs.RealServerID) lookupKey {
	return socketKey(packet.AddrOf(id.Address.Addr()), id.Address.Port(), uint8(id.Service.Protocol))
}
