package ingest

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kslive/internal/simulator"
	"kslive/schema"
)

// giftStage is a simulated Kuaishou with both databases, and the worker that
// keeps the catalogue.
type giftStage struct {
	sim       *simulator.Simulator
	warehouse *ClickHouse
	database  string
	lives     *Lives
	log       bytes.Buffer // written by logger, of all workers
	logger    *slog.Logger
}

// TestCatalogue has each story begin with empty tables.
func TestCatalogue(t *testing.T) {
	warehouse := openWarehouse(t)
	for _, story := range []struct {
		name string
		test func(*testing.T, *giftStage)
	}{
		{"history", catalogueKeepsHistory},
		{"doubt", catalogueDoubtsAList},
		{"refused", catalogueIsRefused},
		{"one worker", catalogueOfOneWorker},
		{"without ClickHouse", catalogueWithoutClickHouse},
		{"unpriced gifts", catalogueLooksForUnpricedGifts},
		{"rollups", catalogueChangesRollups},
	} {
		t.Run(story.name, func(t *testing.T) {
			for _, table := range []string{"gift_catalogue", "gifts", "gifts_rollup", "rollup_changes"} {
				mustExec(t, warehouse, "TRUNCATE TABLE %s", table)
			}
			story.test(t, newGiftStage(t, warehouse))
		})
	}
}

func newGiftStage(t *testing.T, warehouse *ClickHouse) *giftStage {
	t.Helper()
	sim, err := simulator.Start(t.Context(), simulator.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	if err := sim.AddRoom(simulator.LiveID(7, 0), simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	database := newDatabase(t)
	s := &giftStage{sim: sim, warehouse: warehouse, database: database, lives: openLives(t, database, "worker")}
	s.logger = slog.New(slog.NewTextHandler(&s.log, nil))
	return s
}

// keeper is the catalogue of a worker that has just been started.
func (s *giftStage) keeper(t *testing.T, lives *Lives) *catalogue {
	t.Helper()
	client, err := NewClient(ClientOptions{BaseURL: s.sim.URL(), Cookie: "userId=5; kuaishou.live.web_st=" + secretCookie, MinInterval: -1, Logger: s.logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &catalogue{client: client, lives: lives, store: s.warehouse, logger: s.logger, looked: time.Now()}
}

// calls are the names of those that tend makes.
func (s *giftStage) calls(t *testing.T, tend func() error) []string {
	t.Helper()
	before := len(s.sim.Calls())
	if err := tend(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, call := range s.sim.Calls()[before:] {
		names = append(names, call.Name)
		if call.Account != "guest" {
			t.Errorf("%s was asked by %s", call.Name, call.Account)
		}
	}
	return names
}

// tend has a worker that was just started tend the catalogue; it requires calls.
func (s *giftStage) tend(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.calls(t, func() error { return s.keeper(t, s.lives).tend(t.Context()) })); diff != "" {
		t.Errorf("calls (-want +got)\n%s", diff)
	}
}

// due has the lists be read the next time.
func (s *giftStage) due(t *testing.T) {
	t.Helper()
	execute(t, s.lives, "UPDATE gift_refresh SET next_at = now()")
}

// giftState is the row of gift_refresh.
type giftState struct {
	source, reason  string
	gifts, failures int
	wait            time.Duration
	claimed         bool
}

func (s *giftStage) state(t *testing.T) (g giftState) {
	t.Helper()
	if err := s.lives.pool.QueryRow(t.Context(), "SELECT source, reason, gifts, failures, next_at - now(), worker <> '' FROM gift_refresh").
		Scan(&g.source, &g.reason, &g.gifts, &g.failures, &g.wait, &g.claimed); err != nil {
		t.Fatal(err)
	}
	return g
}

func (s *giftStage) requireRows(t *testing.T, want uint64) {
	t.Helper()
	if got := countOf(t, s.warehouse, "SELECT count() FROM gift_catalogue"); got != want {
		t.Errorf("gift_catalogue has %d rows, want %d", got, want)
	}
}

// giveGift stores a tick of a gift.
func (s *giftStage) giveGift(t *testing.T, number uint64, gift uint32, combo string, count uint32, at time.Time) {
	t.Helper()
	batch := schema.Batch{Gifts: []schema.Gift{{
		Event:  schema.Event{LiveID: testLiveID, LiveStreamID: "8SJgk6L-2iM", EventTime: at, ReceivedAt: at, EventID: number},
		GiftID: gift, MergeKey: fmt.Sprintf("1-%s-%d-1", combo, gift), BatchSize: 1, ComboCount: count,
	}}}
	for rows := range batch.All() {
		if err := s.warehouse.Insert(t.Context(), fmt.Sprint(t.Name(), number), rows); err != nil {
			t.Fatal(err)
		}
	}
}

// Gifts of the simulator's lists: with a price, and all.
const listedPrices, listedGifts = 12, 13

// What a list says is stored when it is new, and a combo is worth what its gift
// cost when it began.
func catalogueKeepsHistory(t *testing.T, s *giftStage) {
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	s.requireRows(t, listedGifts)
	if got := s.state(t); got.source != giftAllList || got.gifts != listedPrices || got.reason != "" || got.claimed || got.wait < 21*time.Hour || got.wait > 27*time.Hour {
		t.Errorf("gift_refresh: %+v", got)
	}
	s.tend(t) // not yet
	s.due(t)
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	s.requireRows(t, listedGifts)

	if err := s.sim.SetGiftPrice(simulator.GiftPrice{ID: 9, UnitPrice: 12}); err != nil {
		t.Fatal(err)
	}
	s.due(t)
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	s.requireRows(t, listedGifts+1)
	var changed time.Time
	if err := s.warehouse.conn.QueryRow(t.Context(), "SELECT max(seen_at) FROM gift_catalogue WHERE gift_id = 9").Scan(&changed); err != nil {
		t.Fatal(err)
	}
	s.giveGift(t, 1, 9, "before", 1, changed.Add(-time.Minute))
	s.giveGift(t, 2, 9, "before", 4, changed.Add(time.Minute))
	s.giveGift(t, 3, 9, "after", 2, changed)
	s.giveGift(t, 4, 7, "retired", 1, changed)
	s.giveGift(t, 5, 10001, "free", 1, changed)
	s.giveGift(t, 6, 999, "nobody's", 1, changed)
	type given struct {
		Name, Source string
		Price        uint32
		Value        uint64
	}
	var got []given
	if err := s.warehouse.conn.Select(t.Context(), &got, `
		SELECT gift_name AS Name, price_source AS Source, unit_price AS Price, value AS Value FROM gift_combos ORDER BY gift_id, merge_key DESC`); err != nil {
		t.Fatal(err)
	}
	want := []given{
		{"么么哒", "unknown", 0, 0}, {"啤酒", "catalogue", 10, 40}, {"啤酒", "catalogue", 12, 24}, {"", "unknown", 0, 0}, {"免费灯牌", "catalogue", 0, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("combos (-want +got)\n%s", diff)
	}
}

// A list in which half of the prices are others is believed only when a person
// says so.
func catalogueDoubtsAList(t *testing.T, s *giftStage) {
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	for _, id := range []uint32{1, 2, 9, 10, 16, 33} {
		if err := s.sim.SetGiftPrice(simulator.GiftPrice{ID: id, UnitPrice: 77}); err != nil {
			t.Fatal(err)
		}
	}
	s.due(t)
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	s.requireRows(t, listedGifts)
	got := s.state(t)
	if !strings.HasPrefix(got.reason, "gift/all: the price of 6 of 11 gifts has changed at once; it is not believed") || got.failures != 1 || got.gifts != listedPrices {
		t.Errorf("gift_refresh: %+v", got)
	}
	if !strings.Contains(s.log.String(), "no prices of gifts were read; those known before hold on") {
		t.Errorf("the log does not say so:\n%s", &s.log)
	}
	execute(t, s.lives, "UPDATE gift_refresh SET gifts = 0, next_at = now()")
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	s.requireRows(t, listedGifts+6)
	if got := s.state(t); got.failures != 0 || got.reason != "" || got.gifts != listedPrices {
		t.Errorf("gift_refresh: %+v", got)
	}
}

// However many workers there are, one asks; when it dies, another does.
func catalogueOfOneWorker(t *testing.T, s *giftStage) {
	var tending sync.WaitGroup
	got := s.calls(t, func() error {
		for n := range 8 {
			keeper := s.keeper(t, openLives(t, s.database, fmt.Sprint("worker", n)))
			tending.Go(func() {
				if err := keeper.tend(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		tending.Wait()
		return nil
	})
	if diff := cmp.Diff([]string{simulator.CallCatalogue, simulator.CallAllGifts}, got); diff != "" {
		t.Errorf("calls (-want +got)\n%s", diff)
	}
	s.requireRows(t, listedGifts)

	s.due(t)
	first, second := openLives(t, s.database, "first"), openLives(t, s.database, "second")
	claimed := func(l *Lives) bool {
		due, err := l.claimGifts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return due != nil
	}
	if !claimed(first) || claimed(second) || !claimed(first) {
		t.Error("what one worker has claimed is not its own")
	}
	execute(t, s.lives, "UPDATE workers SET lease_until = now() WHERE name = 'first'")
	if !claimed(second) {
		t.Error("what a dead worker has claimed is lost")
	}
	if err := first.tellGifts(t.Context(), giftsRead{asked: true, reason: "late", wait: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if got := s.state(t); got.failures != 0 || !got.claimed {
		t.Errorf("a worker that was taken for dead has changed gift_refresh: %+v", got)
	}
}

// While ClickHouse is away Kuaishou is not asked; what was stored and not
// confirmed is stored once.
func catalogueWithoutClickHouse(t *testing.T, s *giftStage) {
	away, err := OpenClickHouse("http://127.0.0.1:1/default", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	keeper := s.keeper(t, s.lives)
	keeper.store = away
	if err := keeper.tend(t.Context()); err == nil || len(s.sim.Calls()) > 0 {
		t.Errorf("%v after %v", err, s.sim.Calls())
	}
	if got := s.state(t); got.wait > 2*time.Minute || got.failures != 0 || got.reason == "" || got.claimed {
		t.Errorf("gift_refresh: %+v", got)
	}
	list, _ := pricedGifts(5, func(id int) int { return id })
	at := time.Now()
	for range 3 {
		if err := s.warehouse.StoreGifts(t.Context(), "token", at, list); err != nil {
			t.Fatal(err)
		}
	}
	s.requireRows(t, 5)
	known, err := s.warehouse.KnownGifts(t.Context())
	if err != nil || len(known) != 5 || known[3] != list[2] {
		t.Errorf("%v, %v", known, err)
	}
}

// A gift that is given and has no price has the lists read early, once.
func catalogueLooksForUnpricedGifts(t *testing.T, s *giftStage) {
	s.giveGift(t, 1, 9, "a", 1, time.Now())
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	look := func(refreshed string, want ...string) {
		t.Helper()
		execute(t, s.lives, "UPDATE gift_refresh SET refreshed_at = now() - $1::interval", refreshed)
		keeper := s.keeper(t, s.lives)
		keeper.looked = time.Now().Add(-unpricedLook)
		if diff := cmp.Diff(want, s.calls(t, func() error { return keeper.tend(t.Context()) })); diff != "" {
			t.Errorf("calls (-want +got)\n%s", diff)
		}
	}
	look("7 hours")
	s.giveGift(t, 2, 999, "a", 1, time.Now())
	look("1 hour")
	look("7 hours", simulator.CallCatalogue, simulator.CallAllGifts)
	look("7 hours")
	s.giveGift(t, 3, 998, "a", 1, time.Now())
	look("7 hours", simulator.CallCatalogue, simulator.CallAllGifts)
}

// Sums that were kept before a gift had a price are computed anew.
func catalogueChangesRollups(t *testing.T, s *giftStage) {
	mustExec(t, s.warehouse, `INSERT INTO gifts (live_id, live_stream_id, event_time, event_id, inserted_at, gift_id, merge_key, batch_size, combo_count)
		SELECT 'room', 'stream', now64(3) - INTERVAL 1 HOUR, 1, now64(3) - INTERVAL 1 HOUR, 16, '1-a-16-1', 1, 3`)
	value := func() uint64 {
		for range 2 { // one that was under way may have begun before
			for _, act := range []string{"REFRESH", "WAIT"} {
				mustExec(t, s.warehouse, "SYSTEM %s VIEW gifts_rollup_refresh", act)
			}
		}
		return countOf(t, s.warehouse, "SELECT sum(value) FROM gifts_rollup FINAL")
	}
	if got := value(); got != 0 {
		t.Fatalf("gifts without a price are worth %d", got)
	}
	s.tend(t, simulator.CallCatalogue, simulator.CallAllGifts)
	if got := value(); got != 3*188 {
		t.Errorf("three gifts of 188 are worth %d", got)
	}
}

// A list waits until no room does, and keeps to the budget of its exit.
func TestCatalogueWaitsBehindRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked turns
		var paths []string
		site := roundTrip(func(r *http.Request) *http.Response {
			mu.Lock()
			defer mu.Unlock()
			asked.note(0)
			paths = append(paths, r.URL.Path)
			return &http.Response{StatusCode: http.StatusNotFound, Body: io.NopCloser(strings.NewReader("")), Request: r}
		})
		client, err := NewClient(ClientOptions{Resolvers: []string{ViaPage}, Transport: site, MinInterval: time.Second, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		var asking sync.WaitGroup
		for n := range 5 {
			asking.Go(func() {
				if n == 1 {
					client.giftList(t.Context(), giftAllList, onAir{})
				} else if _, err := client.Resolve(t.Context(), fmt.Sprint("room", n), 10*time.Minute); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // until it waits for its turn
		}
		asking.Wait()
		if slices.Index(paths, "/rest/wd/live/gift/all") != 4 || len(paths) != 5 {
			t.Errorf("calls %v", paths)
		}
		asked.within(t, time.Second)
	})
}
