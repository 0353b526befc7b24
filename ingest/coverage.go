package ingest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

const (
	// checkpointEvery is how often the record of a lasting session is written
	// again, while frames come.
	checkpointEvery = 15 * time.Second
	// sayAgain is after how long a refusal that is like the last one is recorded
	// again.
	sayAgain = time.Hour
	// maxWaiting bounds the records that are kept in memory while the spool
	// takes none, and maxRefusals the refusals that are remembered.
	maxWaiting  = 20_000
	maxRefusals = 100_000
)

// Causes of the end of an attempt, beside those of a session.
const (
	causeRefused    = "refused"     // the look-up brought no endpoint
	causeUnwanted   = "unwanted"    // a person wants the room no more
	causeLeaseLost  = "lease_lost"  // Postgres could not be asked
	causeHandedOver = "handed_over" // another worker hears the room
	causeSpoolFull  = "spool_full"  // no frame could be kept any more
	causeStopping   = "stopping"    // the worker stops
)

// coverageLog writes into the spool what became of each attempt to hear a room.
// It is safe for concurrent use; a nil one writes nothing.
type coverageLog struct {
	frames  frameAppender
	worker  string
	metrics *Metrics
	logger  *slog.Logger

	mu       sync.Mutex
	waiting  map[uint64]*kuaishou.Frame // the latest of each session that the spool did not take
	refusals map[string]refused         // the latest of each live
}

// refused is what is compared between one refusal and the next.
type refused struct {
	state, cause string
	code         int32
	at           time.Time
}

func newCoverageLog(frames frameAppender, worker string, metrics *Metrics, logger *slog.Logger) *coverageLog {
	return &coverageLog{
		frames: frames, worker: worker, metrics: metrics, logger: logger,
		waiting: make(map[uint64]*kuaishou.Frame), refusals: make(map[string]refused),
	}
}

// record writes a record of a session that was let in. It does not keep it.
func (l *coverageLog) record(frame *kuaishou.Frame) {
	if l == nil {
		return
	}
	if frame.Coverage.EndedAt == 0 {
		l.mu.Lock()
		delete(l.refusals, frame.LiveId)
		l.mu.Unlock()
	}
	l.append(frame)
}

// refusal writes a record of an attempt that did not get in, unless the one
// before it was the same less than sayAgain ago: rooms that are off air are
// looked at every few minutes.
func (l *coverageLog) refusal(frame *kuaishou.Frame) {
	if l == nil {
		return
	}
	c := frame.Coverage
	now := refused{c.State, c.Cause, c.Code, time.UnixMilli(c.EndedAt)}
	l.mu.Lock()
	last, known := l.refusals[frame.LiveId]
	same := known && last.state == now.state && last.cause == now.cause && last.code == now.code && now.at.Sub(last.at) < sayAgain
	if !same {
		if !known && len(l.refusals) >= maxRefusals {
			clear(l.refusals) // some will be recorded once more than they need be
		}
		l.refusals[frame.LiveId] = now
	}
	l.mu.Unlock()
	if !same {
		l.append(frame)
	}
}

// append gives a record to the spool. What that does not take waits in memory.
func (l *coverageLog) append(frame *kuaishou.Frame) {
	frame.ReceivedAt = time.Now().UnixMilli()
	frame.FrameNumber++
	frame.Coverage.Worker = l.worker
	err := l.frames.Append(frame)
	if err == nil {
		l.metrics.coverageRecords.Inc()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, replaces := l.waiting[frame.SessionId]; !replaces && len(l.waiting) >= maxWaiting {
		l.metrics.coverageLost.Inc()
		l.logger.Error("the spool takes no records, and too many wait in memory: the table coverage will lack one", "live_id", frame.LiveId, "err", err)
		return
	}
	l.waiting[frame.SessionId] = proto.CloneOf(frame)
}

// retry writes what waits; it answers how many records still do.
func (l *coverageLog) retry() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for session, frame := range l.waiting {
		if l.frames.Append(frame) != nil {
			break
		}
		l.metrics.coverageRecords.Inc()
		delete(l.waiting, session)
	}
	return len(l.waiting)
}

// causeOfLeaving names the reason for which a room was told to stop.
func causeOfLeaving(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errUnwanted):
		return causeUnwanted
	case errors.Is(cause, errLeaseLost):
		return causeLeaseLost
	case errors.Is(cause, errHandedOver):
		return causeHandedOver
	case errors.Is(cause, errSpoolFull):
		return causeSpoolFull
	case errors.Is(cause, errStopping):
		return causeStopping
	}
	return causeLeft
}

// heard notes a frame in the session's record, and writes it when it is time.
func (s *session) heard(t kuaishou.PayloadType, size int) {
	c := s.record.Coverage
	c.Frames++
	c.Bytes += uint64(size)
	c.LastFrameAt = s.frame.ReceivedAt
	if _, known := kuaishou.PayloadType_name[int32(t)]; !known {
		c.UnknownPayloads++
	}
	if c.LastFrameAt-s.recorded >= checkpointEvery.Milliseconds() && c.ConnectedAt > 0 {
		s.checkpoint()
	}
}

// checkpoint writes the record of a session that lasts.
func (s *session) checkpoint() {
	s.recorded = s.frame.ReceivedAt
	s.coverage.record(s.record)
}

// attempt is the record of an attempt that begins.
func (r *room) attempt(began time.Time) *kuaishou.Frame {
	return &kuaishou.Frame{
		LiveId: r.liveID, LiveStreamId: r.at.LiveStreamID, SessionId: rand.Uint64(), Epoch: r.epoch,
		Coverage: &kuaishou.Coverage{StartedAt: began.UnixMilli(), State: string(StateLive), Reconnects: uint32(r.connections), Via: r.via},
	}
}

// ended writes the end of a session. last is the room's, or what it does next.
func (r *room) ended(ctx context.Context, record *kuaishou.Frame, end ending, last Report) {
	c := record.Coverage
	c.EndedAt = time.Now().UnixMilli()
	c.State, c.Cause, c.Reason = string(cmp.Or(last.State, StateConnecting)), end.cause, end.reason()
	c.Code, c.CloseCode = int32(end.code), uint32(end.closeCode())
	if end.cause == causeLeft {
		c.Cause, c.Reason = causeOfLeaving(ctx), context.Cause(ctx).Error()
	}
	if c.ConnectedAt > 0 {
		r.coverage.record(record)
	} else {
		r.coverage.refusal(record)
	}
}

// refused writes that the room ends, or is left, without a session. It answers
// last.
func (r *room) refused(ctx context.Context, began time.Time, last Report) Report {
	record := r.attempt(began)
	c := record.Coverage
	c.EndedAt = time.Now().UnixMilli()
	c.State, c.Cause, c.Reason, c.Code = string(last.State), causeRefused, last.Reason, int32(last.Code)
	if last.State == StateStopped {
		c.Cause, c.Reason = causeOfLeaving(ctx), context.Cause(ctx).Error()
	}
	r.coverage.refusal(record)
	return last
}

// coverageRow is the row of a record.
func (d *Decoder) coverageRow(frame *kuaishou.Frame, offset int64) {
	c := frame.GetCoverage()
	received := timeOf(uint64(frame.GetReceivedAt()))
	began := timeOf(uint64(c.GetStartedAt())) // this worker's own clock, and a session may last for days
	if began.IsZero() {
		began = received
	}
	d.batch.Coverage = append(d.batch.Coverage, schema.Coverage{
		Event: schema.Event{
			LiveID: validText(frame.GetLiveId()), LiveStreamID: validText(frame.GetLiveStreamId()),
			EventTime: began, EventTimeSource: schema.FromReceipt, ReceivedAt: received, EventID: frame.GetSessionId(),
			SessionID: frame.GetSessionId(), FrameNumber: frame.GetFrameNumber(), Offset: offset,
		},
		Worker: validText(c.GetWorker()), Epoch: frame.GetEpoch(),
		ConnectedAt: happened(c.GetConnectedAt()), LastFrameAt: happened(c.GetLastFrameAt()), EndedAt: happened(c.GetEndedAt()),
		State: validText(c.GetState()), Cause: validText(c.GetCause()), Reason: validText(c.GetReason()),
		Code: c.GetCode(), CloseCode: uint16(c.GetCloseCode()),
		Frames: c.GetFrames(), Bytes: c.GetBytes(), UnknownPayloads: c.GetUnknownPayloads(), Reconnects: c.GetReconnects(), Via: validText(c.GetVia()),
	})
}

// happened is ms, in Unix milliseconds, as a time; nil for 0.
func happened(ms int64) *time.Time {
	at := timeOf(uint64(ms))
	if at.IsZero() {
		return nil
	}
	return &at
}
