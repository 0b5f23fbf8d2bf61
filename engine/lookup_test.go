package engine

import (
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

func TestLookupIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.OneOf(
			rapid.Map(rapid.Uint32Range(0, 300), func(v uint32) packet.Addr { return packet.AddrOf4(0x0a000000 + v) }),
			rapid.Map(rapid.Uint64Range(0, 300), func(v uint64) packet.Addr { return packet.Addr{Hi: 0xfd00 << 48, Lo: v} }),
			rapid.Custom(func(t *rapid.T) packet.Addr {
				return packet.Addr{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
			}),
		)
		key := rapid.Custom(func(t *rapid.T) lookupKey {
			if a := address.Draw(t, "address"); rapid.Bool().Draw(t, "alone") {
				return addressIndex(a)
			} else {
				return serviceIndex(a, rapid.Uint16().Draw(t, "port"), rapid.Uint8().Draw(t, "protocol"))
			}
		})
		entries := rapid.MapOf(key, rapid.Uint32()).Draw(t, "entries")
		l := newLookup(entries)
		for k, want := range entries {
			if got, ok := l.get(k); !ok || got != want {
				t.Fatalf("%v: %d, %v; want %d", k, got, ok, want)
			}
		}
		other := key.Draw(t, "other")
		if _, want := entries[other]; !want {
			if got, ok := l.get(other); ok {
				t.Fatalf("%v, which is not in the table: %d", other, got)
			}
		}
	})
}

func TestZeroAddressIsNobodys(t *testing.T) {
	b := newBed(t, oneArm, oneArm.settings())
	if _, ours := b.worker.snap.kindOf(packet.AddrOf4(0)); ours {
		t.Fatal("0.0.0.0 is said to be ours")
	}
}
