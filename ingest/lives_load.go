package ingest

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// overdueAfter is how long a due slot is left to the workers whose share it
// belongs to. After that any worker with a place free may take it: they may be
// full of other slots of the same live, or not get on.
const overdueAfter = 5 * time.Second

// Of the slots that nobody holds only those count that a worker could hold: a
// worker takes one of a live.
const loadSQL = `
WITH ` + freeSQL + `, alive AS (
	SELECT name, capacity, exits, lease_until FROM workers WHERE lease_until > now()
), taken AS (
	SELECT w.name, count(*) AS held, 0 AS entering FROM live_state s JOIN alive w ON w.name = s.owner WHERE ` + slotHeld + ` GROUP BY w.name
	UNION ALL
	SELECT successor, 0, count(*) FROM live_state WHERE offered AND successor_until > now() GROUP BY successor
), due AS (
	SELECT count(*) AS due, count(*) FILTER (WHERE ` + slotDueAt + ` <= now() - $1::interval) AS overdue
	FROM free f JOIN live_state s ON s.live = f.live AND s.slot = f.slot JOIN lives l ON l.id = s.live LEFT JOIN workers w ON w.name = s.owner
	WHERE ` + slotDueAt + ` <= now() AND ` + slotWanted + ` AND s.slot < (SELECT count(*) FROM alive WHERE capacity > 0)
)
SELECT a.name, a.capacity, a.exits, coalesce(sum(t.held), 0)::bigint, coalesce(sum(t.entering), 0)::bigint, due.due, due.overdue
FROM due CROSS JOIN alive a LEFT JOIN taken t USING (name)
GROUP BY a.name, a.capacity, a.exits, due.due, due.overdue`

// Load is who there is to hold slots and what there is to be held.
type Load struct {
	Workers []WorkerLoad
	// Due are slots that nobody holds and that should be held now; Overdue are
	// those of them that have been due for long.
	Due, Overdue int
	// Exits are the addresses that each worker's calls come from, by its name; see
	// Lives.TellExits.
	Exits map[string][]string
}

// WorkerLoad is a worker that is alive, or was when it last renewed its leases.
type WorkerLoad struct {
	Name     string
	Capacity int
	Held     int // slots that it owns
	Entering int // slots that it is about to take over from their owners
}

// Load looks at all workers and slots.
func (l *Lives) Load(ctx context.Context) (load Load, err error) {
	err = l.call(ctx, "looking at the load of the workers", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, loadSQL, overdueAfter)
		if err != nil {
			return err
		}
		var w WorkerLoad
		var exits []string
		load.Exits = make(map[string][]string)
		_, err = pgx.ForEachRow(rows, []any{&w.Name, &w.Capacity, &exits, &w.Held, &w.Entering, &load.Due, &load.Overdue}, func() error {
			load.Workers, load.Exits[w.Name] = append(load.Workers, w), slices.Clone(exits)
			return nil
		})
		return err
	})
	return load, err
}

// registered says whether a worker is among those that are alive.
func (l Load) registered(worker string) bool {
	for _, w := range l.Workers {
		if w.Name == worker {
			return true
		}
	}
	return false
}

// share is how many slots a worker should hold: of all that are held or due, as
// large a part as its capacity is of everybody's, rounded up so that the shares
// together are enough. It is more than the capacity when there are more slots
// than places, and 0 for a worker that is not registered.
func (l Load) share(worker string) int {
	demand, places, own := l.Due, 0, 0
	for _, w := range l.Workers {
		demand += w.Held
		places += w.Capacity
		if w.Name == worker {
			own = w.Capacity
		}
	}
	if places == 0 {
		return 0
	}
	return int((int64(demand)*int64(own) + int64(places) - 1) / int64(places))
}

// room answers the workers other than one that have less than their share, and
// how many more slots they can take together, what is due aside.
func (l Load) room(other string) (names []string, places int) {
	for _, w := range l.Workers {
		free := min(w.Capacity, l.share(w.Name)) - w.Held - w.Entering
		if w.Name != other && free > 0 {
			names = append(names, w.Name)
			places += free
		}
	}
	return names, max(0, places-l.Due)
}
