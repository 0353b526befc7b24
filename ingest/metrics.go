package ingest

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// maxUnknownFields bounds the series of unknown_fields_total: garbage could
// name any field number. Further ones are counted under "other".
const maxUnknownFields = 500

// Metrics are what the pipeline counts. Their meaning stands in their help.
type Metrics struct {
	rooms           *prometheus.GaugeVec
	frames          *prometheus.CounterVec
	frameBytes      prometheus.Counter
	reconnects      *prometheus.CounterVec
	sockets         prometheus.Gauge
	claims          prometheus.Counter
	takenOver       prometheus.Counter
	share           prometheus.Gauge
	rows            *prometheus.CounterVec
	insertSeconds   *prometheus.HistogramVec
	insertErrors    *prometheus.CounterVec
	deadLetters     *prometheus.CounterVec
	lag             *prometheus.HistogramVec
	badRecords      prometheus.Counter
	unknownFields   *prometheus.CounterVec
	unheard         prometheus.Gauge
	coverageRecords prometheus.Counter
	coverageLost    prometheus.Counter

	mu      sync.Mutex
	unknown map[unknownKey]prometheus.Counter // guarded by mu
}

type unknownKey struct {
	message string
	field   int32
}

// NewMetrics registers the metrics with registerer.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		rooms:           prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ingest_rooms", Help: "Rooms that this worker holds, by state."}, []string{"state"}),
		frames:          prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingest_frames_total", Help: "Frames received, by payload type."}, []string{"payload_type"}),
		frameBytes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "ingest_frame_bytes_total", Help: "Bytes of the frames received."}),
		reconnects:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingest_reconnects_total", Help: "Connections lost, by cause."}, []string{"cause"}),
		sockets:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "ingest_sockets", Help: "Websockets that are open."}),
		claims:          prometheus.NewCounter(prometheus.CounterOpts{Name: "ingest_claims_total", Help: "Rows of lives that this worker has claimed."}),
		takenOver:       prometheus.NewCounter(prometheus.CounterOpts{Name: "ingest_taken_over_total", Help: "Rooms that this worker has taken over from one that had more than its share, while both heard them."}),
		share:           prometheus.NewGauge(prometheus.GaugeOpts{Name: "ingest_fair_share", Help: "Rooms that this worker should hold, given what all workers can hold and what there is to be held."}),
		rows:            prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingest_rows_total", Help: "Rows that ClickHouse has taken, by table."}, []string{"table"}),
		insertSeconds:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ingest_insert_seconds", Help: "Duration of inserts that succeeded, by table.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 14)}, []string{"table"}),
		insertErrors:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingest_insert_errors_total", Help: "Inserts that failed and will be tried again, by class: retry, operator (somebody must act), rows (a table is not as it should be)."}, []string{"class"}),
		deadLetters:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingest_dead_letters_total", Help: "Rows that ClickHouse could not take and that are in dead_letters, by table."}, []string{"table"}),
		lag:             prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ingest_lag_seconds", Help: "Time from a frame's receipt until ClickHouse had taken its rows, by table.", Buckets: prometheus.ExponentialBucketsRange(0.05, 300, 60)}, []string{"table"}),
		badRecords:      prometheus.NewCounter(prometheus.CounterOpts{Name: "ingest_spool_bad_records_total", Help: "Records of the spool that were not frames."}),
		unknownFields:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingest_unknown_fields_total", Help: "Unknown fields inside known messages, by message and field number: the protocol has changed."}, []string{"message", "field"}),
		unheard:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "ingest_unheard_rooms", Help: "Rooms that this worker holds, that are on air as far as it knows, and that it does not hear now."}),
		coverageRecords: prometheus.NewCounter(prometheus.CounterOpts{Name: "ingest_coverage_records_total", Help: "Records for the table coverage that were written to the spool."}),
		coverageLost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "ingest_coverage_lost_total", Help: "Records for the table coverage that the spool did not take and that memory had no place for."}),
		unknown:         make(map[unknownKey]prometheus.Counter),
	}
	registerer.MustRegister(m.rooms, m.frames, m.frameBytes, m.reconnects, m.sockets, m.claims, m.takenOver, m.share, m.rows, m.insertSeconds, m.insertErrors, m.deadLetters, m.lag, m.badRecords, m.unknownFields, m.unheard, m.coverageRecords, m.coverageLost)
	return m
}

// watchSpool adds gauges that are read from s when they are asked for.
func (m *Metrics) watchSpool(registerer prometheus.Registerer, s *spool.Spool) {
	gauge := func(name, help string, value func(spool.Stats) float64) {
		registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(s.Stats()) }))
	}
	gauge("ingest_spool_bytes", "Bytes in the spool that are not yet in ClickHouse.", func(st spool.Stats) float64 { return float64(st.Active.Bytes + st.Sealed.Bytes) })
	gauge("ingest_spool_segments", "Segments that are not yet in ClickHouse, the active one included.", func(st spool.Stats) float64 { return float64(st.Active.Segments + st.Sealed.Segments) })
	gauge("ingest_spool_archive_bytes", "Bytes of archived segments.", func(st spool.Stats) float64 { return float64(st.Done.Bytes) })
	gauge("ingest_spool_bad_segments", "Segments set aside for a person to look at.", func(st spool.Stats) float64 { return float64(st.Bad.Segments) })
	gauge("ingest_spool_age_seconds", "Age of the oldest frame that is not yet in ClickHouse.", func(st spool.Stats) float64 { return st.OldestUndone.Seconds() })
}

// frame counts a frame that was received.
func (m *Metrics) frame(payloadType kuaishou.PayloadType, size int) {
	name, known := kuaishou.PayloadType_name[int32(payloadType)]
	if !known {
		name = "other" // a number from the wire must not become a series
	}
	m.frames.WithLabelValues(name).Inc()
	m.frameBytes.Add(float64(size))
}

// reconnect counts a connection that did not last.
func (m *Metrics) reconnect(cause string) { m.reconnects.WithLabelValues(cause).Inc() }

// connected counts sockets: +1 opened, -1 closed.
func (m *Metrics) connected(delta int) { m.sockets.Add(float64(delta)) }

// countUnheard counts a room that is on air and not heard, or not any more.
func (m *Metrics) countUnheard(unheard bool) {
	if unheard {
		m.unheard.Inc()
	} else {
		m.unheard.Dec()
	}
}

// unknownField counts a field that no message declares.
func (m *Metrics) unknownField(u UnknownField) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := unknownKey{u.Message, u.Number}
	counter, seen := m.unknown[key]
	if !seen {
		if len(m.unknown) < maxUnknownFields {
			counter = m.unknownFields.WithLabelValues(u.Message, fmt.Sprint(u.Number))
			m.unknown[key] = counter
		} else {
			counter = m.unknownFields.WithLabelValues("other", "other")
		}
	}
	counter.Inc()
}

// inserted counts an insert that succeeded, and how long its rows were on
// their way.
func (m *Metrics) inserted(rows schema.Rows, started time.Time) {
	now := time.Now()
	m.rows.WithLabelValues(rows.Name).Add(float64(rows.Len()))
	m.insertSeconds.WithLabelValues(rows.Name).Observe(now.Sub(started).Seconds())
	lag := m.lag.WithLabelValues(rows.Name)
	for i := range rows.Len() {
		lag.Observe(now.Sub(rows.Event(i).ReceivedAt).Seconds())
	}
}
