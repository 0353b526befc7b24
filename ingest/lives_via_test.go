package ingest

import (
	"testing"
	"time"
)

func TestViaIsToldAndReleased(t *testing.T) {
	l := openLives(t, newDatabase(t), "one")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
	live := claim(t, l, 1)[0]
	expect := func(state State, via, account string) {
		t.Helper()
		if got := status(t, l, "a"); got.State != string(state) || got.Via != via || got.Account != account {
			t.Errorf("%s via %q with account %q, want %s via %q with %q", got.State, got.Via, got.Account, state, via, account)
		}
	}
	expect(StateQueued, "", "")
	_, err := l.Report(t.Context(), []StateChange{{ID: live.ID, Epoch: live.Epoch, Report: Report{State: StateRecall, Via: ViaRecall, Account: "main"}}})
	if err != nil {
		t.Fatal(err)
	}
	expect(StateRecall, ViaRecall, "main")
	if err := l.Release(t.Context(), live.ID, live.Epoch, Report{State: StateCaptcha, Via: ViaPage, Account: "second", RetryAfter: time.Hour}); err != nil {
		t.Fatal(err)
	}
	expect(StateCaptcha, ViaPage, "second")
}
