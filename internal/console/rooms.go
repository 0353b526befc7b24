package console

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kslive/ingest"
)

// roomsAPage keeps a page small, whatever the number of rooms.
const roomsAPage = 100

// kind says how a state is to be seen: what needs a look first.
type kind string

const (
	kindBad  kind = "bad"  // refused, or not heard
	kindBusy kind = "busy" // on the way
	kindGood kind = "good" // heard
	kindIdle kind = "idle" // nothing to hear, or not wanted
)

var kinds = []kind{kindBad, kindBusy, kindGood, kindIdle}

func kindOf(state string) kind {
	switch ingest.State(state) {
	case ingest.StateLive, ingest.StateRecall:
		return kindGood
	case ingest.StateQueued, ingest.StateResolving, ingest.StateConnecting:
		return kindBusy
	case ingest.StateOffline, ingest.StateEnded, ingest.StateStopped, "finished", "disabled", "scheduled", "":
		return kindIdle
	}
	return kindBad
}

// roomRow is a room in the list.
type roomRow struct {
	ingest.LiveStatus
	Kind    kind
	Why     string
	Silence string // how long nothing came; empty when this worker does not hear it
	Rate    string // events a second
	Spark   string // points of a line, 60 wide and 20 high
}

// Here says whether this worker hears the room.
func (r roomRow) Here() bool { return r.Silence != "" }

// Name is what a person knows the room by.
func (r roomRow) Name() string { return clean(cmp.Or(r.Author, r.LiveID), 40) }

// roomOf is a room with what this worker knows of it.
func (c *Console) roomOf(live ingest.LiveStatus) roomRow {
	row := roomRow{LiveStatus: live, Kind: kindOf(live.State), Why: clean(cmp.Or(live.Reason, ingest.State(live.State).Sentence()), 240)}
	liveID, err := c.o.ParseLiveID(live.LiveID)
	if err != nil || row.Kind != kindGood && row.Kind != kindBusy {
		return row
	}
	if activity, heard := c.o.Ingester.Activity(liveID); heard {
		row.Silence = span(time.Since(activity.HeardAt))
		row.Rate = strconv.FormatFloat(activity.Rate(), 'f', 1, 64)
		row.Spark = spark(activity.Events[:len(activity.Events)-1])
	}
	return row
}

// spark is a line through numbers. Where it stays level, its ends are enough.
func spark(numbers []uint32) string {
	const width, height = 60.0, 20.0
	most := max(1, slices.Max(numbers))
	var points strings.Builder
	for i, n := range numbers {
		if i > 0 && i < len(numbers)-1 && n == numbers[i-1] && n == numbers[i+1] {
			continue
		}
		fmt.Fprintf(&points, "%.0f,%.1f ", width*float64(i)/float64(len(numbers)-1), height-1-(height-2)*float64(n)/float64(most))
	}
	return strings.TrimSpace(points.String())
}

// roomsPage is the list of rooms.
type roomsPage struct {
	Rows         []roomRow
	Kinds        []kindCount
	Kind         kind   // that is chosen, or empty
	Query        string // that is looked for
	Page, Pages  int
	Shown, All   int
	Away         string // why there is no list
	Done         string // what was done last
	Added, There int
	Form         addForm
}

// kindCount is how many rooms are of a kind.
type kindCount struct {
	Kind  kind
	Count int
}

// addForm is what a person wrote, to be put right.
type addForm struct {
	Lives, Note, Trouble string
	Once                 bool
}

// Turn is the address of another page of the list.
func (p roomsPage) Turn(by int) string {
	return "/?" + url.Values{"kind": {string(p.Kind)}, "q": {p.Query}, "page": {strconv.Itoa(p.Page + by)}}.Encode()
}

func (c *Console) rooms(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	page := roomsPage{Done: query.Get("done")}
	page.Added, _ = strconv.Atoi(query.Get("added"))
	page.There, _ = strconv.Atoi(query.Get("there"))
	c.listRooms(w, r, http.StatusOK, page)
}

// listRooms shows the list that a request asks for.
func (c *Console) listRooms(w http.ResponseWriter, r *http.Request, status int, page roomsPage) {
	query := r.URL.Query()
	page.Kind, page.Query = kind(query.Get("kind")), clean(query.Get("q"), 100)
	list, err := c.lives(r.Context())
	if err != nil {
		page.Away = err.Error()
	}
	page.choose(list, query.Get("page"))
	for i, row := range page.Rows {
		page.Rows[i] = c.roomOf(row.LiveStatus)
	}
	c.show(w, r, status, "rooms", "Rooms", page)
}

// choose finds the rows of a page in a list.
func (p *roomsPage) choose(list []ingest.LiveStatus, number string) {
	p.All = len(list)
	counts := make(map[kind]int)
	wanted := strings.ToLower(p.Query)
	var found []roomRow
	for _, live := range list {
		text := strings.ToLower(live.LiveID + "\n" + live.Author + "\n" + live.Title + "\n" + live.Note + "\n" + live.State)
		if !strings.Contains(text, wanted) {
			continue
		}
		row := roomRow{LiveStatus: live, Kind: kindOf(live.State)}
		counts[row.Kind]++
		if p.Kind == "" || p.Kind == row.Kind {
			found = append(found, row)
		}
	}
	for _, k := range kinds {
		p.Kinds = append(p.Kinds, kindCount{k, counts[k]})
	}
	slices.SortStableFunc(found, func(a, b roomRow) int {
		return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind))
	})
	p.Shown = len(found)
	p.Pages = max(1, (len(found)+roomsAPage-1)/roomsAPage)
	p.Page, _ = strconv.Atoi(number)
	p.Page = min(max(p.Page, 1), p.Pages)
	p.Rows = found[(p.Page-1)*roomsAPage : min(p.Page*roomsAPage, len(found))]
}
