package ingest

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// tendEvery is how often the accounts are looked at beside any look-up.
const tendEvery = 5 * time.Second

// accountsTender reads the files of the accounts when they change, also while no
// room asks, makes rooms due that were refused before, and tells the table
// accounts. It belongs to the goroutine of run.
type accountsTender struct {
	client *Client
	lives  *Lives
	logger *slog.Logger

	reconsider int             // how often rooms are yet to be made due
	told       []AccountStatus // what was written last
	toldAt     time.Time
}

// run tends the accounts until ctx is done. While working is not, the table is
// then left without this worker's.
func (t *accountsTender) run(ctx, working context.Context) {
	for well := true; ; {
		err := t.tend(ctx)
		if err != nil && well && ctx.Err() == nil {
			t.logger.Warn("the table accounts is not kept up to date", "err", err)
		}
		well = err == nil
		if !sleep(ctx, tendEvery) {
			break
		}
	}
	if working.Err() != nil {
		return
	}
	if err := t.lives.ForgetAccounts(working); err != nil {
		t.logger.Warn("the table accounts shows this worker's until another one takes them out", "err", err)
	}
}

// tend looks at the accounts once.
func (t *accountsTender) tend(ctx context.Context) error {
	t.client.accounts.look()
	if t.client.accounts.takeFresh() {
		t.reconsider = 2 // the last refusals of the old ones may still be on their way to the table
	}
	if t.reconsider > 0 {
		rooms, err := t.lives.Reconsider(ctx)
		if err != nil {
			return err
		}
		t.reconsider--
		t.logger.Info("the accounts were changed; rooms that were refused are looked up again", "rooms", rooms)
	}
	return t.tell(ctx, t.client.accounts.statuses())
}

// tell writes the accounts where they have changed, and now and then where they
// have not, in case somebody took them out.
func (t *accountsTender) tell(ctx context.Context, list []AccountStatus) error {
	if slices.EqualFunc(list, t.told, sameStatus) && time.Since(t.toldAt) < time.Minute {
		return nil
	}
	if err := t.lives.TellAccounts(ctx, list); err != nil {
		return err
	}
	t.told, t.toldAt = list, time.Now()
	return nil
}

func sameStatus(a, b AccountStatus) bool {
	if (a.Until == nil) != (b.Until == nil) || a.Until != nil && !a.Until.Equal(*b.Until) {
		return false
	}
	a.Until, b.Until = nil, nil
	return a == b
}
