package ingest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// catalogueLook is how often it is asked whether the lists are due.
	catalogueLook = 30 * time.Second
	// catalogueEvery is how often the lists are read when all is well. After a
	// failure it is sooner: catalogueRetry, which doubles each time up to
	// catalogueEvery.
	catalogueEvery = 24 * time.Hour
	catalogueRetry = 30 * time.Minute
	// storeRetry is when it is tried again after ClickHouse was away. Kuaishou is
	// asked only when it is there.
	storeRetry = time.Minute
	// storeTime is for how long what was read is offered to ClickHouse.
	storeTime = 2 * time.Minute
	// unpricedLook is how often it is looked for gifts that no list had, and
	// catalogueAgain is the least time between two readings for their sake.
	unpricedLook   = time.Hour
	catalogueAgain = 6 * time.Hour
	// catalogueTime bounds one reading: each of at most three calls waits for its
	// turn behind the rooms.
	catalogueTime = 4 * time.Hour
)

// catalogue keeps the table gift_catalogue: what gifts are called and cost, with
// the history. It asks Kuaishou two or three calls a day, of all workers only one,
// and never while a room waits for its turn.
//
// Its rows do not go through the spool, since they are no frames and can be asked
// for again: what a worker that dies has read and not stored, the next one reads.
// Each reading stores only what is not known, so that none is stored twice.
//
// It belongs to the goroutine of run.
type catalogue struct {
	client *Client
	lives  *Lives
	store  giftStore
	logger *slog.Logger

	looked time.Time // when it was last looked for gifts that no list had
	told   time.Time // when trouble with the databases was last logged
}

// run keeps the catalogue until ctx is done.
func (k *catalogue) run(ctx context.Context) {
	k.looked = time.Now()
	for {
		if err := k.tend(ctx); ctx.Err() == nil {
			k.trouble(err)
		}
		if !sleep(ctx, catalogueLook) {
			return
		}
	}
}

// trouble logs what keeps the catalogue from being kept, once an hour.
func (k *catalogue) trouble(err error) {
	if err != nil && time.Since(k.told) >= time.Hour {
		k.told = time.Now()
		k.logger.Warn("the catalogue of gifts is not kept up to date; it is tried again", "err", err)
	}
}

// tend looks once whether there is something to do, and does it. What Kuaishou
// answers is no error.
func (k *catalogue) tend(ctx context.Context) error {
	if time.Since(k.looked) >= unpricedLook {
		if err := k.lookForUnpriced(ctx); err != nil {
			return err
		}
		k.looked = time.Now()
	}
	due, err := k.lives.claimGifts(ctx)
	if err != nil || due == nil {
		return err
	}
	reading, cancel := context.WithTimeout(ctx, catalogueTime)
	defer cancel()
	read, err := k.refresh(reading, *due)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // the claim ends with this worker's registration
		}
		read.reason, read.wait = "a database did not answer as it should; the log of the worker says more", storeRetry
		if read.asked { // and is not to be asked again so soon
			read.wait = retryWait(due.failures)
		}
	}
	// What was read and stored is told also when the worker is stopping by now, or the
	// next one would read it again.
	if told := k.lives.tellGifts(context.WithoutCancel(ctx), read); told != nil {
		return told
	}
	return err
}

// lookForUnpriced has the lists read early when something was given of which
// none had a price.
func (k *catalogue) lookForUnpriced(ctx context.Context) error {
	ids, err := k.store.UnpricedGifts(ctx, time.Since(k.looked)+time.Minute)
	if err != nil || len(ids) == 0 {
		return err
	}
	hastened, err := k.lives.hastenGifts(ctx, ids, catalogueAgain)
	if hastened {
		k.logger.Info("gifts were given that are in no list; the lists are read early", "gifts", len(ids))
	}
	return err
}

// refresh reads the lists and stores what is new. The error is that of a
// database.
func (k *catalogue) refresh(ctx context.Context, due giftsDue) (giftsRead, error) {
	known, err := k.store.KnownGifts(ctx)
	if err != nil {
		return giftsRead{}, err
	}
	read := giftsRead{asked: true}
	prices, err := k.readPrices(ctx, due, known)
	if err != nil {
		return read, err
	}
	fresh := news(prices.gifts, known)
	var first []uint32
	for _, g := range fresh {
		if !known[g.id].priced {
			first = append(first, g.id)
		}
		known[g.id] = g
	}
	if !prices.slowed {
		names := k.client.giftList(ctx, giftNameList, onAir{})
		if names.state != StateLive {
			k.logger.Warn("no names of gifts were read", "list", giftNameList, "reason", names.reason)
		}
		fresh = append(fresh, news(names.gifts, known)...)
	}
	if err := k.keep(ctx, fresh, first); err != nil {
		return read, err
	}
	read.source, read.gifts, read.reason = prices.source, len(prices.gifts), strings.Join(prices.reasons, "; ")
	if prices.source != "" {
		read.reason, read.wait = "", jittered(catalogueEvery, 0.1)
		k.logger.Info("the list of gifts was read", "list", read.source, "gifts", read.gifts, "new", len(fresh))
	} else {
		read.wait = max(retryWait(due.failures), prices.retryAfter)
		k.logger.Warn("no prices of gifts were read; those known before hold on", "reason", read.reason, "next", time.Now().Add(read.wait).UTC())
	}
	return read, nil
}

// keep stores what is new; first are the gifts among it whose price was not known
// before, and of which sums without it may have been made.
func (k *catalogue) keep(ctx context.Context, fresh []gift, first []uint32) error {
	if len(fresh) == 0 {
		return nil
	}
	token, at := "gift_catalogue/"+rand.Text(), time.Now()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if len(first) > 0 { // before the prices: said once too often does no harm
			if err := k.store.PriceChanged(ctx, first); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, k.store.StoreGifts(ctx, token, at, fresh)
	}, backoff.WithMaxElapsedTime(storeTime))
	return err
}

// retryWait is how long to wait after a failure that followed on others.
func retryWait(failures int) time.Duration {
	return jittered(min(catalogueRetry<<min(failures, 10), catalogueEvery), 0.2)
}
