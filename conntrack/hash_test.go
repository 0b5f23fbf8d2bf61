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

// keyPatterns are ways in which the keys of real traffic follow one another.
var keyPatterns = map[string]func(i uint32) Key4{
	"sequential addresses": func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: 0x0a000000 + i, Dst: testVIP, SrcPort: 40000, DstPort: 80}, Protocol: packet.ProtocolTCP}
	},
	"sequential ports": func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: 0x0a000000 + i/60000, Dst: testVIP, SrcPort: uint16(1024 + i%60000), DstPort: 80}, Protocol: packet.ProtocolTCP}
	},
	"answers to one local address": func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: testServer, Dst: testVIP + i/60000, SrcPort: 8080, DstPort: uint16(1024 + i%60000)}, Protocol: packet.ProtocolTCP}
	},
	"addresses in steps of 2^16": func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: i << 16, Dst: testVIP, SrcPort: uint16(i >> 16), DstPort: 53}, Protocol: packet.ProtocolUDP}
	},
	"source and destination count together": func(i uint32) Key4 {
		return Key4{Flow4: Flow4{Src: 0x0a000000 + i, Dst: 0x0b000000 + i, SrcPort: uint16(i), DstPort: uint16(i)}, Protocol: packet.ProtocolUDP}
	},
}

// hashers are the seeds that tests use and such as are drawn.
var hashers = []hasher{newHasher(1), newHasher(0x5eed), {0x9f86d081884c7d65, 0x2c26b46b68ffc68f}, {0x0123456789abcdef, 0xfedcba9876543210}}

func TestBucketsAreFilledByChance(t *testing.T) {
	x := index{buckets: make([]bucket, hashBuckets)}
	forEachHashing(t, func(t *testing.T, h hasher, key func(uint32) Key4) {
		counts := make([]int, hashBuckets)
		for i := range uint32(hashedKeys) {
			k := key(i)
			counts[x.home(h.hash(&k))]++
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
	forEachHashing(t, func(t *testing.T, h hasher, key func(uint32) Key4) {
		tags, counts := make([][64]uint16, hashBuckets), make([]int, hashBuckets)
		pairs, equal := 0, 0
		for i := range uint32(hashedKeys) {
			k := key(i)
			hash := h.hash(&k)
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
	forEachHashing(t, func(t *testing.T, h hasher, key func(uint32) Key4) {
		const cells = 1 << 8
		var high, low [cells]float64
		for i := range uint32(hashedKeys) {
			k := key(i)
			tag := tagOf(h.hash(&k))
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

// chiSquareExcess says by how many standard deviations the counts' chi-square exceeds its mean.
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

func forEachHashing(t *testing.T, f func(*testing.T, hasher, func(uint32) Key4)) {
	for name, key := range keyPatterns {
		for i, h := range hashers {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { f(t, h, key) })
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
