package ports

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

func newRSS(t testing.TB, c RSSConfig) *RSS {
	t.Helper()
	r, err := NewRSS(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRSSConfigValidate(t *testing.T) {
	key, table := SymmetricKey(LeastKey), []uint16{0}
	for name, c := range map[string]RSSConfig{
		"a short key":               {Key: key[1:], Table: table},
		"no table":                  {Key: key},
		"no such spread":            {Key: key, Table: table, Spread: SpreadDestination + 1},
		"one end, a key that mixes": {Key: microsoftKey, Table: table, Spread: SpreadSource},
	} {
		if _, err := NewRSS(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, c := range map[string]RSSConfig{
		"a long key":    {Key: SymmetricKey(52), Table: table, Spread: SpreadDestination},
		"any key":       {Key: microsoftKey, Table: table},
		"symmetric key": {Key: key, Table: table, Spread: SpreadSource},
	} {
		if _, err := NewRSS(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRSSKeepsItsConfig checks that an RSS shares no slice with its caller.
func TestRSSKeepsItsConfig(t *testing.T) {
	c := RSSConfig{
		Key: SymmetricKey(52), Table: []uint16{0, 1, 2}, Spread: SpreadSource, Types: AllHashTypes,
	}
	r := newRSS(t, c)
	c.Key[0], c.Table[0] = 1, 9
	got := r.Config()
	got.Key[1], got.Table[1] = 1, 9
	got = r.Config()
	if !bytes.Equal(got.Key, SymmetricKey(52)) || !slices.Equal(got.Table, []uint16{0, 1, 2}) ||
		got.Types != AllHashTypes || r.Spread() != SpreadSource {
		t.Errorf("%+v", got)
	}
	if r.Queue(4) != 1 {
		t.Errorf("hash 4 reaches queue %d", r.Queue(4))
	}
}

func TestAgrees(t *testing.T) {
	key, table := SymmetricKey(LeastKey), []uint16{0, 1}
	r := newRSS(t, RSSConfig{Key: key, Table: table, Spread: SpreadSource})
	for name, c := range map[string]struct {
		RSSConfig
		want bool
	}{
		"other end, longer key": {RSSConfig{Key: SymmetricKey(52), Table: table, Spread: SpreadDestination}, true},
		"other table":           {RSSConfig{Key: key, Table: []uint16{1, 0}}, false},
		"longer table":          {RSSConfig{Key: key, Table: []uint16{0, 1, 0}}, false},
		"other key":             {RSSConfig{Key: microsoftKey, Table: table}, false},
	} {
		if got := r.Agrees(newRSS(t, c.RSSConfig)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestFlowFollowsTypesAndSpread checks that only the fields that a device hashes change the hash.
func TestFlowFollowsTypesAndSpread(t *testing.T) {
	types := HashTypes{
		TCP4: HashedPorts, UDP4: HashedAddresses,
		TCP6: HashedPorts, UDP6: HashedAddresses, Other6: HashedAddresses,
	}
	for _, c := range []struct {
		name                           string
		protocol                       uint8
		spread                         Spread
		src, dst, srcPort, dstPort     bool // is in the hash
		src6, dst6, srcPort6, dstPort6 bool
	}{
		{"TCP", packet.ProtocolTCP, SpreadFlow, true, true, true, true, true, true, true, true},
		{"TCP by source", packet.ProtocolTCP, SpreadSource, true, false, true, false, true, false, true, false},
		{"TCP by destination", packet.ProtocolTCP, SpreadDestination, false, true, false, true, false, true, false, true},
		{"UDP", packet.ProtocolUDP, SpreadFlow, true, true, false, false, true, true, false, false},
		{"UDP by source", packet.ProtocolUDP, SpreadSource, true, false, false, false, true, false, false, false},
		{"ICMP", packet.ProtocolICMP, SpreadFlow, false, false, false, false, true, true, false, false},
	} {
		r := newRSS(t, RSSConfig{
			Key: SymmetricKey(LeastKey), Table: []uint16{0}, Spread: c.spread, Types: types,
		})
		flow := packet.Flow4{Src: 1, Dst: 2, SrcPort: 3, DstPort: 4}
		base := packet.Key4{Flow4: flow, Protocol: c.protocol}
		changed := func(change func(*packet.Key4)) bool {
			k := base
			change(&k)
			return r.Flow4(&k) != r.Flow4(&base)
		}
		if changed(func(k *packet.Key4) { k.Src++ }) != c.src ||
			changed(func(k *packet.Key4) { k.Dst++ }) != c.dst ||
			changed(func(k *packet.Key4) { k.SrcPort++ }) != c.srcPort ||
			changed(func(k *packet.Key4) { k.DstPort++ }) != c.dstPort {
			t.Errorf("%s over IPv4: other fields are in the hash", c.name)
		}
		src, dst := [16]byte{15: 1}, [16]byte{15: 2}
		hash := r.Flow6(c.protocol, &src, &dst, 3, 4)
		other := [16]byte{15: 5}
		if hash != r.Flow6(c.protocol, &other, &dst, 3, 4) != c.src6 ||
			hash != r.Flow6(c.protocol, &src, &other, 3, 4) != c.dst6 ||
			hash != r.Flow6(c.protocol, &src, &dst, 5, 4) != c.srcPort6 ||
			hash != r.Flow6(c.protocol, &src, &dst, 3, 5) != c.dstPort6 {
			t.Errorf("%s over IPv6: other fields are in the hash", c.name)
		}
		if r.HasDstPort4(c.protocol) != c.dstPort || r.HasDstPort6(c.protocol) != c.dstPort6 {
			t.Errorf("%s: HasDstPort %v, %v", c.name, r.HasDstPort4(c.protocol), r.HasDstPort6(c.protocol))
		}
	}
}

// TestFlowIsLinearInTheDestinationPort checks the linearity that the search for local ports needs,
// for every spread.
func TestFlowIsLinearInTheDestinationPort(t *testing.T) {
	for _, spread := range []Spread{SpreadFlow, SpreadDestination} {
		r := newRSS(t, RSSConfig{
			Key: SymmetricKey(LeastKey), Table: []uint16{0}, Spread: spread, Types: AllHashTypes,
		})
		rapid.Check(t, func(t *rapid.T) {
			f := drawFlow(t)
			flow := packet.Flow4{Src: f.src, Dst: f.dst, SrcPort: f.srcPort}
			k := packet.Key4{Flow4: flow, Protocol: packet.ProtocolTCP}
			base := r.Flow4(&k) ^ r.DstPort4(f.dstPort)
			base6 := r.Flow6(packet.ProtocolTCP, &f.src6, &f.dst6, f.srcPort, 0) ^ r.DstPort6(f.dstPort)
			k.DstPort = f.dstPort
			if base != r.Flow4(&k) ||
				base6 != r.Flow6(packet.ProtocolTCP, &f.src6, &f.dst6, f.srcPort, f.dstPort) {
				t.Errorf("%v: the destination port does not add up", spread)
			}
		})
	}
}
