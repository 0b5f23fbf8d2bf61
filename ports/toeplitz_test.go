package ports

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// microsoftKey and the flows below come from "Verifying the RSS Hash Calculation" in Microsoft's
// driver documentation.
var microsoftKey = []byte{
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
}

var microsoftFlows = []struct {
	dst, src         string
	addresses, ports uint32
}{
	{"161.142.100.80:1766", "66.9.149.187:2794", 0x323e8fc2, 0x51ccc178},
	{"65.69.140.83:4739", "199.92.111.2:14230", 0xd718262a, 0xc626b0ea},
	{"12.22.207.184:38024", "24.19.198.95:12898", 0xd2d0a5de, 0x5c2b394a},
	{"209.142.163.6:2217", "38.27.205.30:48228", 0x82989176, 0xafc7327f},
	{"202.188.127.2:1303", "153.39.163.191:44251", 0x5d1809c5, 0x10e828a2},
	{"[3ffe:2501:200:3::1]:1766", "[3ffe:2501:200:1fff::7]:2794", 0x2cc18cd5, 0x40207d3d},
	{"[ff02::1]:4739", "[3ffe:501:8::260:97ff:fe40:efab]:14230", 0x0f0c461c, 0xdde51bbf},
	{"[fe80::200:f8ff:fe21:67cf]:38024", "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", 0x4b61e985, 0x02d1feef},
}

func TestMicrosoftVectors(t *testing.T) {
	hash := newToeplitz(microsoftKey)
	for _, f := range microsoftFlows {
		dst, src := netip.MustParseAddrPort(f.dst), netip.MustParseAddrPort(f.src)
		if got := hash.of(src.Addr(), dst.Addr(), 0, 0); got != f.addresses {
			t.Errorf("%v to %v, addresses only: %#x; want %#x", src, dst, got, f.addresses)
		}
		if got := hash.of(src.Addr(), dst.Addr(), src.Port(), dst.Port()); got != f.ports {
			t.Errorf("%v to %v: %#x; want %#x", src, dst, got, f.ports)
		}
	}
}

func (t *Toeplitz) of(src, dst netip.Addr, srcPort, dstPort uint16) uint32 {
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		return t.Hash4(binary.BigEndian.Uint32(s[:]), binary.BigEndian.Uint32(d[:]), srcPort, dstPort)
	}
	s, d := src.As16(), dst.As16()
	return t.Hash6(&s, &d, srcPort, dstPort)
}

// bitByBit computes the hash by its definition, over input of any layout.
func bitByBit(key []byte, input ...any) uint32 {
	var bytes []byte
	for _, field := range input {
		bytes, _ = binary.Append(bytes, binary.BigEndian, field)
	}
	hash := uint32(0)
	for i := range 8 * len(bytes) {
		if bit(bytes, i) == 0 {
			continue
		}
		window := uint32(0)
		for j := range 32 {
			window = window<<1 | bit(key, i+j)
		}
		hash ^= window
	}
	return hash
}

func bit(b []byte, i int) uint32 { return uint32(b[i/8]>>(7-i%8)) & 1 }

// flow is one flow with addresses of both families.
type flow struct {
	src, dst         uint32
	src6, dst6       [16]byte
	srcPort, dstPort uint16
}

func drawFlow(t *rapid.T) flow {
	return flow{
		src: rapid.Uint32().Draw(t, "src"), dst: rapid.Uint32().Draw(t, "dst"),
		src6: drawAddress6(t, "src6"), dst6: drawAddress6(t, "dst6"),
		srcPort: rapid.Uint16().Draw(t, "srcPort"), dstPort: rapid.Uint16().Draw(t, "dstPort"),
	}
}

func drawAddress6(t *rapid.T, label string) [16]byte {
	return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

// TestToeplitzIsTheDefinition checks that the tables agree with the definition for random keys, in
// parts and as a whole.
func TestToeplitzIsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), LeastKey, 52).Draw(t, "key")
		h, f := newToeplitz(key), drawFlow(t)
		var none4 uint32
		var none6 [16]byte
		var none uint16
		for _, c := range []struct {
			name      string
			got, want uint32
		}{
			{"Hash4", h.Hash4(f.src, f.dst, f.srcPort, f.dstPort), bitByBit(key, f.src, f.dst, f.srcPort, f.dstPort)},
			{"Base4 and DstPort4", h.Base4(f.src, f.dst, f.srcPort) ^ h.DstPort4(f.dstPort), bitByBit(key, f.src, f.dst, f.srcPort, f.dstPort)},
			{"Source4", h.Source4(f.src, f.srcPort), bitByBit(key, f.src, none4, f.srcPort, none)},
			{"Destination4", h.Destination4(f.dst, f.dstPort), bitByBit(key, none4, f.dst, none, f.dstPort)},
			{"Hash6", h.Hash6(&f.src6, &f.dst6, f.srcPort, f.dstPort), bitByBit(key, f.src6, f.dst6, f.srcPort, f.dstPort)},
			{"Base6 and DstPort6", h.Base6(&f.src6, &f.dst6, f.srcPort) ^ h.DstPort6(f.dstPort), bitByBit(key, f.src6, f.dst6, f.srcPort, f.dstPort)},
			{"Source6", h.Source6(&f.src6, f.srcPort), bitByBit(key, f.src6, none6, f.srcPort, none)},
			{"Destination6", h.Destination6(&f.dst6, f.dstPort), bitByBit(key, none6, f.dst6, none, f.dstPort)},
		} {
			if c.got != c.want {
				t.Errorf("%s: %#x; want %#x", c.name, c.got, c.want)
			}
		}
	})
}

// TestOneEndInEitherLayout checks the key that devices are given: the source of a packet hashes
// like the destination of its answer. It must not matter whether the device leaves the other end
// out of the input or sets it to zero. The software must agree.
func TestOneEndInEitherLayout(t *testing.T) {
	key := SymmetricKey(LeastKey)
	h := newToeplitz(key)
	rapid.Check(t, func(t *rapid.T) {
		f := drawFlow(t)
		var none4 uint32
		var none6 [16]byte
		var none uint16
		same(t, "IPv4", h.Source4(f.src, f.srcPort), h.Destination4(f.src, f.srcPort),
			bitByBit(key, f.src, f.srcPort),
			bitByBit(key, f.src, none4, f.srcPort, none),
			bitByBit(key, none4, f.src, none, f.srcPort))
		same(t, "IPv6", h.Source6(&f.src6, f.srcPort), h.Destination6(&f.src6, f.srcPort),
			bitByBit(key, f.src6, f.srcPort),
			bitByBit(key, f.src6, none6, f.srcPort, none),
			bitByBit(key, none6, f.src6, none, f.srcPort))
		same(t, "both directions",
			h.Hash4(f.src, f.dst, f.srcPort, f.dstPort), h.Hash4(f.dst, f.src, f.dstPort, f.srcPort))
	})
}

func same(t *rapid.T, what string, hashes ...uint32) {
	for _, hash := range hashes {
		if hash != hashes[0] {
			t.Fatalf("%s: %#x differ", what, hashes)
		}
	}
}

func TestToeplitzAllocatesNothing(t *testing.T) {
	r := newRSS(t, RSSConfig{Key: microsoftKey, Table: []uint16{0, 1}, Types: AllHashTypes})
	var src, dst [16]byte
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		base := r.Base4(1, 2, 3)
		for port := range uint16(10) {
			sum += r.Queue(base ^ r.DstPort4(port))
		}
		sum += r.Queue(r.Hash6(&src, &dst, 5, 6))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkToeplitz(b *testing.B) {
	h := newToeplitz(microsoftKey)
	var hash uint32
	var src6, dst6 [16]byte
	b.Run("Hash4", func(b *testing.B) {
		for i := range uint32(b.N) {
			hash ^= h.Hash4(i*2654435761, 0x0a000064, uint16(i), 80)
		}
	})
	b.Run("DstPort4", func(b *testing.B) {
		for i := range uint32(b.N) {
			hash ^= h.DstPort4(uint16(i))
		}
	})
	b.Run("Hash6", func(b *testing.B) {
		for i := range uint32(b.N) {
			binary.BigEndian.PutUint32(src6[12:], i*2654435761)
			hash ^= h.Hash6(&src6, &dst6, uint16(i), 80)
		}
	})
	if hash == 1 {
		b.Log("keeps the hashes from being optimised away")
	}
}
