package ingest

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// FollowOptions say which room to follow and who is told.
type FollowOptions struct {
	LiveID string
	Client *Client
	// State is told each state of the room.
	State func(Report)
	// Rows is told the rows of each frame; the batch is valid until it returns.
	// Its error ends Follow.
	Rows func(*schema.Batch) error
	// Recorder, when not nil, is given each frame before it is decoded. Its
	// error ends Follow.
	Recorder *Recorder
	Logger   *slog.Logger
}

// Follow watches one room without databases or spool until the live has ended,
// it cannot be watched, or ctx is done. It answers the room's last state, and
// the error of Rows or of the Recorder.
func Follow(ctx context.Context, o FollowOptions) (Report, error) {
	shown := &shownFrames{recorder: o.Recorder, show: o.Rows, decoder: NewDecoder(nil)}
	heard := room{
		liveID: o.LiveID, resolver: o.Client, frames: &oneByOne{frames: shown},
		connector: newConnector(o.Client.origin(), o.Client.userAgent, defaultTiming()), retry: o.Client.retry,
		report: o.State, metrics: NewMetrics(prometheus.NewRegistry()), logger: o.Logger,
	}
	last := heard.run(ctx)
	return *last, shown.err
}

// shownFrames decodes frames at once, for one room that somebody looks at.
type shownFrames struct {
	recorder *Recorder // may be nil
	show     func(*schema.Batch) error
	decoder  *Decoder
	batch    schema.Batch
	err      error
}

// Append records the frame, decodes it and shows its rows.
func (f *shownFrames) Append(frame *kuaishou.Frame) error {
	if f.recorder != nil {
		if f.err = f.recorder.Append(frame); f.err != nil {
			return f.err
		}
	}
	f.batch.Reset()
	f.decoder.Decode(frame, 0, &f.batch)
	f.err = f.show(&f.batch)
	return f.err
}
