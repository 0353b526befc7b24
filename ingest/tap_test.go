package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// commentFrame is a frame with one comment.
func commentFrame(t *testing.T, liveID, content string) *kuaishou.Frame {
	t.Helper()
	data, err := clientMessage(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{
		CommentFeeds: []*kuaishou.WebCommentFeed{{Content: content, ShowType: kuaishou.WebCommentFeed_FEED_SHOW_NORMAL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &kuaishou.Frame{LiveId: liveID, ReceivedAt: time.Now().UnixMilli(), Data: data}
}

// Who looks on a room sees what comes in it, and nothing of another; and what is
// used again for the next frame is not seen.
func TestTap(t *testing.T) {
	kept := 0
	var i Ingester
	frames := &lookedAt{appendFunc(func(*kuaishou.Frame) error { kept++; return nil }), &i.activities, &i.taps}
	send := func(liveID, content string) {
		t.Helper()
		frame := commentFrame(t, liveID, content)
		if err := frames.Append(frame); err != nil {
			t.Fatal(err)
		}
		clear(frame.Data)
	}
	send("a", "before")
	one, other := i.Tap("a"), i.Tap("a")
	defer other.Close()
	send("a", "first")
	send("b", "elsewhere")
	send("a", "second")
	for _, tap := range []*Tap{one, other} {
		batch, err := tap.Next(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got := saidIn(batch); got != "[first second]" {
			t.Error(got)
		}
	}
	if batch, err := one.Next(t.Context(), time.Nanosecond); batch != nil || err != nil {
		t.Error("nothing came, and it answered", batch, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.Next(over, time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	one.Close()
	send("a", "third")
	if batch, err := other.Next(t.Context(), time.Minute); err != nil || saidIn(batch) != "[third]" {
		t.Error(saidIn(batch), err)
	}
	if kept != 5 {
		t.Errorf("%d frames were kept", kept)
	}
}

// Who does not read holds nobody up, is cut off and told.
func TestTapTooSlow(t *testing.T) {
	var i Ingester
	frames := &lookedAt{appendFunc(func(*kuaishou.Frame) error { return nil }), &i.activities, &i.taps}
	slow, quick := i.Tap("a"), i.Tap("a")
	defer slow.Close()
	for n := range tapFrames + 1 {
		if err := frames.Append(commentFrame(t, "a", fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
		if _, err := quick.Next(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := slow.Next(t.Context(), time.Minute); !errors.Is(err, ErrTooSlow) {
			t.Error(err)
		}
	}
	quick.Close()
	if n := i.taps.number.Load(); n != 0 || len(i.taps.byRoom) != 0 {
		t.Errorf("%d look on, %v", n, i.taps.byRoom)
	}
}

// A frame that could not be kept is shown to nobody.
func TestTapShowsWhatIsKept(t *testing.T) {
	var i Ingester
	full := errors.New("full")
	frames := &lookedAt{appendFunc(func(*kuaishou.Frame) error { return full }), &i.activities, &i.taps}
	tap := i.Tap("a")
	defer tap.Close()
	if err := frames.Append(commentFrame(t, "a", "lost")); !errors.Is(err, full) {
		t.Error(err)
	}
	if batch, err := tap.Next(t.Context(), time.Nanosecond); batch != nil || err != nil {
		t.Error(batch, err)
	}
	if _, heard := i.Activity("a"); heard {
		t.Error("a frame that was not kept counts as heard")
	}
}

func TestActivity(t *testing.T) {
	var a activity
	now := time.UnixMilli(1_700_000_000_000)
	step := now.UnixMilli() / ActivityStep.Milliseconds()
	a.add(step-1, 30)
	a.add(step-6, 30)
	a.add(step-7, 1000) // more than a minute ago
	a.add(step, 500)    // not over yet
	a.add(step-activitySteps, 9)
	a.add(step-3*activitySteps, 9) // too old
	read := a.read(now)
	if got := read.Rate(); got != 1 {
		t.Errorf("%v events a second", got)
	}
	if last := len(read.Events) - 1; read.Events[last] != 500 || read.Events[last-1] != 30 || read.Events[last-7] != 1000 || read.Events[0] != 0 {
		t.Error(read.Events)
	}
	if read = a.read(now.Add(9 * ActivityStep)); read.Events[activitySteps-10] != 500 || read.Events[activitySteps-1] != 0 {
		t.Error(read.Events)
	}
	if read = a.read(now.Add(time.Hour)); read != (Activity{HeardAt: read.HeardAt}) {
		t.Error("an hour later", read.Events)
	}
}

type appendFunc func(*kuaishou.Frame) error

func (f appendFunc) Append(frame *kuaishou.Frame) error { return f(frame) }

func saidIn(batch *schema.Batch) string {
	var said []string
	if batch != nil {
		for _, comment := range batch.Comments {
			said = append(said, comment.Content)
		}
	}
	return fmt.Sprint(said)
}
