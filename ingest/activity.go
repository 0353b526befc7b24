package ingest

import (
	"sync"
	"sync/atomic"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

const (
	// ActivityStep is the time that one number of Activity.Events is about.
	ActivityStep = 10 * time.Second
	// activitySteps are kept of each room: ten minutes.
	activitySteps = 60
)

// Activity is what a room of this worker has brought lately.
type Activity struct {
	// HeardAt is when its last message came, answers to heartbeats included.
	HeardAt time.Time
	// Events are the comments, gifts, likes and the like of the last ten minutes,
	// by the time of their receipt: one number for each ActivityStep, the oldest
	// first, the last for the step that is under way. They are counted when they
	// are decoded, so that they are late while ClickHouse does not take rows.
	Events [activitySteps]uint32
}

// Rate is events a second in the last minute that is over.
func (a Activity) Rate() float64 {
	const steps = int(time.Minute / ActivityStep)
	sum := uint32(0)
	for _, n := range a.Events[activitySteps-1-steps : activitySteps-1] {
		sum += n
	}
	return float64(sum) / time.Minute.Seconds()
}

// activities are those of the rooms that were heard in the last ten minutes, by
// live ID. It is safe for concurrent use.
type activities struct {
	mu    sync.RWMutex
	rooms map[string]*activity // guarded by mu
}

type activity struct {
	heardAt atomic.Int64 // Unix ms

	mu     sync.Mutex
	newest int64 // step of the latest event, counted from 1970; guarded by mu
	events [activitySteps]uint32
}

// heard notes that a frame came.
func (a *activities) heard(frame *kuaishou.Frame) { a.of(frame.LiveId).heardAt.Store(frame.ReceivedAt) }

// decoded notes how many events a frame brought.
func (a *activities) decoded(frame *kuaishou.Frame, events int) {
	if events > 0 && time.Since(time.UnixMilli(frame.ReceivedAt)) < activitySteps*ActivityStep {
		a.of(frame.LiveId).add(frame.ReceivedAt/ActivityStep.Milliseconds(), uint32(events))
	}
}

// of is the activity of a room. When it is a new one, those that are over are
// forgotten.
func (a *activities) of(liveID string) *activity {
	a.mu.RLock()
	one := a.rooms[liveID]
	a.mu.RUnlock()
	if one != nil {
		return one
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if one = a.rooms[liveID]; one != nil {
		return one
	}
	if a.rooms == nil {
		a.rooms = make(map[string]*activity)
	}
	over := time.Now().Add(-activitySteps * ActivityStep).UnixMilli()
	for id, other := range a.rooms {
		if other.heardAt.Load() < over {
			delete(a.rooms, id)
		}
	}
	one = new(activity)
	one.heardAt.Store(time.Now().UnixMilli())
	a.rooms[liveID] = one
	return one
}

func (a *activity) add(step int64, events uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forward(step)
	if step > a.newest-activitySteps {
		a.events[step%activitySteps] += events
	}
}

// forward empties the steps up to one. The caller holds mu.
func (a *activity) forward(step int64) {
	for n := max(a.newest, step-activitySteps) + 1; n <= step; n++ {
		a.events[n%activitySteps] = 0
	}
	a.newest = max(a.newest, step)
}

func (a *activity) read(now time.Time) (read Activity) {
	read.HeardAt = time.UnixMilli(a.heardAt.Load())
	a.mu.Lock()
	defer a.mu.Unlock()
	last := now.UnixMilli() / ActivityStep.Milliseconds()
	a.forward(last)
	for i := range activitySteps {
		read.Events[i] = a.events[(last+1+int64(i))%activitySteps]
	}
	return read
}

// Activity is what a room has brought lately; the answer is false when this
// worker has not heard it in the last minutes.
func (i *Ingester) Activity(liveID string) (Activity, bool) {
	i.activities.mu.RLock()
	one := i.activities.rooms[liveID]
	i.activities.mu.RUnlock()
	if one == nil {
		return Activity{}, false
	}
	return one.read(time.Now()), true
}

// eventsIn counts what viewers did. A like counts by its hidden twin among the
// comments.
func eventsIn(b *schema.Batch) int {
	return len(b.Comments) + len(b.ComboComments) + len(b.Gifts) + len(b.Shares) + len(b.Notices) +
		len(b.Entries) + len(b.FanJoins) + len(b.RedPacks) + len(b.RoomEvents)
}
