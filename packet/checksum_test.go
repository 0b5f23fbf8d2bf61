package packet_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

func TestSumOfRFC1071Example(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7} // RFC 1071, section 3
	if got := packet.Fold(packet.Sum(b, 0)); got != 0xddf2 {
		t.Errorf("sum is %#04x; want 0xddf2", got)
	}
	if got := packet.Checksum(b); got != 0x220d {
		t.Errorf("checksum is %#04x; want 0x220d", got)
	}
}

func TestChecksumOfKnownHeader(t *testing.T) {
	// The example of Wikipedia's article "Internet checksum".
	h := []byte{
		0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11,
		0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7,
	}
	if got := packet.Checksum(h); got != 0xb861 {
		t.Errorf("checksum is %#04x; want 0xb861", got)
	}
}

func TestSumCarries(t *testing.T) {
	for _, c := range []struct {
		name    string
		b       []byte
		initial uint64
		want    uint16
	}{
		{"nothing", nil, 0, 0},
		{"one byte is a high half", []byte{0xab}, 0, 0xab00},
		{"all ones", bytes.Repeat([]byte{0xff}, 64), 0, 0xffff},
		{"all ones, odd", bytes.Repeat([]byte{0xff}, 63), 0, 0xff00},
		{"largest initial sum and nothing", nil, 1<<64 - 1, 0xffff},
		{"largest initial sum and one", []byte{0, 1}, 1<<64 - 1, 1},
		{"carry out of every addition", bytes.Repeat([]byte{0xff}, 24), 1<<64 - 1, 0xffff},
		{"carry that carries again", append(bytes.Repeat([]byte{0xff}, 8), 0, 1), 1, 2},
	} {
		if got := packet.Fold(packet.Sum(c.b, c.initial)); got != c.want {
			t.Errorf("%s: %#04x; want %#04x", c.name, got, c.want)
		}
	}
}

func TestFoldIsRemainder(t *testing.T) {
	// The first value carries in every fold.
	edges := rapid.SampledFrom([]uint64{
		0xffffffff_ffff0001, 1<<64 - 1, 1<<32 - 1, 0xffff_ffff_0000_ffff, 0x10000, 0xffff, 0,
	})
	rapid.Check(t, func(t *rapid.T) {
		large, small := rapid.Uint64Min(1<<64-70000), rapid.Uint64Max(1<<18)
		v := rapid.OneOf(rapid.Uint64(), large, small, edges).Draw(t, "sum")
		got := packet.Fold(v)
		if uint64(got)%0xffff != v%0xffff || (got == 0) != (v == 0) {
			t.Fatalf("Fold(%#x) = %#x", v, got)
		}
	})
}

func TestSumIsNaiveSum(t *testing.T) {
	content := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 0xff}))
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(content, 0, 200).Draw(t, "bytes")
		if got, want := packet.Fold(packet.Sum(b, 0)), naiveSum(b); got != want {
			t.Fatalf("sum of %x is %#04x; want %#04x", b, got, want)
		}
	})
}

func TestSumOfPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(t, "bytes", 0, 100)
		cut := 2 * rapid.IntRange(0, len(b)/2).Draw(t, "even cut")
		sum := packet.Sum(b[cut:], packet.Sum(b[:cut], 0))
		if got, want := packet.Fold(sum), naiveSum(b); got != want {
			t.Fatalf("sum in pieces is %#04x; want %#04x", got, want)
		}
	})
}

func TestPseudoHeader4(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst := cornered32().Draw(t, "source"), cornered32().Draw(t, "destination")
		protocol, length := rapid.Byte().Draw(t, "protocol"), rapid.Uint16().Draw(t, "length")
		b := binary.BigEndian.AppendUint32(nil, src)
		b = binary.BigEndian.AppendUint32(b, dst)
		b = append(b, 0, protocol)
		b = binary.BigEndian.AppendUint16(b, length)
		if got := packet.Fold(packet.PseudoHeader4(src, dst, protocol, int(length))); got != naiveSum(b) {
			t.Fatalf("sum of %x is %#04x; want %#04x", b, got, naiveSum(b))
		}
	})
}
