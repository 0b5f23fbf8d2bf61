package conntrack

import (
	"fmt"
	"math"
	"testing"

	"fulcrum/packet"
)

const (
	hashedKeys  = 400_000
	hashBuckets = 100_003
)

// A pattern is an order in which the keys of real traffic follow one another.
type pattern func(h packet.Hasher, i uint32) uint64

func of4(key func(i uint32) Key4) pattern {
	return func(h packet.Hasher, i uint32) uint64 {
		k := key(i)
		return h.Hash4(&k)
	}
}

func of6(key func(i uint64) Key) pattern {
	return func(h packet.Hasher, i uint32) uint64 {
		k := key(uint64(i))
		return h.Hash(&k)
	}
}

// patterns has the patterns by name.
var patterns = map[string]pattern{
	"sequential addresses": of4(func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: 0x0a000000 + i, Dst: testVIP, SrcPort: 40000, DstPort: 80},
			Protocol: packet.ProtocolTCP}
	}),
	"sequential ports": of4(func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: 0x0a000000 + i/60000, Dst: testVIP,
			SrcPort: uint16(1024 + i%60000), DstPort: 80}, Protocol: packet.ProtocolTCP}
	}),
	"answers to one local address": of4(func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: testServer, Dst: testVIP + i/60000, SrcPort: 8080,
			DstPort: uint16(1024 + i%60000)}, Protocol: packet.ProtocolTCP}
	}),
	"addresses in steps of 2^16": of4(func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: i << 16, Dst: testVIP, SrcPort: uint16(i >> 16), DstPort: 53},
			Protocol: packet.ProtocolUDP}
	}),
	"source and destination count together": of4(func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: 0x0a000000 + i, Dst: 0x0b000000 + i, SrcPort: uint16(i),
			DstPort: uint16(i)}, Protocol: packet.ProtocolUDP}
	}),
	"sequential IPv6 addresses": of6(func(i uint64) Key {
		return Key{Flow: Flow{Src: packet.Addr{Hi: 0x20010db8 << 32, Lo: i}, Dst: testVIP6,
			SrcPort: 40000, DstPort: 80}, Protocol: packet.ProtocolTCP}
	}),
	"sequential IPv6 networks": of6(func(i uint64) Key {
		return Key{Flow: Flow{Src: packet.Addr{Hi: 0x20010db8<<32 + i<<8, Lo: 1}, Dst: testVIP6,
			SrcPort: 40000, DstPort: 80}, Protocol: packet.ProtocolTCP}
	}),
	"sequential ports of IPv6": of6(func(i uint64) Key {
		return Key{Flow: Flow{Src: packet.Addr{Hi: 0x20010db8 << 32, Lo: i / 60000}, Dst: testVIP6,
			SrcPort: uint16(1024 + i%60000), DstPort: 80}, Protocol: packet.ProtocolTCP}
	}),
	"all of IPv6 counts together": of6(func(i uint64) Key {
		a := packet.Addr{Hi: i, Lo: i}
		return Key{Flow: Flow{Src: a, Dst: a, SrcPort: uint16(i), DstPort: uint16(i)},
			Protocol: packet.ProtocolUDP}
	}),
}

// hashers have fixed seeds, as tests use them, and random ones.
var hashers = []packet.Hasher{newHasher(1), newHasher(0x5eed),
	packet.NewHasher(0x9f86d081884c7d65, 0x2c26b46b68ffc68f),
	packet.NewHasher(0x0123456789abcdef, 0xfedcba9876543210)}

func TestBucketsAreFilledByChance(t *testing.T) {
	x := index{buckets: make([]bucket, hashBuckets)}
	forEachHashing(t, func(t *testing.T, h packet.Hasher, hash pattern) {
		counts := make([]int, hashBuckets)
		for i := range uint32(hashedKeys) {
			counts[x.home(hash(h, i))]++
		}
		mean, squares := float64(hashedKeys)/hashBuckets, 0.0
		for _, n := range counts {
			squares += (float64(n) - mean) * (float64(n) - mean)
		}
		// A Poisson distribution's variance is its mean; the ratio spreads by sqrt(2/buckets).
		ratio, spread := squares/hashBuckets/mean, math.Sqrt(2.0/hashBuckets)
		if math.Abs(ratio-1) > 6*spread {
			t.Errorf("variance/mean of the buckets' occupancy is %.4f; want 1 +- %.4f", ratio, 6*spread)
		}
	})
}

// TestTagsAreIndependentOfBuckets: among keys of one bucket, two tags are equal once in 65536.
func TestTagsAreIndependentOfBuckets(t *testing.T) {
	x := index{buckets: make([]bucket, hashBuckets)}
	forEachHashing(t, func(t *testing.T, h packet.Hasher, hash pattern) {
		tags, counts := make([][64]uint16, hashBuckets), make([]int, hashBuckets)
		pairs, equal := 0, 0
		for i := range uint32(hashedKeys) {
			hash := hash(h, i)
			home, tag := x.home(hash), tagOf(hash)
			for _, other := range tags[home][:counts[home]] {
				pairs++
				if other == tag {
					equal++
				}
			}
			tags[home][counts[home]] = tag
			counts[home]++
		}
		want := float64(pairs) / 65536
		if math.Abs(float64(equal)-want) > 6*math.Sqrt(want)+1 {
			t.Errorf("%d of %d pairs in one bucket have one tag; want about %.1f", equal, pairs, want)
		}
	})
}

func TestTagsAreEven(t *testing.T) {
	forEachHashing(t, func(t *testing.T, h packet.Hasher, hash pattern) {
		const cells = 1 << 8
		var high, low [cells]float64
		for i := range uint32(hashedKeys) {
			tag := tagOf(hash(h, i))
			high[tag>>8]++
			low[tag&0xff]++
		}
		for _, counts := range [][cells]float64{high, low} {
			if excess := chiSquareExcess(counts[:]); excess > 6 {
				t.Errorf("the tags' distribution is %.1f standard deviations from even", excess)
			}
		}
	})
}

// chiSquareExcess returns by how many standard deviations the counts' chi-square exceeds its mean.
func chiSquareExcess(counts []float64) float64 {
	total, chi := 0.0, 0.0
	for _, n := range counts {
		total += n
	}
	want := total / float64(len(counts))
	for _, n := range counts {
		chi += (n - want) * (n - want) / want
	}
	freedom := float64(len(counts) - 1)
	return (chi - freedom) / math.Sqrt(2*freedom)
}

func forEachHashing(t *testing.T, f func(*testing.T, packet.Hasher, pattern)) {
	for name, hash := range patterns {
		for i, h := range hashers {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { f(t, h, hash) })
		}
	}
}

func TestSecretsDiffer(t *testing.T) {
	if a, b := newHasher(0), newHasher(0); a == b {
		t.Error("two tables draw the same secret")
	}
	if a, b := newHasher(7), newHasher(7); a != b {
		t.Error("the same seed gives two secrets")
	}
}
