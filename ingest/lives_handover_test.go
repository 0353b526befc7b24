package ingest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// handover is a live that its owner has offered and another worker is entering.
type handover struct {
	*testing.T
	owner, heir, third *Lives
	held, entering     Live
}

func newHandover(t *testing.T) *handover {
	t.Helper()
	database := newDatabase(t)
	h := &handover{T: t, owner: openLives(t, database, "owner"), heir: openLives(t, database, "heir"), third: openLives(t, database, "third")}
	execute(t, h.owner, "INSERT INTO lives (live_id) VALUES ('a')")
	h.held = claim(t, h.owner, 1)[0]
	if _, err := h.owner.Report(t.Context(), []StateChange{{ID: h.held.ID, Epoch: h.held.Epoch, Report: Report{State: StateLive, Author: "主播"}}}); err != nil {
		t.Fatal(err)
	}
	if got := h.succeed(h.heir); len(got) > 0 {
		t.Fatalf("entering %v, which nobody offers", got)
	}
	h.offer("heir", "third")
	if got := h.succeed(h.owner); len(got) > 0 {
		t.Fatalf("the owner succeeds itself: %v", got)
	}
	h.entering = h.succeed(h.heir)[0]
	if h.entering.Epoch != h.held.Epoch+1 || h.entering.Text != "a" {
		t.Fatalf("entering %+v, want the epoch after %d", h.entering, h.held.Epoch)
	}
	return h
}

func (h *handover) offer(others ...string) {
	h.Helper()
	chosen, err := h.owner.Offer(h.Context(), []Gift{{h.held.ID, h.held.Epoch, true}}, others, 1)
	if err != nil || len(chosen) != 1 {
		h.Fatal(chosen, err)
	}
}

func (h *handover) succeed(l *Lives) []Live {
	h.Helper()
	lives, err := l.Succeed(h.Context(), 10, nil)
	if err != nil {
		h.Fatal(err)
	}
	return lives
}

// takeOver says whether the heir has become the owner.
func (h *handover) takeOver() bool {
	h.Helper()
	taken, err := h.heir.TakeOver(h.Context(), map[int64]int64{h.entering.ID: h.entering.Epoch})
	if err != nil {
		h.Fatal(err)
	}
	return len(taken) == 1
}

// keeps says whether the owner has the slot when it has renewed its lease.
func (h *handover) keeps() bool {
	h.Helper()
	return keeps(h.T, h.owner, h.held)
}

// lost says whether a worker is told that another one has its slot.
func (h *handover) lost(l *Lives, live Live) bool {
	h.Helper()
	unwanted, lost, err := l.Unwanted(h.Context(), map[int64]int64{live.ID: live.Epoch})
	if err != nil || len(unwanted) > 0 {
		h.Fatal(unwanted, err)
	}
	return len(lost) > 0
}

// The owner keeps its slot until the successor takes it, and can change nothing
// after that.
func TestHandOver(t *testing.T) {
	h := newHandover(t)
	if got := h.succeed(h.third); len(got) > 0 {
		t.Errorf("two successors: %v", got)
	}
	// The successor is not the owner yet.
	if _, err := h.heir.Report(t.Context(), []StateChange{{ID: h.entering.ID, Epoch: h.entering.Epoch, Report: Report{State: StateConnecting}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.heir.Release(t.Context(), h.entering.ID, h.entering.Epoch, Report{State: StateOffline}); err != nil {
		t.Fatal(err)
	}
	if got := status(t, h.owner, "a"); got.State != "live" || got.Worker != "owner" || got.Author != "主播" {
		t.Errorf("while the successor enters: %+v", got)
	}
	if !h.keeps() || h.lost(h.owner, h.held) || h.lost(h.heir, h.entering) {
		t.Error("both are to go on")
	}
	if !h.takeOver() {
		t.Fatal("the successor was not let have the slot")
	}
	want := status(t, h.owner, "a")
	if want.State != "live" || want.Worker != "heir" || want.Epoch != h.entering.Epoch {
		t.Errorf("after the take-over: %+v", want)
	}
	if h.keeps() || !h.lost(h.owner, h.held) || h.lost(h.heir, h.entering) {
		t.Error("the slot is the heir's")
	}
	if _, err := h.owner.Report(t.Context(), []StateChange{{ID: h.held.ID, Epoch: h.held.Epoch, Report: Report{State: StateOffline}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.owner.Release(t.Context(), h.held.ID, h.held.Epoch, Report{State: StateStopped}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, status(t, h.owner, "a")); diff != "" {
		t.Errorf("the former owner changed the row: %s", diff)
	}
	if h.takeOver() {
		t.Error("taken over twice")
	}
}

// What can come in between: nobody but the rightful one has the slot after it.
func TestHandOverFails(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(h *handover)
		owner     string // of the slot in the end; it is the heir's when it takes over
		taken     bool
	}{
		"the successor is too late": {func(h *handover) { execute(h.T, h.third, "UPDATE live_state SET successor_until = now()") }, "owner", false},
		"another became the successor": {func(h *handover) {
			execute(h.T, h.third, "UPDATE live_state SET successor_until = now()")
			if len(h.succeed(h.third)) != 1 {
				h.Error("the offer is not open to others again")
			}
			if !h.lost(h.heir, h.entering) {
				h.Error("the first successor is not told")
			}
		}, "owner", false},
		"the owner gave the room back": {func(h *handover) {
			if err := h.owner.Release(h.Context(), h.held.ID, h.held.Epoch, Report{State: StateOffline, RetryAfter: time.Hour}); err != nil {
				h.Fatal(err)
			}
		}, "", false},
		"the owner died": {func(h *handover) {
			execute(h.T, h.third, "UPDATE workers SET lease_until = now() WHERE name = 'owner'")
		}, "heir", true},
		"the owner died and a third claimed": {func(h *handover) {
			execute(h.T, h.third, "UPDATE workers SET lease_until = now() WHERE name = 'owner'")
			claim(h.T, h.third, 1)
		}, "third", false},
		"the room has another endpoint": {func(h *handover) { execute(h.T, h.third, `UPDATE lives SET endpoint = '{"token":"new"}'`) }, "owner", false},
		"the offer was taken back after the successor had died": {func(h *handover) {
			execute(h.T, h.third, "UPDATE live_state SET successor_until = now()")
			if ids, err := h.owner.Withdraw(h.Context()); err != nil || len(ids) != 1 {
				h.Error(ids, err)
			}
			if got := h.succeed(h.third); len(got) > 0 {
				h.Errorf("succeeded to %v, which is not offered any more", got)
			}
		}, "owner", false},
		"somebody has the row locked": {func(h *handover) {
			leaveOpen(h.T, h.third, "SELECT FROM live_state FOR UPDATE")
		}, "owner", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandover(t)
			if ids, err := h.owner.Withdraw(t.Context()); err != nil || len(ids) > 0 {
				t.Errorf("an offer that is taken up was taken back: %v, %v", ids, err)
			}
			c.meanwhile(h)
			if got := h.takeOver(); got != c.taken {
				t.Errorf("taken over: %v, want %v", got, c.taken)
			}
			if got := status(t, h.third, "a").Worker; got != c.owner {
				t.Errorf("the slot is %q's, want %q", got, c.owner)
			}
		})
	}
}

// Only what another worker can take is offered, what is not heard before what is,
// and a worker does not become the successor of a live of which it has a slot.
func TestOffer(t *testing.T) {
	database := newDatabase(t)
	one, two := openLives(t, database, "one"), openLives(t, database, "two")
	execute(t, one, "INSERT INTO lives (live_id, replicas) VALUES ('both', 2), ('heard', 1), ('unheard', 1)")
	ids := map[string]int64{}
	var gifts []Gift
	for _, live := range claim(t, one, 3) {
		ids[live.Text] = live.ID
		gifts = append(gifts, Gift{live.ID, live.Epoch, live.Text != "unheard"})
	}
	claim(t, two, 1)
	offer := func(n int, others ...string) []int64 {
		t.Helper()
		chosen, err := one.Offer(t.Context(), gifts, others, n)
		if err != nil {
			t.Fatal(err)
		}
		return chosen
	}
	if got := offer(1, "two"); len(got) != 1 || got[0] != ids["unheard"] {
		t.Errorf("offered %v, want the one that is not heard", got)
	}
	if got := offer(3, "two"); len(got) != 2 {
		t.Errorf("offered %v, want all but the one that two has", got)
	}
	if got := offer(3); len(got) > 0 {
		t.Errorf("offered %v to nobody", got)
	}
	if got := offer(3, "two", "three"); len(got) != 3 {
		t.Errorf("offered %v, want all", got)
	}
	entering, err := two.Succeed(t.Context(), 10, nil)
	if err != nil || len(entering) != 1 || entering[0].Text != "heard" {
		t.Errorf("entering %v, %v, want the one that is heard and not yet two's", entering, err)
	}
}

// Of two slots of a live that are both offered one worker gets one.
func TestSucceedOnce(t *testing.T) {
	database := newDatabase(t)
	one, two, heir := openLives(t, database, "one"), openLives(t, database, "two"), openLives(t, database, "heir")
	execute(t, one, "INSERT INTO lives (live_id, replicas) VALUES ('a', 2)")
	claim(t, one, 1)
	claim(t, two, 1)
	execute(t, one, "UPDATE live_state SET offered = true")
	for _, want := range []int{1, 0} {
		got, err := heir.Succeed(t.Context(), 2, nil)
		if err != nil || len(got) != want {
			t.Errorf("entering %v, %v, want %d", got, err, want)
		}
	}
}
