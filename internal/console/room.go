package console

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"kslive/ingest"
)

// hours are the lengths of time that can be looked back, with the steps of their
// charts.
var hours = []struct {
	Hours int
	Step  time.Duration
}{{1, time.Minute}, {3, time.Minute}, {12, 5 * time.Minute}, {24, 5 * time.Minute}}

// roomPage is one room.
type roomPage struct {
	roomRow
	Looked int // hours
	Spans  []int
}

func (c *Console) room(w http.ResponseWriter, r *http.Request) {
	live, ok := c.find(w, r)
	if !ok {
		return
	}
	looked, _ := lookBack(r)
	page := roomPage{roomRow: c.roomOf(live), Looked: looked}
	for _, h := range hours {
		page.Spans = append(page.Spans, h.Hours)
	}
	c.show(w, r, http.StatusOK, "room", page.Name(), page)
}

// lookBack is how far a request looks back, 3 hours when it does not say, and the
// step of the chart.
func lookBack(r *http.Request) (int, time.Duration) {
	asked, _ := strconv.Atoi(r.URL.Query().Get("hours"))
	for _, h := range hours {
		if h.Hours == asked {
			return asked, h.Step
		}
	}
	return hours[1].Hours, hours[1].Step
}

// historyPage is what is stored of one room.
type historyPage struct {
	ID          int64
	Name        string
	Looked      int
	From, Until int64 // Unix seconds
	StepSeconds int
	Found       *ingest.Lookback
	Away        string
}

// Missed is for how long it was on air, as is known, and not heard.
func (p historyPage) Missed() string {
	return span(time.Duration(p.Found.Totals.Missed * float64(time.Second)))
}

// history shows what is stored of a room: a page of its own, since ClickHouse may
// be slow or away while all else is well.
func (c *Console) history(w http.ResponseWriter, r *http.Request) {
	live, ok := c.find(w, r)
	if !ok {
		return
	}
	looked, step := lookBack(r)
	until := time.Now()
	since := until.Add(-time.Duration(looked) * time.Hour).Truncate(step)
	page := historyPage{ID: live.ID, Name: c.roomOf(live).Name(), Looked: looked, From: since.Unix(), Until: until.Unix(), StepSeconds: int(step.Seconds())}
	liveID, err := c.o.ParseLiveID(live.LiveID)
	if err == nil {
		page.Found, err = c.look(r, liveID, since, step)
	}
	if err != nil {
		page.Away = clean(err.Error(), 300)
	}
	c.show(w, r, http.StatusOK, "history", "What is stored", page)
}

func (c *Console) look(r *http.Request, liveID string, since time.Time, step time.Duration) (*ingest.Lookback, error) {
	release, ok := c.question(r.Context())
	if !ok {
		return nil, r.Context().Err()
	}
	defer release()
	found, err := c.o.ClickHouse.Look(r.Context(), liveID, since, step)
	if err == nil {
		found.Steps = slices.DeleteFunc(found.Steps, func(s ingest.LookbackStep) bool { return s.At.Before(since) })
	}
	return found, err
}

// searchPage is a search in comments.
type searchPage struct {
	Text, Room string
	Rooms      []ingest.LiveStatus
	Found      []ingest.FoundComment
	Asked      bool
	Away       string
}

// mostFound bounds what a search answers.
const mostFound = 200

func (c *Console) search(w http.ResponseWriter, r *http.Request) {
	page := searchPage{Text: clean(r.URL.Query().Get("q"), 100), Room: clean(r.URL.Query().Get("room"), 200)}
	if page.Text != "" {
		page.Asked = true
		var err error
		if page.Found, err = c.matches(r, page); err != nil {
			page.Away = clean(err.Error(), 300)
		}
	}
	c.show(w, r, http.StatusOK, "search", "Search", page)
}

func (c *Console) matches(r *http.Request, page searchPage) ([]ingest.FoundComment, error) {
	liveID := ""
	if page.Room != "" {
		var err error
		if liveID, err = c.o.ParseLiveID(page.Room); err != nil {
			return nil, err
		}
	}
	release, ok := c.question(r.Context())
	if !ok {
		return nil, r.Context().Err()
	}
	defer release()
	return c.o.ClickHouse.Search(r.Context(), liveID, page.Text, mostFound)
}
