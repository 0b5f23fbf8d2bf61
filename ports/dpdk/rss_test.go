package dpdk

import (
	"bytes"
	"testing"

	"fulcrum/ports"
)

// net_null keeps its RSS settings like a NIC, but receives the same packets on every queue.
func TestRSSIsReadBack(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null0", Queues: 3})
	rss := p.RSS()
	if rss == nil || p.Queues() != 3 {
		t.Fatalf("%d queues, no RSS; notes: %q", p.Queues(), p.Notes())
	}
	c := rss.Config()
	if !bytes.Equal(c.Key, ports.SymmetricKey(40)) || c.Types != ports.AllHashTypes ||
		c.Spread != ports.SpreadFlow {
		t.Errorf("%+v", c)
	}
	if len(c.Table) != 128 {
		t.Errorf("a table of %d entries", len(c.Table))
	}
	for i, queue := range c.Table {
		if int(queue) != i%3 {
			t.Errorf("entry %d is queue %d", i, queue)
		}
	}
	if len(p.Notes()) != 0 {
		t.Errorf("notes: %q", p.Notes())
	}
}

// net_null does not support RSS by source only.
func TestSpreadThatTheDeviceLacks(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null0", Queues: 2, Spread: ports.SpreadSource})
	if p.RSS() == nil || p.RSS().Spread() != ports.SpreadFlow {
		t.Errorf("RSS is %+v", p.RSS())
	}
	wantNote(t, p, "net_null0 cannot spread packets by source only")
}

func TestOneQueueHasNoRSS(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null0", Spread: ports.SpreadSource})
	if p.Queues() != 1 || p.RSS() != nil || len(p.Notes()) != 0 {
		t.Errorf("%d queues, RSS %v, notes %q", p.Queues(), p.RSS(), p.Notes())
	}
}

func TestHashTypes(t *testing.T) {
	const addresses, withPorts, nothing = ports.HashedAddresses, ports.HashedPorts, ports.HashedNothing
	onlyAddresses := ports.HashTypes{
		TCP4: addresses, UDP4: addresses, Other4: addresses, TCP6: addresses, UDP6: addresses, Other6: addresses,
	}
	for name, c := range map[string]struct {
		types uint64
		want  ports.HashTypes
	}{
		"everything":       {wantedHash, ports.AllHashTypes},
		"nothing":          {0, ports.HashTypes{}},
		"addresses only":   {hashIPv4 | hashIPv6, onlyAddresses},
		"IPv4 without UDP": {hashIPv4 | hashTCP4, ports.HashTypes{TCP4: withPorts, UDP4: addresses, Other4: addresses}},
		"no general type":  {hashTCP4 | hashRest4 | hashUDP6, ports.HashTypes{TCP4: withPorts, UDP4: nothing, Other4: addresses, UDP6: withPorts}},
	} {
		if got := hashTypesOf(c.types); got != c.want {
			t.Errorf("%s: %+v; want %+v", name, got, c.want)
		}
	}
	for types, want := range map[uint64]ports.Spread{
		wantedHash: ports.SpreadFlow, wantedHash | sourceOnly: ports.SpreadSource, wantedHash | destinationOnly: ports.SpreadDestination,
	} {
		if got := spreadOf(types); got != want {
			t.Errorf("%#x: %v; want %v", types, got, want)
		}
	}
}
