package engine

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLookupIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.Uint64Range(1, 40), rapid.Uint64Range(1, 1<<63), rapid.Map(rapid.Uint32Range(0, 300), func(v uint32) uint64 {
			return serviceIndex(0x0a000000+v, 80, 6)
		}))
		entries := rapid.MapOf(key, rapid.Uint32()).Draw(t, "entries")
		l := newLookup(entries)
		for k, want := range entries {
			if got, ok := l.get(k); !ok || got != want {
				t.Fatalf("%#x: %d, %v; want %d", k, got, ok, want)
			}
		}
		other := key.Draw(t, "other")
		if _, want := entries[other]; !want {
			if got, ok := l.get(other); ok {
				t.Fatalf("%#x, which is not in the table: %d", other, got)
			}
		}
	})
}

func TestZeroAddressIsNobodys(t *testing.T) {
	b := newBed(t, oneArm, oneArm.settings())
	if _, ours := b.worker.snap.kindOf(0); ours {
		t.Fatal("0.0.0.0 is said to be ours")
	}
}
