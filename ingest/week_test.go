package ingest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	kuaishou "kslive/proto"
)

var (
	weekDays       = flag.Float64("week.days", 1, "days that TestWeek simulates")
	weekRooms      = flag.Int("week.rooms", 50, "rooms of TestWeek")
	weekExits      = flag.Int("week.exits", 2, "addresses of TestWeek, each with an account")
	weekUnplanned  = flag.Bool("week.unplanned", false, "TestWeek looks at all rooms alike, to show that its bounds can break")
	weekUnbudgeted = flag.Bool("week.unbudgeted", false, "TestWeek makes calls as it likes, to show that its bounds can break")
)

// Rooms are heard soon after they go on air, the sooner the more it was to be
// expected, within the budget of each address and whatever Kuaishou answers. A
// week of 2,000 rooms passes on a fake clock (make week). What answers is not
// Kuaishou but weekSite, and what keeps the rows is weekLives; all between is
// what ingest run consists of: room, session, connector, Client and the plan.
func TestWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSimulatedWeek(t)
		time.Sleep(time.Until(w.from)) // on the fake clock
		w.run(t, w.site.trouble(weekRestart).from)
		time.Sleep(time.Until(w.site.trouble(weekRestart).to))
		w.run(t, w.to)
		w.judge(t)
	})
}

// simulatedWeek is one run.
type simulatedWeek struct {
	from, to time.Time
	rooms    []*weekRoom
	site     *weekSite
	lives    *weekLives
	retry    RetryDelays
	figures  weekFigures

	// Of the process that runs.
	client  *Client
	sockets *connector
}

// weekFigures are what rooms said.
type weekFigures struct {
	mu     sync.Mutex // covers all below
	states map[State]int
	wrong  []string    // rooms called off air when no answer had said so
	due    map[int]int // planned looks by second, outside troubles
}

func newSimulatedWeek(t *testing.T) *simulatedWeek {
	w := &simulatedWeek{from: time.Now().Add(historyDays * day), lives: new(weekLives), retry: DefaultRetryDelays()}
	w.figures = weekFigures{states: make(map[State]int), due: make(map[int]int)}
	w.to = w.from.Add(time.Duration(*weekDays * float64(day)))
	w.rooms = newWeekRooms(*weekRooms, time.Now(), w.to)
	w.site = newWeekSite(t, w.rooms, *weekExits)
	trouble := func(name string, part float64, lasts time.Duration, exits int) {
		at := w.from.Add(time.Duration(part * float64(w.to.Sub(w.from))))
		w.site.troubles = append(w.site.troubles, weekTrouble{name, at, at.Add(lasts), exits})
	}
	trouble(weekOutage, 0.3, 20*time.Minute, 0)
	trouble(weekRateLimit, 0.5, time.Hour, (*weekExits+2)/3)
	trouble(weekRefused, 0.65, 20*time.Minute, *weekExits)
	trouble(weekRestart, 0.8, 10*time.Minute, 0) // so long that all rooms are due after it
	for i, r := range w.rooms {
		w.lives.add(&weekRow{id: int64(i), room: r, nextAt: w.from}, w.from)
	}
	return w
}

// run is one process, which polls as an Ingester does, from now to until.
func (w *simulatedWeek) run(t *testing.T, until time.Time) {
	w.client = newWeekClient(t, w.site)
	w.sockets = newConnector(KuaishouURL, defaultUserAgent, defaultTiming())
	w.sockets.dialer.NetDialContext = w.site.dial
	ctx, stop := context.WithCancel(t.Context())
	var held sync.WaitGroup
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for now := time.Now(); now.Before(until); now = <-poll.C {
		rows, histories := w.lives.claim(now)
		for i, row := range rows {
			held.Go(func() { w.hold(ctx, row, histories[i]) })
		}
	}
	stop()
	held.Wait()
	w.client.Close()
}

// newWeekClient makes a Client with an account for each address. As there are no
// proxies, their calls are given to the site by hand.
func newWeekClient(t *testing.T, site *weekSite) *Client {
	interval := time.Second
	var accounts strings.Builder
	for n := range site.exits {
		fmt.Fprintf(&accounts, "[[account]]\nname = \"a%d\"\ncookie = \"kuaishou.live.web_st=%s\"\nproxy = \"http://10.0.0.%d:8080\"\n", n, secretToken, n)
	}
	if *weekUnbudgeted {
		interval = -1
	}
	file := filepath.Join(t.TempDir(), "accounts.toml")
	if err := os.WriteFile(file, []byte(accounts.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(ClientOptions{Accounts: file, MinInterval: interval, Resolvers: []string{ViaPage}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for n, a := range client.accounts.list {
		a.transport, a.proxy = site.exits[n], nil
		if *weekUnbudgeted {
			a.line.interval = 0
		}
	}
	return client
}

// hold does what Ingester.hold does.
func (w *simulatedWeek) hold(ctx context.Context, row *weekRow, history Habits) {
	if *weekUnplanned {
		history = Habits{}
	}
	live := Live{Epoch: 2, Habits: history} // known for long
	heard := room{
		liveID: row.room.id, within: live.within(time.Now(), w.retry[StateOffline]),
		resolver: w.client, frames: w, connector: w.sockets, retry: w.retry,
		report: func(r Report) {
			w.check(row, r)
			w.lives.report(row, r, time.Now())
		},
		metrics: w, logger: slog.New(slog.DiscardHandler),
	}
	last := history.planned(*heard.run(ctx), time.Now(), w.retry)
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
	if said.State != StateOffline {
		return
	}
	if told != weekOffline {
		f.wrong = append(f.wrong, fmt.Sprintf("%s: %s when told %s", row.room.id, said.State, told))
	}
	if due := time.Now().Add(said.RetryAfter); w.site.during(due) == "" {
		f.due[int(due.Sub(w.from)/time.Second)]++
	}
}

func (w *simulatedWeek) Append(*kuaishou.Frame) error    { return nil }
func (w *simulatedWeek) frame(kuaishou.PayloadType, int) {}
func (w *simulatedWeek) reconnect(string)                {}
func (w *simulatedWeek) connected(int)                   {}
