package packet_test

import (
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// TestHashOfEitherForm: an IPv4 key has one hash, and one narrow form, whichever form it comes in.
func TestHashOfEitherForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k packet.Key4
		k.Src, k.Dst = rapid.Uint32().Draw(t, "src"), rapid.Uint32().Draw(t, "dst")
		k.SrcPort, k.DstPort = rapid.Uint16().Draw(t, "src port"), rapid.Uint16().Draw(t, "dst port")
		k.Protocol = rapid.Uint8().Draw(t, "protocol")
		h := packet.NewHasher(rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b"))
		var wide packet.Key
		k.WriteWide(&wide)
		if wide != k.Wide() || h.HashNarrow(&wide) != h.Hash4(&k) {
			t.Fatalf("%+v becomes %+v", k, wide)
		}
		var narrow packet.Flow4
		if wide.WriteNarrow4(&narrow); narrow != k.Flow4 {
			t.Fatalf("%+v becomes %+v", k.Flow4, narrow)
		}
	})
}
