package ingest

import (
	"context"
	"slices"
	"time"
)

// newsSQL looks at the few rows of workers, and else at nothing but the ends of
// indexes: what it costs does not grow with the rows of lives.
const newsSQL = `
SELECT EXISTS (SELECT FROM live_state WHERE owner IS NULL AND next_at <= now()) AS due,
	EXISTS (SELECT FROM live_state WHERE offered)
	OR EXISTS (
		SELECT FROM workers w CROSS JOIN LATERAL (
			SELECT FROM live_state s JOIN lives l ON l.id = s.live WHERE s.owner = w.name AND ` + slotDueAt + ` <= now() AND ` + slotWanted + ` LIMIT 1
		) free
		WHERE w.lease_until <= now()
	)
	OR EXISTS (
		SELECT FROM live_state s JOIN lives l ON l.id = s.live WHERE s.lease_until < 'infinity' AND s.lease_until <= now() AND ` + slotWanted + `
	)
	OR EXISTS (
		SELECT FROM lives l CROSS JOIN LATERAL (SELECT FROM live_state s WHERE s.live = l.id AND s.owner = $1 LIMIT 1) mine
		WHERE l.stop_at <= now() AND l.stop_at > now() - $2::interval
	) AS changing,
	ARRAY(SELECT format('%s %s %s %s', name, instance, capacity, lease_until > now()) FROM workers ORDER BY name) AS workers`

// closerLook is how often a worker polls although there seems to be nothing to do.
const closerLook = time.Minute

// News is what a worker must know to tell whether a closer look is worth it.
type News struct {
	// Due says that nobody holds some slot that may be due.
	Due bool
	// Changing says that slots are on offer, that a worker has died while it held
	// some that are wanted, or that a live of this one is to stop.
	Changing bool
	// Workers differ when workers have come, gone, or can hold another number.
	Workers []string
}

// News has a short look. What people change in lives is not in it: notifications
// tell that.
func (l *Lives) News(ctx context.Context) (news News, err error) {
	err = l.call(ctx, "looking for news of lives", func(ctx context.Context) error {
		return l.pool.QueryRow(ctx, newsSQL, l.worker, 2*closerLook).Scan(&news.Due, &news.Changing, &news.Workers)
	})
	return news, err
}

// glance polls when there may be something to do. Most of the time there is not,
// and what a poll costs Postgres grows with the rooms.
func (i *Ingester) glance(ctx context.Context) {
	news, err := i.o.Lives.News(ctx)
	if err == nil && i.idle(news) {
		i.coverage.retry()
		err = i.tellStates(ctx)
		if err == nil {
			return
		}
	}
	i.poll(ctx)
	i.workers = news.Workers
}

// idle says whether a poll would find nothing to do.
func (i *Ingester) idle(news News) bool {
	switch {
	case !i.ready.Load(), !i.o.Lives.Told(), time.Since(i.polled) >= closerLook,
		news.Changing, !slices.Equal(news.Workers, i.workers),
		news.Due && len(i.holdings) < i.o.MaxRooms,
		i.leaving, i.giving, i.offered > 0, i.paused != nil, i.heldBack() != nil:
		return false
	}
	for _, h := range i.holdings {
		if !h.owned() {
			return false
		}
	}
	return true
}
