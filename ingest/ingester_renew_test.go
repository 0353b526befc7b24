package ingest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest/spool"
)

// newIdleIngester is one whose rooms the test opens itself.
func newIdleIngester(t *testing.T, lives *Lives) *Ingester {
	t.Helper()
	client, err := NewClient(ClientOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return NewIngester(Options{
		Lives: lives, Spool: s, Client: client, MaxRooms: 10, PollEvery: 10 * time.Millisecond,
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
}

// A renewal that has failed is not left until the next one is due: by then the
// leases may have ended.
func TestFailedRenewalIsTriedAgain(t *testing.T) {
	database := newDatabase(t)
	worker, people := openLives(t, database, "worker"), openLives(t, database, "people")
	worker.lease = time.Hour
	i := newIdleIngester(t, worker)
	execute(t, people, "ALTER TABLE workers RENAME TO away")
	i.renew(t.Context())
	execute(t, people, "ALTER TABLE away RENAME TO workers")
	renewed := func() (yes bool) {
		if err := people.pool.QueryRow(t.Context(), "SELECT lease_until > now() + interval '30 minutes' FROM workers WHERE name = 'worker'").Scan(&yes); err != nil {
			t.Fatal(err)
		}
		return yes
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := i.keepPolling(ctx, nil, func() bool { return !renewed() }); err != nil || !renewed() {
		t.Errorf("the leases were not renewed again: %v", err)
	}
}

// A worker that has taken a room over and was not told knows it when it has renewed
// its lease, and holds the room for as long.
func TestTakeOverIsFoundByRenewal(t *testing.T) {
	h := newHandover(t)
	i := newIdleIngester(t, h.heir)
	entering := &holding{live: h.entering, successor: true, expiry: time.NewTimer(time.Hour)}
	i.holdings[h.entering.ID] = entering
	for _, want := range []bool{false, true} {
		i.renew(t.Context())
		if entering.owned() != want || i.unrenewed {
			t.Errorf("owned is %v, want %v", entering.owned(), want)
		}
		h.takeOver()
	}
	if got := status(t, h.owner, "a").Worker; got != "heir" {
		t.Errorf("the room is %q's", got)
	}
}
