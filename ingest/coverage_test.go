package ingest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	kuaishou "kslive/proto"
)

func coverageOf(r *recorder) *coverageLog {
	return newCoverageLog(r, "w", NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}

// runCovered is run with what became of each attempt recorded.
func (r *recorder) runCovered(t *testing.T, log *coverageLog, endpoint *Endpoint) Report {
	t.Helper()
	room := newRoom(r, quick(), endpoint)
	room.coverage = log
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	return *room.run(ctx)
}

// said is what a test compares of a record.
type said struct {
	In, Over                bool
	State, Cause            string
	Code                    int32
	CloseCode               uint32
	Frames, Bytes, Unknowns uint64
	Reconnects              uint32
}

// records are those in r, without its frames.
func (r *recorder) records() (frames []*kuaishou.Frame, records []said) {
	for _, frame := range r.frames {
		c := frame.Coverage
		if c == nil {
			continue
		}
		frames = append(frames, frame)
		records = append(records, said{
			In: c.ConnectedAt > 0, Over: c.EndedAt > 0, State: c.State, Cause: c.Cause, Code: c.Code, CloseCode: c.CloseCode,
			Frames: c.Frames, Bytes: c.Bytes, Unknowns: c.UnknownPayloads, Reconnects: c.Reconnects,
		})
	}
	return frames, records
}

// Each session has a record from the moment it is let in, and one of its end.
func TestCoverageOfSessions(t *testing.T) {
	unknown := serverMessage(t, 2_000_001, &kuaishou.SCInfo{})
	var bytes uint64
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(time.Minute)
		p.send(unknown)
		_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseServiceRestart, ""), time.Now().Add(time.Second))
		p.drain()
	}, ended)
	endpoint := s.endpoint("/")
	r := &recorder{}
	if last := r.runCovered(t, coverageOf(r), &endpoint); last.State != StateEnded {
		t.Fatalf("ended with %+v", last)
	}
	for _, frame := range r.frames[:4] {
		bytes += uint64(len(frame.Data))
	}
	frames, records := r.records()
	want := []said{
		{In: true, State: "live"},
		{In: true, Over: true, State: "connecting", Cause: causeClosed, CloseCode: websocket.CloseServiceRestart, Frames: 2, Bytes: bytes, Unknowns: 1},
		{In: true, State: "live", Reconnects: 1},
		{In: true, Over: true, State: "ended", Cause: causeRejected, Code: 601, Frames: 2, Bytes: records[3].Bytes, Reconnects: 1},
	}
	// The ack lets us in before it is counted, since what it says is looked at last.
	for _, i := range []int{0, 2} {
		want[i].Frames, want[i].Bytes = records[i].Frames, records[i].Bytes
	}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Fatalf("records (-want +got)\n%s", diff)
	}
	for i, frame := range frames {
		c := frame.Coverage
		if frame.LiveId != testLiveID || frame.LiveStreamId != endpoint.LiveStreamID || frame.Epoch != 42 || c.Worker != "w" ||
			frame.SessionId != frames[i/2*2].SessionId || c.StartedAt == 0 || c.StartedAt > c.ConnectedAt || frame.ReceivedAt < c.ConnectedAt {
			t.Errorf("record %d is %v", i, frame)
		}
	}
	if frames[0].SessionId == frames[2].SessionId {
		t.Error("two sessions have one ID")
	}
	if r.frames[1].SessionId != frames[0].SessionId {
		t.Error("the frames of a session do not have its ID")
	}
}

// A session that lasts writes its record again, now and then.
func TestCoverageIsWrittenWhileItLasts(t *testing.T) {
	r := &recorder{}
	room := newRoom(r, quick(), nil)
	s := session{coverage: coverageOf(r), record: room.attempt(time.UnixMilli(sampleReceived))}
	hear := func(after time.Duration) {
		s.frame.ReceivedAt = sampleReceived + after.Milliseconds()
		s.heard(kuaishou.PayloadType_SC_FEED_PUSH, 100)
	}
	hear(0)
	if len(r.frames) > 0 {
		t.Fatalf("a session that was not let in has the record %v", r.frames[0])
	}
	s.record.Coverage.ConnectedAt = sampleReceived
	for after := time.Duration(0); after <= 2*checkpointEvery; after += time.Second {
		hear(after)
	}
	// The first frame is one at once, since there was none before.
	if _, records := r.records(); len(records) != 3 || records[2].Frames != uint64(2+2*checkpointEvery/time.Second) {
		t.Errorf("records %+v", records)
	}
	if last := r.frames[2].Coverage.LastFrameAt; last != sampleReceived+(2*checkpointEvery).Milliseconds() {
		t.Errorf("the last frame came at %d", last)
	}
}

// Refusals are recorded when they begin, change, or follow a session, and not
// each time that they repeat.
func TestCoverageOfRefusals(t *testing.T) {
	s := serve(t, ended)
	r := &recorder{}
	log := coverageOf(r)
	look := func(state State, code int) {
		r.answers = []Resolution{{State: state, Code: code, Endpoint: s.endpoint("/")}}
		r.runCovered(t, log, nil)
	}
	look(StateOffline, 671)
	look(StateOffline, 671)
	look(StateRateLimited, 2)
	look(StateRateLimited, 2)
	look(StateLive, 0)
	look(StateRateLimited, 2)
	_, records := r.records()
	var got []said
	for _, record := range records {
		record.Frames, record.Bytes = 0, 0
		got = append(got, record)
	}
	want := []said{
		{Over: true, State: "offline", Cause: causeRefused, Code: 671},
		{Over: true, State: "rate_limited", Cause: causeRefused, Code: 2},
		{In: true, State: "live"},
		{In: true, Over: true, State: "ended", Cause: causeRejected, Code: 601},
		{Over: true, State: "rate_limited", Cause: causeRefused, Code: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
}

// Leaving has the reason for which the room was told to go.
func TestCoverageOfLeaving(t *testing.T) {
	for reason, want := range map[error]string{
		errUnwanted: causeUnwanted, errLeaseLost: causeLeaseLost, errSpoolFull: causeSpoolFull, errStopping: causeStopping,
		errors.New("another"): causeLeft,
	} {
		s := serve(t, func(p *peer) {
			p.entered()
			p.ack(time.Minute)
			p.until(kuaishou.PayloadType_CS_USER_EXIT)
			p.closing()
		})
		endpoint := s.endpoint("/")
		r := &recorder{live: make(chan struct{}, 1)}
		room := newRoom(r, quick(), &endpoint)
		room.coverage = coverageOf(r)
		ctx, stop := context.WithCancelCause(t.Context())
		go func() { // ends when the room is let in, which run below waits for
			<-r.live
			stop(reason)
		}()
		room.run(ctx)
		frames, records := r.records()
		if len(records) != 2 || records[1].Cause != want || records[1].State != "stopped" || frames[1].Coverage.Reason != reason.Error() {
			t.Errorf("%v: records %v", reason, frames)
		}
	}
}

// What the spool does not take is kept, the latest of each session, and
// written when it takes records again.
func TestCoverageWaitsForTheSpool(t *testing.T) {
	s := serve(t, ended, ended)
	endpoint := s.endpoint("/")
	r := &recorder{}
	log := coverageOf(r)
	r.appendErr = errors.New("full")
	if last := r.runCovered(t, log, &endpoint); last.State != StateFailed {
		t.Fatalf("ended with %+v", last)
	}
	if waiting := log.retry(); waiting != 1 {
		t.Errorf("%d records wait, want 1", waiting)
	}
	r.appendErr = nil
	if waiting := log.retry(); waiting != 0 {
		t.Errorf("%d records wait, want none", waiting)
	}
	if _, records := r.records(); len(records) != 1 || records[0].Cause != causeAppend || !records[0].Over || records[0].State != "failed" {
		t.Errorf("records %+v", records)
	}
}
