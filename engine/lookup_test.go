package engine

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

func TestLookupIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.OneOf(
			rapid.Map(rapid.Uint32Range(0, 300),
				func(v uint32) packet.Addr { return packet.AddrOf4(0x0a000000 + v) }),
			rapid.Map(rapid.Uint64Range(0, 300),
				func(v uint64) packet.Addr { return packet.Addr{Hi: 0xfd00 << 48, Lo: v} }),
			rapid.Custom(func(t *rapid.T) packet.Addr {
				return packet.Addr{Hi: rapid.Uint64().Draw(t, "hi"),
					Lo: rapid.Uint64().Draw(t, "lo")}
			}),
		)
		key := rapid.Custom(func(t *rapid.T) lookupKey {
			if a := address.Draw(t, "address"); rapid.Bool().Draw(t, "alone") {
				return addressKey(a)
			} else {
				return socketKey(a, rapid.Uint16().Draw(t, "port"),
					rapid.Uint8().Draw(t, "protocol"))
			}
		})
		var l lookup[uint32]
		model := map[lookupKey]uint32{}
		var before lookup[uint32]
		frozen := map[lookupKey]uint32{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), rapid.Uint32().Draw(t, "value")
				l = l.clone(1)
				l.set(k, v)
				model[k] = v
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				l = l.clone(0)
				l.remove(k)
				delete(model, k)
			},
			"publish": func(*rapid.T) { before, frozen = l, maps.Clone(model) },
			"": func(t *rapid.T) {
				l.same(t, model)
				before.same(t, frozen)
				other := key.Draw(t, "other")
				if _, want := model[other]; !want {
					if got, ok := l.get(other); ok {
						t.Fatalf("%v, which is not in the table: %d", other, got)
					}
				}
			},
		})
	})
}

// same compares a table with a map.
func (l *lookup[V]) same(t *rapid.T, want map[lookupKey]uint32) {
	if l.used != len(want) {
		t.Fatalf("%d keys, want %d", l.used, len(want))
	}
	for k, v := range want {
		if got, ok := l.get(k); !ok || any(got) != any(v) {
			t.Fatalf("%v: %v, %v; want %d", k, got, ok, v)
		}
	}
}

func TestZeroAddressIsNobodys(t *testing.T) {
	b := newBed(t, oneArm, oneArm.settings())
	if _, ours := b.worker.snap.kindOf(packet.AddrOf4(0)); ours {
		t.Fatal("0.0.0.0 is said to be ours")
	}
}
