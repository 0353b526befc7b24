package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kslive/internal/simulator"
)

// Refusals and what is no list leave no price behind, say why, and are followed
// by a pause; a list of a broadcast takes the place of the other.
func catalogueIsRefused(t *testing.T, s *giftStage) {
	all, names, room := simulator.CallCatalogue, simulator.CallAllGifts, simulator.CallGiftList
	for _, test := range []struct {
		name   string
		answer simulator.Answer
		onAir  bool
		calls  []string
		rows   uint64 // of names
		reason string // empty: gift-list had the prices
		wait   time.Duration
		rests  bool
	}{
		{name: "too fast", answer: simulator.Answer{Code: simulator.CodeTooFast}, onAir: true, calls: []string{all}, reason: "code 2: 请求过快", rests: true},
		{name: "HTTP 429", answer: simulator.Answer{Call: all, Status: 429, RetryAfter: 55 * time.Minute}, calls: []string{all}, reason: "HTTP status 429", wait: 55 * time.Minute, rests: true},
		{name: "captcha", answer: simulator.Answer{Code: simulator.CodeCaptcha}, onAir: true, calls: []string{all, room, names}, reason: "gift-list: Kuaishou asks for a captcha"},
		{name: "login", answer: simulator.Answer{Call: all, Code: simulator.CodeLogin}, calls: []string{all, names}, rows: listedGifts, reason: "code 60200"},
		{name: "cut", answer: simulator.Answer{Call: all, Broken: true}, calls: []string{all, names}, rows: listedGifts, reason: "gift/all: the list cannot be read"},
		{name: "empty", answer: simulator.Answer{Call: all, Empty: true}, calls: []string{all, names}, rows: listedGifts, reason: "gift/all: the list cannot be read"},
		{name: "hung up", answer: simulator.Answer{Call: all, Reset: true}, calls: []string{all, names}, rows: listedGifts, reason: "EOF"},
		{name: "all broken", answer: simulator.Answer{Status: 500}, onAir: true, calls: []string{all, room, names}, reason: "HTTP status 500"},
		{name: "from a room", answer: simulator.Answer{Call: all, Broken: true}, onAir: true, calls: []string{all, room, names}, rows: listedGifts},
	} {
		t.Run(test.name, func(t *testing.T) {
			mustExec(t, s.warehouse, "TRUNCATE TABLE gift_catalogue")
			execute(t, s.lives, "UPDATE gift_refresh SET next_at = now(), failures = 0, gifts = 0, source = '', reason = ''")
			s.onAir(t, test.onAir)
			s.sim.LiftPolicy("")
			if err := s.sim.SetPolicy(simulator.Policy{Name: "refusal", Answer: test.answer}); err != nil {
				t.Fatal(err)
			}
			keeper := s.keeper(t, s.lives)
			if diff := cmp.Diff(test.calls, s.calls(t, func() error { return keeper.tend(t.Context()) })); diff != "" {
				t.Errorf("calls (-want +got)\n%s", diff)
			}
			got := s.state(t)
			s.requireRows(t, test.rows)
			if test.reason == "" {
				if got.source != giftRoomList || got.gifts != listedPrices || got.failures > 0 {
					t.Errorf("gift_refresh: %+v", got)
				}
				return
			}
			if n := countOf(t, s.warehouse, "SELECT count() FROM gift_catalogue WHERE priced"); n > 0 {
				t.Errorf("%d prices were stored", n)
			}
			if !strings.Contains(got.reason, test.reason) || got.failures != 1 || got.claimed || got.wait < max(20*time.Minute, test.wait-time.Minute) || got.wait > time.Hour {
				t.Errorf("gift_refresh: %+v, want %q", got, test.reason)
			}
			if a := keeper.client.accounts.list[0]; a.usable(time.Now()) == test.rests {
				t.Errorf("the account is %+v, its exit %+v", a.health, a.exit.health)
			}
		})
	}
	if strings.Contains(s.log.String(), secretCookie) {
		t.Error("the log has the cookie")
	}
	if wait := retryWait(3); wait < 3*time.Hour || wait > 5*time.Hour || retryWait(1000) > 29*time.Hour {
		t.Errorf("after three failures it waits for %v, after a thousand for %v", wait, retryWait(1000))
	}
}

// onAir has a room of the simulator be heard, or none.
func (s *giftStage) onAir(t *testing.T, heard bool) {
	t.Helper()
	execute(t, s.lives, "DELETE FROM lives")
	if !heard {
		return
	}
	id := simulator.LiveID(7, 0)
	room, err := s.sim.Room(id)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, s.lives, "INSERT INTO lives (live_id) VALUES ($1)", id)
	execute(t, s.lives, "UPDATE live_state SET owner = 'worker', lease_until = now() + interval '1 hour', state = 'live', live_stream_id = $1", room.LiveStreamID)
}
