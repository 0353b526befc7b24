package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"kslive/ingest"
	"kslive/schema"
)

const (
	// streamPace is the time from what is shown to what is shown next.
	streamPace = 250 * time.Millisecond
	// streamItems is how many lines are told at a time; more are counted.
	streamItems = 60
	// streamPatience is how long a browser may take to read what it was sent.
	streamPatience = 10 * time.Second
	// streamBeat is how often something is sent when nothing happens, so that both
	// sides notice when the other is gone.
	streamBeat = 15 * time.Second
)

// news is what a stream tells at a time.
type news struct {
	Items []item `json:"items,omitempty"`
	// Those that came as well and are not told.
	SkippedComments int    `json:"skippedComments"`
	SkippedGifts    int    `json:"skippedGifts"`
	Watching        string `json:"watching,omitempty"`
	Likes           string `json:"likes,omitempty"`
}

// item is a line: a comment, or a gift with how many of it there are by now.
type item struct {
	Kind string `json:"kind"`
	At   int64  `json:"at"` // Unix ms
	Name string `json:"name"`
	Text string `json:"text"`
	N    uint64 `json:"n,omitempty"`
}

// stream tells what comes in a room as it comes, as server-sent events: news;
// slow, when the browser has not read in time, and then nothing more.
func (c *Console) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		http.Error(w, "too many pages show a room as it happens: close some", http.StatusServiceUnavailable)
		return
	}
	live, ok := c.find(w, r)
	if !ok {
		return
	}
	liveID, err := c.o.ParseLiveID(live.LiveID)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	tap := c.o.Ingester.Tap(liveID)
	defer tap.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy such as nginx would hold back what is small
	s := sender{w: w, control: http.NewResponseController(w), console: c}
	if s.control.SetReadDeadline(time.Time{}) != nil { // it lasts longer than reading a request may
		return
	}
	if s.send(": hello\n\n") == nil {
		s.follow(r, tap)
	}
}

// sender sends to a browser.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	console *Console
}

// send sends a text within streamPatience.
func (s sender) send(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	return s.control.Flush()
}

// follow sends what the tap shows until the browser is gone or too slow.
func (s sender) follow(r *http.Request, tap *ingest.Tap) {
	pace := time.NewTicker(streamPace)
	defer pace.Stop()
	for {
		batch, err := tap.Next(r.Context(), streamBeat)
		switch {
		case errors.Is(err, ingest.ErrTooSlow):
			_ = s.send("event: slow\ndata: {}\n\n") // it is dropped either way
			return
		case err != nil:
			return
		case batch == nil:
			err = s.send(": still here\n\n")
		default:
			err = s.tell(newsOf(batch, s.console.gifts.of(r.Context(), s.console)))
		}
		if err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-pace.C:
		}
	}
}

// tell sends news, if there are any.
func (s sender) tell(n news) error {
	if len(n.Items) == 0 && n.Watching == "" && n.Likes == "" {
		return nil
	}
	said, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return s.send("event: news\ndata: " + string(said) + "\n\n")
}

// newsOf is what of a batch is told; names are those of gifts.
func newsOf(batch *schema.Batch, names map[uint32]string) (n news) {
	add := func(skipped *int, i item) {
		if len(n.Items) < streamItems {
			n.Items = append(n.Items, i)
		} else {
			*skipped++
		}
	}
	for _, g := range batch.Gifts {
		add(&n.SkippedGifts, item{"gift", g.EventTime.UnixMilli(), clean(g.UserName, 40), giftName(g.GiftID, g.GiftName, names), uint64(g.BatchSize) * uint64(g.ComboCount)})
	}
	for _, said := range batch.Comments {
		if said.ShowType != "hidden" {
			add(&n.SkippedComments, item{"comment", said.EventTime.UnixMilli(), clean(said.UserName, 40), clean(said.Content, 300), 0})
		}
	}
	for _, stat := range batch.RoomStats {
		if stat.DisplayWatchingCount != "" {
			n.Watching = clean(stat.DisplayWatchingCount, 20)
		}
		if stat.DisplayLikeCount != "" {
			n.Likes = clean(stat.DisplayLikeCount, 20)
		}
	}
	return n
}
