package console

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// readings are the worker's metrics at one moment.
type readings struct {
	sums               map[string]float64 // of gauges and counters, over all labels
	rows               map[string]float64 // by table
	insertSeconds, lag map[string]histogram
}

// gather reads the metrics; with an error what could be read of them.
func gather(metrics prometheus.Gatherer) (readings, error) {
	read := readings{make(map[string]float64), make(map[string]float64), make(map[string]histogram), make(map[string]histogram)}
	families, err := metrics.Gather()
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			read.sums[name] += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			switch name {
			case "ingest_rows_total":
				read.rows[label(metric)] += metric.GetCounter().GetValue()
			case "ingest_insert_seconds":
				read.insertSeconds[label(metric)] = newHistogram(metric.GetHistogram())
			case "ingest_lag_seconds":
				read.lag[label(metric)] = newHistogram(metric.GetHistogram())
			}
		}
	}
	return read, err
}

// label is the value of a metric's only label.
func label(metric *dto.Metric) string { return metric.GetLabel()[0].GetValue() }

// histogram is how often values were at most so large.
type histogram struct {
	count   uint64
	sum     float64
	buckets []*dto.Bucket
}

func newHistogram(h *dto.Histogram) histogram {
	return histogram{h.GetSampleCount(), h.GetSampleSum(), h.GetBucket()}
}

func (h histogram) mean() float64 {
	if h.count == 0 {
		return 0
	}
	return h.sum / float64(h.count)
}

// quantile is the bound of the bucket that it lies in.
func (h histogram) quantile(q float64) float64 {
	for _, bucket := range h.buckets {
		if float64(bucket.GetCumulativeCount()) >= q*float64(h.count) {
			return bucket.GetUpperBound()
		}
	}
	return h.mean()
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }
