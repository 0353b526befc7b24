package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are what the worker says of itself at a moment.
type metrics map[string]*dto.MetricFamily

// read reads the worker's metrics.
func (s *stage) read(ctx context.Context) (metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the worker's metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the worker's metrics: %w", err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the worker's metrics: %w", err)
	}
	return families, nil
}

// sum is that of a counter or gauge over all its labels, or over those whose
// first label is one of values.
func (m metrics) sum(name string, values ...string) (sum float64) {
	for _, metric := range m[name].GetMetric() {
		if len(values) == 0 || slices.Contains(values, metric.GetLabel()[0].GetValue()) {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return sum
}

// events are the rows of what people did: neither counters nor the hidden
// comments, of which there is one for each like.
func (m metrics) events() float64 {
	const rows = "ingest_rows_total"
	return m.sum(rows) - m.sum(rows, "room_stats", "coverage") - m.sum(rows, "likes")
}

// quantile is that of a histogram over all its labels, of what was observed since
// before; interpolated within the bucket.
func (m metrics) quantile(name string, q float64, before metrics) float64 {
	counts := make(map[float64]float64) // at most so much, by upper bound
	for sign, all := range map[float64]metrics{1: m, -1: before} {
		for _, metric := range all[name].GetMetric() {
			for _, bucket := range metric.GetHistogram().GetBucket() {
				counts[bucket.GetUpperBound()] += sign * float64(bucket.GetCumulativeCount())
			}
		}
	}
	bounds := make([]float64, 0, len(counts))
	for bound := range counts {
		bounds = append(bounds, bound)
	}
	slices.Sort(bounds)
	lower, below := 0.0, 0.0
	for _, bound := range bounds {
		if rank := q * counts[bounds[len(bounds)-1]]; counts[bound] >= rank && rank > 0 {
			return lower + (min(bound, bounds[max(0, len(bounds)-2)])-lower)*(rank-below)/max(counts[bound]-below, 1)
		}
		lower, below = bound, counts[bound]
	}
	return 0
}
