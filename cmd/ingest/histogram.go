package main

import (
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// histogram holds, by the upper bound of each bucket, how many observations
// were at most that much.
type histogram map[float64]float64

func newHistogram(h *dto.Histogram) histogram {
	buckets := make(histogram, len(h.GetBucket()))
	for _, bucket := range h.GetBucket() {
		buckets[bucket.GetUpperBound()] = float64(bucket.GetCumulativeCount())
	}
	return buckets
}

func (h histogram) plus(other histogram) histogram {
	sum := maps.Clone(h)
	for bound, count := range other {
		sum[bound] += count
	}
	return sum
}

func (h histogram) minus(other histogram) histogram {
	difference := maps.Clone(h)
	for bound, count := range other {
		difference[bound] -= count
	}
	return difference
}

// quantile is interpolated within its bucket, as PromQL does it; 0 when there
// were no observations. Those past the last bound count as that bound.
func (h histogram) quantile(q float64) float64 {
	bounds := slices.Sorted(maps.Keys(h))
	if len(bounds) == 0 || h[bounds[len(bounds)-1]] == 0 {
		return 0
	}
	rank := q * h[bounds[len(bounds)-1]]
	lower, below := 0.0, 0.0
	for _, bound := range bounds {
		if count := h[bound]; count >= rank {
			return lower + (bound-lower)*(rank-below)/max(count-below, 1)
		}
		lower, below = bound, h[bound]
	}
	return lower
}
