package schema

import (
	"testing"
	"time"
)

func TestSame(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	row := func(change func(*Coverage)) Rows {
		connected := at
		c := Coverage{Event: Event{LiveID: "a", EventTime: at, EventID: 1, Offset: 5}, ConnectedAt: &connected, Frames: 7}
		change(&c)
		batch := Batch{Coverage: []Coverage{c}}
		for rows := range batch.All() {
			return rows
		}
		panic("no rows")
	}
	base := row(func(*Coverage) {})
	for name, c := range map[string]struct {
		change      func(*Coverage)
		same, event bool
	}{
		"nothing":            {func(*Coverage) {}, true, true},
		"what is no column":  {func(c *Coverage) { c.Offset = 9 }, true, true},
		"the stored zero":    {func(c *Coverage) { c.ReceivedAt = time.Unix(0, 0) }, true, true},
		"below milliseconds": {func(c *Coverage) { c.EventTime = c.EventTime.Add(time.Microsecond).Local() }, true, true},
		"another hearing": {func(c *Coverage) {
			c.ReceivedAt, c.SessionID, c.FrameNumber, c.EventTimeSource = at, 3, 4, FromFeed
		}, false, true},
		"a number":   {func(c *Coverage) { c.Frames++ }, false, false},
		"a text":     {func(c *Coverage) { c.Reason = "r" }, false, false},
		"a time":     {func(c *Coverage) { later := at.Add(time.Millisecond); c.ConnectedAt = &later }, false, false},
		"no time":    {func(c *Coverage) { c.ConnectedAt = nil }, false, false},
		"a new time": {func(c *Coverage) { c.EndedAt = c.ConnectedAt }, false, false},
	} {
		other := row(c.change)
		if got := base.Same(0, other, 0); got != c.same {
			t.Errorf("%s: same %v", name, got)
		}
		if got := base.SameEvent(0, other, 0); got != c.event {
			t.Errorf("%s: same event %v", name, got)
		}
	}
	payload := func(b string) Rows {
		batch := Batch{Undecoded: []Undecoded{{Payload: []byte(b)}}}
		for rows := range batch.All() {
			return rows
		}
		panic("no rows")
	}
	if !payload("x").Same(0, payload("x"), 0) || payload("x").Same(0, payload("y"), 0) {
		t.Error("payloads are not compared")
	}
}

func TestMakeAndSelect(t *testing.T) {
	batch := Batch{Likes: []Like{{Event: Event{EventID: 1}}, {Event: Event{EventID: 2}}, {Event: Event{EventID: 3}}}}
	for rows := range batch.All() {
		selected := rows.Select([]int{2, 0})
		if selected.Len() != 2 || selected.Event(0).EventID != 3 || selected.Event(1).EventID != 1 {
			t.Errorf("selected %+v", selected.Row(0))
		}
		made := rows.Make(1)
		for i, pointer := range made.Pointers(0, nil) {
			if rows.Columns[i] == "device_hash" {
				*pointer.(*string) = "h"
			}
		}
		if got := made.Row(0).(*Like).DeviceHash; made.Len() != 1 || got != "h" {
			t.Errorf("%d rows made, the pointer set %q", made.Len(), got)
		}
	}
}
