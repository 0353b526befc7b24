package ingest

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	kuaishou "kslive/proto"
)

var (
	weekDays       = flag.Float64("week.days", 1, "days that TestWeek simulates")
	weekRooms      = flag.Int("week.rooms", 50, "rooms of TestWeek")
	weekExits      = flag.Int("week.exits", 1, "addresses of TestWeek, each with an account")
	weekUnplanned  = flag.Bool("week.unplanned", false, "TestWeek looks at all rooms alike, to show that its bounds can break")
	weekUnbudgeted = flag.Bool("week.unbudgeted", false, "TestWeek spends calls as it likes, to show that its bounds can break")
)

const (
	weekHabitualBound = time.Minute
	weekOtherBound    = 5 * time.Minute
	// weekRecovery is for how long after a trouble starts count as part of it:
	// until an account that was told to slow down asks again, at the latest.
	weekRecovery = 35 * time.Minute
)

// Rooms are heard soon after they go on air, the sooner the more it was to be
// expected, within the budget of each address and whatever Kuaishou answers. A
// week of 2,000 rooms passes on a fake clock (make week); what answers is not
// Kuaishou but weekSite, what keeps the rows is weekLives, and all between is
// what ingest run consists of: room, session, connector and Client.
func TestWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeek(t)
		w.run(t)
		w.judge(t)
	})
}

// simulatedWeek is one simulated run.
type simulatedWeek struct {
	from, to time.Time
	rooms    []*weekRoom
	site     *weekSite
	lives    *weekLives
	client   *Client
	sockets  *connector
	retry    RetryDelays
	figures  weekFigures
}

// weekFigures are what rooms said.
type weekFigures struct {
	mu      sync.Mutex // covers all below
	states  map[State]int
	wrong   []string // rooms called off air when no answer had said so
	lookUps int
}

func newWeek(t *testing.T) *simulatedWeek {
	w := &simulatedWeek{from: time.Now().Add(historyDays * day), lives: new(weekLives), figures: weekFigures{states: make(map[State]int)}}
	w.to = w.from.Add(time.Duration(*weekDays * float64(day)))
	w.rooms = newWeekRooms(*weekRooms, time.Now(), w.to)
	w.site = newWeekSite(t, w.rooms, *weekExits)
	at := func(part float64) time.Time {
		return w.from.Add(time.Duration(part * float64(w.to.Sub(w.from)))).Truncate(time.Hour)
	}
	w.site.troubles = []weekTrouble{
		{"outage", at(0.3), at(0.3).Add(20 * time.Minute), 0},
		{"limited", at(0.6), at(0.6).Add(time.Hour), (*weekExits + 2) / 3},
	}
	for i, r := range w.rooms {
		row := &weekRow{id: int64(i), room: r, nextAt: w.from}
		for n, s := range r.shows {
			if s.began.Before(w.from) && n%20 != 0 { // of what went before, one in twenty was not seen
				seen := s.began.Add(time.Duration(n%4) * time.Minute)
				row.broadcasts = append(row.broadcasts, weekBroadcast{s.stream, seen.Add(-4 * time.Minute), seen, s.over})
			}
		}
		w.lives.free.Push(row)
	}
	w.client = newWeekClient(t, w.site)
	w.retry = w.client.retry
	w.sockets = newConnector(KuaishouURL, defaultTiming())
	w.sockets.dialer.NetDialContext = w.site.dial
	return w
}

func newWeekClient(t *testing.T, site *weekSite) *Client {
	interval := time.Second/time.Duration(*weekExits)
	if *weekUnbudgeted {
		interval = -1
	}
	client, err := NewClient(ClientOptions{Transport: site.exits[0], MinInterval: interval, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// run polls as an Ingester does.
func (w *simulatedWeek) run(t *testing.T) {
	time.Sleep(time.Until(w.from)) // the fake clock's
	ctx, stop := context.WithCancel(t.Context())
	var held sync.WaitGroup
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for now := w.from; now.Before(w.to); now = <-poll.C {
		rows, histories := w.lives.claim(now)
		for i, row := range rows {
			held.Go(func() { w.hold(ctx, row, histories[i]) })
		}
	}
	stop()
	held.Wait()
	w.client.Close()
}

// hold does what Ingester.hold does.
func (w *simulatedWeek) hold(ctx context.Context, row *weekRow, history History) {
	if *weekUnplanned {
		history = History{}
	}
	heard := room{
		liveID: row.room.id, within: history.within(time.Now(), w.retry[StateOffline]),
		resolver: w.client, frames: w, connector: w.sockets, retry: w.retry,
		report: func(r Report) {
			w.check(row, r)
			w.lives.report(row, r, time.Now())
		},
		metrics: w, logger: slog.New(slog.DiscardHandler),
	}
	last := history.planned(heard.run(ctx), time.Now(), w.retry)
	w.check(row, last)
	w.lives.release(row, last, time.Now())
}

// check holds what a room says against what it was told.
func (w *simulatedWeek) check(row *weekRow, said Report) {
	told := w.site.answered(row.room.id)
	f := &w.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[said.State]++
	if said.State == StateOffline && told != weekOffline {
		f.wrong = append(f.wrong, fmt.Sprintf("%s: %s when told %s", row.room.id, said.State, told))
	}
}

func (w *simulatedWeek) Append(*kuaishou.Frame) error    { return nil }
func (w *simulatedWeek) frame(kuaishou.PayloadType, int) {}
func (w *simulatedWeek) reconnect(string)                {}
func (w *simulatedWeek) connected(int)                   {}

// judge prints the figures and fails when a bound does not hold.
func (w *simulatedWeek) judge(t *testing.T) {
	out := tabwriter.NewWriter(os.Stderr, 0, 0, 2, ' ', 0)
	if !testing.Verbose() {
		out = tabwriter.NewWriter(new(strings.Builder), 0, 0, 2, ' ', 0)
	}
	fmt.Fprintf(out, "%d rooms, %d addresses with a call a second each, %v days from %v\n", len(w.rooms), len(w.site.exits), *weekDays, w.from)
	fmt.Fprintf(out, weekAssumptions, weekJitter, 100*weekOnAir)
	w.judgeCalls(t, out)
	w.judgeStarts(t, out)
	if n := len(w.figures.wrong); n > 0 {
		t.Errorf("%d times a room was called offline without having been told so, such as %s", n, w.figures.wrong[0])
	}
	fmt.Fprintf(out, "rooms called offline when they had not been found so\t%d\n", len(w.figures.wrong))
	fmt.Fprintf(out, "states told\t%v\n", w.figures.states)
	out.Flush()
}

func (w *simulatedWeek) judgeCalls(t *testing.T, out *tabwriter.Writer) {
	fmt.Fprintf(out, "address\tcalls\ta second\tmost in 1 s\tin 10 s\tin 60 s\trefused\n")
	for _, e := range w.site.exits {
		fmt.Fprintf(out, "%d\t%d\t%.2f\t%d\t%d\t%d\t%d\n", e.number, e.total, float64(e.total)/w.to.Sub(w.from).Seconds(), e.most[0], e.most[1], e.most[2], e.limited)
		for i, window := range weekWindows {
			if most := int(window/time.Second) + 1; e.most[i] > most {
				t.Errorf("address %d made %d calls in %v, more than %d", e.number, e.most[i], window, most)
			}
		}
	}
}

// judgeStarts tells how long it took from on air to connected.
func (w *simulatedWeek) judgeStarts(t *testing.T, out *tabwriter.Writer) {
	waits := make(map[string][]time.Duration)
	missed := make(map[string]int)
	interrupted, onAir := 0, time.Duration(0)
	for _, r := range w.rooms {
		for _, s := range r.shows {
			if s.began.Before(w.from) || !s.over.Before(w.to) {
				continue
			}
			onAir += s.over.Sub(s.began)
			kind := "other"
			if s.habitual {
				kind = "habitual"
			}
			for _, trouble := range w.site.troubles {
				if s.began.After(trouble.from) && s.began.Before(trouble.to.Add(weekRecovery)) {
					kind = trouble.name
				}
			}
			interrupted += s.interruptions
			if s.connected.IsZero() {
				missed[kind]++
				waits[kind] = append(waits[kind], s.over.Sub(s.began))
				continue
			}
			waits[kind] = append(waits[kind], s.connected.Sub(s.began))
		}
	}
	fmt.Fprintf(out, "on air %.1f %% of the time\n", 100*float64(onAir)/float64(w.to.Sub(w.from))/float64(len(w.rooms)))
	fmt.Fprintf(out, "starts\tbroadcasts\tp50\tp95\tp99\tmost\tnever heard\n")
	for _, kind := range []string{"habitual", "other", "limited", "outage"} {
		all := waits[kind]
		if len(all) == 0 {
			continue
		}
		slices.Sort(all)
		at := func(part float64) time.Duration { return all[int(part*float64(len(all)-1))].Round(time.Second) }
		fmt.Fprintf(out, "%s\t%d\t%v\t%v\t%v\t%v\t%d\n", kind, len(all), at(0.5), at(0.95), at(0.99), at(1), missed[kind])
		bound := map[string]time.Duration{"habitual": weekHabitualBound, "other": weekOtherBound}[kind]
		if p95 := at(0.95); p95 > cmp.Or(bound, p95) {
			t.Errorf("%s starts were heard within %v at p95, not within %v", kind, p95, bound)
		}
	}
	if interrupted > 0 {
		t.Errorf("%d sockets were closed by us during a broadcast", interrupted)
	}
	fmt.Fprintf(out, "sockets closed by us during a broadcast\t%d\n", interrupted)
}
