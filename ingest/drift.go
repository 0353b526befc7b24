package ingest

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

const (
	// maxDrifts bounds how many different payloads and fields are told apart:
	// garbage can name any number.
	maxDrifts = 10_000
	// driftSample is how many bytes of a sample are shown. They are what viewers
	// wrote, as like as not.
	driftSample = 32
)

// Drift is how what is sent differs from what the decoder knows, the most
// frequent first.
type Drift struct {
	// Frames of the archive were looked at.
	Frames   int64          `json:"frames"`
	Payloads []DriftPayload `json:"payloads"`
	Fields   []DriftField   `json:"fields"`
	// Others counts what was beyond the 10,000 payloads or fields told apart.
	Others int64 `json:"others"`
}

// DriftPayload is a payload, or a part of one, that was not decoded.
type DriftPayload struct {
	Type  uint32 `json:"payload_type"`
	Name  string `json:"name"`  // empty when the type is not known
	Part  string `json:"part"`  // empty for the whole
	Error string `json:"error"` // why
	// Archived are those met in the archive; today's decoder cannot read them.
	Archived Sightings `json:"archived"`
	// Stored are the rows of undecoded; the decoder of that time could not.
	Stored Sightings `json:"stored"`
}

// DriftField is a field that the message does not declare.
type DriftField struct {
	Message string `json:"message"`
	Field   int32  `json:"field"`
	Sightings
}

// Sightings are how often something was received, and when.
type Sightings struct {
	Count  int64     `json:"count"`
	First  time.Time `json:"first_seen,omitzero"`
	Last   time.Time `json:"last_seen,omitzero"`
	Sample string    `json:"sample"` // the beginning of the first one, in hex
}

func (s *Sightings) add(at time.Time, sample []byte) {
	if s.Count == 0 || at.Before(s.First) {
		s.First = at
	}
	if s.Count == 0 {
		s.Sample = hex.EncodeToString(sample[:min(len(sample), driftSample)])
	}
	if at.After(s.Last) {
		s.Last = at
	}
	s.Count++
}

// With is both together; the earlier one's sample stands for them.
func (s Sightings) With(other Sightings) Sightings {
	if s.Count == 0 || other.Count > 0 && other.First.Before(s.First) {
		s, other = other, s
	}
	s.Count += other.Count
	if other.Last.After(s.Last) {
		s.Last = other.Last
	}
	return s
}

// DriftOptions say where to look. Spool and Logger are needed.
type DriftOptions struct {
	Spool string // its folder
	// Warehouse's table undecoded is looked at, too, unless it is nil.
	Warehouse *ClickHouse
	// As in ReplayOptions.
	Since, Until time.Time
	Lives        []string
	Logger       *slog.Logger
}

// FindDrift decodes the frames that a spool keeps, and looks at undecoded.
func FindDrift(ctx context.Context, o DriftOptions) (Drift, error) {
	archive, err := openArchive(o.Spool, o.Logger)
	if err != nil {
		return Drift{}, err
	}
	archive.since, archive.until, archive.lives = o.Since, o.Until, o.Lives
	d := newDriftFinder()
	for _, segment := range archive.segments() {
		if err := ctx.Err(); err != nil {
			return Drift{}, err
		}
		err := archive.read(segment.Name, 0, func(frame *kuaishou.Frame, _ archivedFrame) error {
			d.look(frame)
			return nil
		})
		if err != nil {
			return Drift{}, err
		}
	}
	if o.Warehouse != nil {
		if err := o.Warehouse.undecoded(ctx, o, d.payload); err != nil {
			return Drift{}, err
		}
	}
	found := d.found()
	found.Frames = archive.frames
	return found, nil
}

// driftKey is what payloads are told apart by.
type driftKey struct {
	payloadType uint32
	part, err   string
}

type driftFinder struct {
	decoder  *Decoder
	batch    schema.Batch
	at       time.Time // of the frame being looked at
	payloads map[driftKey]*DriftPayload
	fields   map[unknownKey]*DriftField
	others   int64
}

func newDriftFinder() *driftFinder {
	d := &driftFinder{payloads: make(map[driftKey]*DriftPayload), fields: make(map[unknownKey]*DriftField)}
	d.decoder = NewDecoder(d.field)
	return d
}

func (d *driftFinder) look(frame *kuaishou.Frame) {
	d.at = timeOf(uint64(frame.GetReceivedAt()))
	d.batch.Reset()
	d.decoder.Decode(frame, 0, &d.batch)
	for i := range d.batch.Undecoded {
		row := &d.batch.Undecoded[i]
		if p := d.payload(row.PayloadType, row.Part, row.Error); p != nil {
			p.Archived.add(d.at, row.Payload)
		}
	}
}

// payload is the entry of a payload; nil when there are too many.
func (d *driftFinder) payload(payloadType uint32, part, err string) *DriftPayload {
	key := driftKey{payloadType, part, err}
	p, known := d.payloads[key]
	if !known {
		if len(d.payloads) >= maxDrifts {
			d.others++
			return nil
		}
		p = &DriftPayload{Type: payloadType, Name: payloadTypeName(kuaishou.PayloadType(payloadType)), Part: part, Error: err}
		d.payloads[key] = p
	}
	return p
}

func (d *driftFinder) field(u UnknownField) {
	key := unknownKey{u.Message, u.Number}
	f, known := d.fields[key]
	if !known {
		if len(d.fields) >= maxDrifts {
			d.others++
			return
		}
		f = &DriftField{Message: u.Message, Field: u.Number}
		d.fields[key] = f
	}
	f.add(d.at, u.Raw)
}

func (d *driftFinder) found() Drift {
	found := Drift{Payloads: []DriftPayload{}, Fields: []DriftField{}, Others: d.others}
	for _, p := range d.payloads {
		found.Payloads = append(found.Payloads, *p)
	}
	for _, f := range d.fields {
		found.Fields = append(found.Fields, *f)
	}
	slices.SortFunc(found.Payloads, func(a, b DriftPayload) int {
		return cmp.Or(-cmp.Compare(max(a.Archived.Count, a.Stored.Count), max(b.Archived.Count, b.Stored.Count)),
			cmp.Compare(a.Type, b.Type), cmp.Compare(a.Part, b.Part), cmp.Compare(a.Error, b.Error))
	})
	slices.SortFunc(found.Fields, func(a, b DriftField) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Field, b.Field))
	})
	return found
}

// undecoded fills in what the table undecoded holds.
func (c *ClickHouse) undecoded(ctx context.Context, o DriftOptions, entry func(payloadType uint32, part, err string) *DriftPayload) error {
	conditions := []string{"1"}
	if !o.Since.IsZero() {
		conditions = append(conditions, "received_at >= "+timeSQL(o.Since.UnixMilli()))
	}
	if !o.Until.IsZero() {
		conditions = append(conditions, "received_at <= "+timeSQL(o.Until.UnixMilli()))
	}
	if len(o.Lives) > 0 {
		conditions = append(conditions, "live_id IN ("+list(o.Lives, quoted)+")")
	}
	query := fmt.Sprintf(`SELECT payload_type, part, error, toInt64(count()), min(received_at), max(received_at), argMin(substring(payload, 1, %d), received_at)
		FROM undecoded FINAL WHERE %s GROUP BY payload_type, part, error ORDER BY 4 DESC LIMIT %d`, driftSample, strings.Join(conditions, " AND "), maxDrifts)
	rows, err := c.conn.Query(readSettings(ctx), query)
	if err != nil {
		return fmt.Errorf("reading undecoded: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			payloadType uint32
			part, why   string
			seen        Sightings
			sample      []byte
		)
		if err := rows.Scan(&payloadType, &part, &why, &seen.Count, &seen.First, &seen.Last, &sample); err != nil {
			return fmt.Errorf("reading undecoded: %w", err)
		}
		seen.Sample = hex.EncodeToString(sample)
		if p := entry(payloadType, part, why); p != nil {
			p.Stored = seen
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading undecoded: %w", err)
	}
	return nil
}
