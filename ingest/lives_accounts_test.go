package ingest

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// someAccounts are one that is well and one that backs off.
func someAccounts() []AccountStatus {
	until := time.Now().Add(time.Minute)
	return []AccountStatus{
		{Account: "a", Exit: directExit, State: accountOK, Since: time.Now(), LoggedIn: true, Calls: 7, Rate: 1, ExitRate: 1, Rooms: 3, ExitCallsMinute: 30},
		{Account: "b", Exit: "proxy.example:1080", State: accountBackingOff, Reason: "请求过快", Since: time.Now(), Until: &until, Refusals: 1, Rate: 1, ExitRate: 1},
	}
}

func TestAccountsAreTold(t *testing.T) {
	url := newDatabase(t)
	l, other := openLives(t, url, "w"), openLives(t, url, "other")
	list := someAccounts()
	for range 2 {
		if err := l.TellAccounts(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.TellAccounts(t.Context(), list[:1]); err != nil {
		t.Fatal(err)
	}
	accounts := func() []AccountStatus {
		t.Helper()
		got, _, err := l.Accounts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := accounts()
	if len(got) != 3 || got[0].Worker != "other" || got[2].Account != "b" {
		t.Fatalf("%+v", got)
	}
	b := got[2]
	if left := time.Until(*b.Until); b.State != accountBackingOff || b.Reason != "请求过快" || b.Stale || left < 50*time.Second || left > 70*time.Second {
		t.Errorf("%+v", b)
	}
	// One that is not there any more goes; those of a worker that is silent are stale.
	if err := l.TellAccounts(t.Context(), list[:1]); err != nil {
		t.Fatal(err)
	}
	execute(t, l, "UPDATE workers SET lease_until = now() WHERE name = 'other'")
	if got := accounts(); len(got) != 2 || got[0].Worker != "w" || got[0].Stale || !got[1].Stale {
		t.Errorf("%+v", got)
	}
	// What a registration that is gone has left behind goes with the next that tells.
	execute(t, l, "DELETE FROM workers WHERE name = 'other'")
	if err := other.TellAccounts(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := l.TellAccounts(t.Context(), list[:1]); err != nil {
		t.Fatal(err)
	}
	if got := accounts(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	if err := l.ForgetAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := accounts(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRoomsThatWereRefusedAreReconsidered(t *testing.T) {
	l := openLives(t, newDatabase(t), "w")
	states := []State{StateCaptcha, StateLoginRequired, StateRateLimited, StateOffline, StateNotFound}
	for _, state := range states {
		execute(t, l, "INSERT INTO lives (live_id) VALUES ($1)", "room-"+string(state))
	}
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('held')")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('disabled')")
	byText := make(map[string]Live)
	for _, live := range claim(t, l, 10) {
		byText[live.Text] = live
	}
	for _, state := range states {
		live := byText["room-"+string(state)]
		if err := l.Release(t.Context(), live.ID, live.Epoch, Report{State: state, RetryAfter: 30 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	disabled := byText["disabled"]
	if err := l.Release(t.Context(), disabled.ID, disabled.Epoch, Report{State: StateCaptcha, RetryAfter: 30 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	execute(t, l, "UPDATE lives SET enabled = false WHERE live_id = 'disabled'")
	if due := claim(t, l, 10); len(due) != 0 {
		t.Fatalf("due before: %v", due)
	}
	if _, rooms, err := l.Accounts(t.Context()); err != nil || rooms != 6 {
		t.Errorf("%d rooms to look up, %v; want 6", rooms, err)
	}
	if n, err := l.Reconsider(t.Context()); err != nil || n != 3 {
		t.Errorf("%d rooms were made due, %v", n, err)
	}
	due := make(map[string]bool)
	for _, live := range claim(t, l, 10) {
		due[live.Text] = true
	}
	for _, state := range states[:3] {
		if !due["room-"+string(state)] || len(due) != 3 {
			t.Errorf("due are %v", due)
		}
	}
}

// A file that changes while no room asks brings the rooms that wait back.
func TestAccountsThatComeBackBringTheirRooms(t *testing.T) {
	l := openLives(t, newDatabase(t), "w")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('waits')")
	waits := claim(t, l, 1)[0]
	if err := l.Release(t.Context(), waits.ID, waits.Epoch, Report{State: StateCaptcha, RetryAfter: 30 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "accounts.toml")
	text := "[[account]]\nname = \"a\"\ncookie = \"who=a\"\n"
	client, err := NewClient(ClientOptions{Accounts: accountsFile(t, file, text, time.Hour), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.accounts.judged(client.accounts.named("a"), trouble{state: StateCaptcha, reason: "captcha"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(newAccountsCollector(client.accounts))
	if state := accountStateMetric(t, registry); state != "captcha" {
		t.Errorf("the metric says %q", state)
	}
	tender := accountsTender{client: client, lives: l, logger: slog.New(slog.DiscardHandler)}
	if err := tender.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if due := claim(t, l, 1); len(due) != 0 {
		t.Fatal("due before anything has changed")
	}
	if list, _, err := l.Accounts(t.Context()); err != nil || len(list) != 1 || list[0].State != "captcha" || list[0].Until != nil {
		t.Errorf("%+v, %v", list, err)
	}
	accountsFile(t, file, text+"rate = 2\n", time.Minute)
	if err := tender.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	due := claim(t, l, 1)
	if len(due) != 1 {
		t.Fatal("the room still waits")
	}
	// A room that was refused with the old account, and said so a moment later.
	if err := l.Release(t.Context(), due[0].ID, due[0].Epoch, Report{State: StateCaptcha, RetryAfter: 30 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	if err := tender.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if due := claim(t, l, 1); len(due) != 1 {
		t.Error("the room that was refused late still waits")
	}
	if list, _, err := l.Accounts(t.Context()); err != nil || len(list) != 1 || list[0].State != accountOK {
		t.Errorf("%+v, %v", list, err)
	}
}

func accountStateMetric(t *testing.T, registry *prometheus.Registry) (state string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "ingest_account_state" {
			for _, label := range family.GetMetric()[0].GetLabel() {
				if label.GetName() == "state" {
					state = label.GetValue()
				}
			}
		}
	}
	return state
}

func TestRoundTime(t *testing.T) {
	list := someAccounts()
	if round, rate, never := RoundTime(600, list); round != 10*time.Minute || rate != 1 || never {
		t.Errorf("%v, %v, %v", round, rate, never)
	}
	list[1].State = accountOK
	// A second account behind the same exit adds nothing.
	list = append(list, AccountStatus{Account: "c", Exit: directExit, State: accountOK, Rate: 10, ExitRate: 1})
	if round, rate, _ := RoundTime(600, list); round != 5*time.Minute || rate != 2 {
		t.Errorf("%v, %v", round, rate)
	}
	for i := range list {
		list[i].Stale = true
	}
	if _, _, never := RoundTime(600, list); !never {
		t.Error("accounts of workers that are gone look rooms up")
	}
}
