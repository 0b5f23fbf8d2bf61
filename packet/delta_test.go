package packet_test

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

func TestDeltaOfRFC1624Example(t *testing.T) {
	// RFC 1624, section 4: the equation of RFC 1141 gives 0xffff here.
	if got := packet.Delta(0).Change16(0x5555, 0x3285).Apply(0xdd2f); got != 0x0000 {
		t.Errorf("new checksum is %#04x; want 0x0000", got)
	}
}

func TestDeltaOfNothing(t *testing.T) {
	for c := range 1 << 16 {
		if got := packet.Delta(0).Apply(uint16(c)); got != uint16(c) {
			t.Fatalf("no change makes %#04x of %#04x", got, c)
		}
	}
}

func TestDeltaOfSameValue(t *testing.T) {
	for c := range 1 << 16 {
		want := uint16(c)
		if want == 0xffff {
			want = 0 // one's complement has two zeros
		}
		got := packet.Delta(0).Change16(0x1234, 0x1234).Change32(7, 7).Apply(uint16(c))
		if got != want {
			t.Fatalf("a field set to its own value makes %#04x of %#04x; want %#04x", got, c, want)
		}
	}
}

// TestDeltaIsRecomputation changes fields of random data. The checksum by difference must equal
// the one computed in full.
func TestDeltaIsRecomputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, "data", 8, 40)
		b[0] |= 1 // no real header sums to 0
		old := packet.Checksum(b)
		var d packet.Delta
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			d = change(t, b, d)
		}
		if naiveSum(b) == 0 {
			t.Skip("the sum of all zeros has no checksum by difference")
		}
		if got, want := d.Apply(old), packet.Checksum(b); got != want {
			t.Fatalf("by difference %#04x; in full %#04x", got, want)
		}
	})
}

// change sets one field at an even offset to a drawn value.
func change(t *rapid.T, b []byte, d packet.Delta) packet.Delta {
	at := 2 * rapid.IntRange(0, (len(b)-4)/2).Draw(t, "offset/2")
	if rapid.Bool().Draw(t, "32 bits") {
		v := cornered32().Draw(t, "value")
		d = d.Change32(binary.BigEndian.Uint32(b[at:]), v)
		binary.BigEndian.PutUint32(b[at:], v)
		return d
	}
	v := cornered16().Draw(t, "value")
	d = d.Change16(binary.BigEndian.Uint16(b[at:]), v)
	binary.BigEndian.PutUint16(b[at:], v)
	return d
}

// TestDeltaKeepsErrors checks that a checksum that is off by e stays off by e.
func TestDeltaKeepsErrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		right := rapid.Uint16Range(0, 0xfffe).Draw(t, "right checksum")
		wrong := rapid.Uint16Range(0, 0xfffe).Draw(t, "wrong checksum")
		d := packet.Delta(0).Change32(cornered32().Draw(t, "old"), cornered32().Draw(t, "new"))
		before := (uint32(wrong) + 0xffff - uint32(right)) % 0xffff
		after := (uint32(d.Apply(wrong)) + 0xffff - uint32(d.Apply(right))%0xffff) % 0xffff
		if before != after {
			t.Fatalf("off by %#x before and %#x after", before, after)
		}
	})
}
