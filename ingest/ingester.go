package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest/spool"
)

// The reasons for which the ingester closes a room.
var (
	errUnwanted  = errors.New("the row was disabled, deleted or is outside its times")
	errLeaseLost = errors.New("the lease was lost: Postgres could not be asked in time, or another worker has the room")
	// errHandedOver is that of errGivenBack too.
	errHandedOver = errors.New("handed over to another worker, which has room to spare")
	errGivenBack  = fmt.Errorf("given back before it was heard: %w", errHandedOver)
	errSpoolFull  = errors.New("the spool is full: ClickHouse is not taking rows fast enough")
	errStopping   = errors.New("the worker is stopping")
)

// Options are what an Ingester works with. The parts stay the caller's to
// close, after Run has returned.
type Options struct {
	Lives     *Lives
	Spool     *spool.Spool
	Warehouse warehouse
	// Gifts is where the catalogue of gifts is kept; nil: it is not.
	Gifts  giftStore
	Client *Client
	// MaxRooms is how many rooms this worker holds at most.
	MaxRooms int
	// PollEvery is how often lives is asked for new and changed rows.
	PollEvery time.Duration
	// SpoolBytes is the spool's bound. From 90 % of it no room is held, until
	// it has fallen to 70 %. 0: no bound.
	SpoolBytes int64
	// HandoverTimeout bounds how long Run waits, once it has stopped taking, for
	// other workers to take over the rooms that it hears; the rest is left.
	HandoverTimeout time.Duration
	// DrainTimeout bounds how long Run waits for the spool to empty into
	// ClickHouse once it has stopped taking; the rest is loaded at the next start.
	DrainTimeout time.Duration
	// Pseudonyms is the key of those that people are replaced by; nil: they are
	// not.
	Pseudonyms *PseudonymKey
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Ingester watches the rooms of lives: it claims rows, holds one socket a room
// and loads what arrives into ClickHouse.
type Ingester struct {
	o        Options
	frames   *spooledFrames
	coverage *coverageLog
	sockets  *connector
	metrics  *Metrics
	wake     chan struct{}  // a hint that lives has changed
	ended    chan *holding  // holdings whose room has returned
	ready    atomic.Bool    // the last poll of lives succeeded
	changes  pendingChanges // room states on their way to live_state

	// For people who look.
	activities activities
	taps       taps
	looked     *lookedAt // what rooms append to

	// Owned by the goroutine of Run.
	holdings map[int64]*holding // by row
	paused   error              // why nothing is claimed
	leaving  bool               // no room is to be held any more
	giving   bool               // has more than its share, and gives it back
	offered  int                // rooms that others may take over, as of the last poll
	failed   error              // why Run must end

	trusted   time.Time // until when the lease is trusted, and with it all holdings that are owned
	unrenewed bool      // the last try to renew it has failed
	offeredAt time.Time // when rooms were last offered to others, or offers taken back
	polled    time.Time // when lives was last polled
	workers   []string  // who there was then, as News tells it
	garbage   garbage
}

// NewIngester makes an Ingester; nothing runs before Run.
func NewIngester(o Options) *Ingester {
	i := &Ingester{
		o:        o,
		frames:   newSpooledFrames(o.Spool),
		sockets:  newConnector(o.Client.origin(), o.Client.userAgent, defaultTiming()),
		metrics:  NewMetrics(o.Registerer),
		wake:     make(chan struct{}, 1),
		ended:    make(chan *holding, o.MaxRooms), // so that none waits for a Run that has returned
		holdings: make(map[int64]*holding),
	}
	i.looked = &lookedAt{i.frames, &i.activities, &i.taps}
	i.coverage = newCoverageLog(i.frames, o.Lives.worker, i.metrics, o.Logger)
	i.metrics.watchSpool(o.Registerer, o.Spool)
	o.Registerer.MustRegister(newAccountsCollector(o.Client.accounts))
	return i
}

// Ready says whether rooms are being claimed: the last poll of lives succeeded
// and nothing holds the worker back.
func (i *Ingester) Ready() bool { return i.ready.Load() }

// Run works until taking is done: then it leaves the rooms, gives back its
// leases and loads what is in the spool. It returns early when working is done;
// what is then in the spool is loaded by the next Run. The error is ErrNameTaken
// when another process works under the worker's name.
func (i *Ingester) Run(taking, working context.Context) (err error) {
	if i.trusted, err = i.o.Lives.Register(taking, i.capacity()); err != nil {
		return err
	}
	loading, stopLoading := context.WithCancelCause(working)
	defer stopLoading(nil)
	loaded := make(chan error, 1)
	go func() {
		loader := NewLoader(i.o.Spool, i.o.Warehouse, i.metrics, i.o.Logger)
		loader.Pseudonymize(i.o.Pseudonyms)
		loader.decoded = i.activities.decoded
		loaded <- loader.Run(loading)
	}()
	// The connection that listens also keeps the worker's name, until the rooms
	// are left.
	listen, stopListening := context.WithCancel(working)
	defer stopListening()
	var listening sync.WaitGroup
	listening.Go(func() { i.o.Lives.Listen(listen, i.wakeUp) })
	accounts := accountsTender{client: i.o.Client, lives: i.o.Lives, logger: i.o.Logger}
	listening.Go(func() { accounts.run(listen, working) })
	// Reading the lists of gifts ends before the rooms are left.
	reading, stopReading := context.WithCancel(taking)
	defer stopReading()
	if i.o.Gifts != nil {
		gifts := catalogue{client: i.o.Client, lives: i.o.Lives, store: i.o.Gifts, logger: i.o.Logger}
		listening.Go(func() { gifts.run(reading) })
	}

	failed := i.claimRooms(taking, loaded)
	stopReading()
	if failed == nil && i.failed == nil && i.o.HandoverTimeout > 0 {
		failed = i.handOver(working, loaded)
	}
	i.leave(working)
	stopListening()
	listening.Wait()
	if failed != nil {
		return fmt.Errorf("loading the spool: %w", failed)
	}
	return errors.Join(i.failed, i.drain(working, loaded, stopLoading))
}

// claimRooms claims and closes rooms until taking is done, Run must end, or the
// loader has failed, with the error that it answers.
func (i *Ingester) claimRooms(taking context.Context, loaded <-chan error) error {
	i.poll(taking)
	return i.keepPolling(taking, loaded, func() bool { return i.failed == nil })
}

// handOver has other workers take over the rooms that are heard, so that nothing
// is missed because this one stops, for as long as they take any.
func (i *Ingester) handOver(working context.Context, loaded <-chan error) error {
	ctx, cancel := context.WithTimeout(working, i.o.HandoverTimeout)
	defer cancel()
	i.leaving = true
	i.renew(ctx) // so that the others see that its rooms are theirs to take
	i.poll(ctx)
	return i.keepPolling(ctx, loaded, func() bool { return i.failed == nil && i.offered > 0 })
}

// keepPolling polls and renews the lease while there is reason to, until ctx is
// done or the loader has failed, with the error that it answers. A renewal that
// has failed is tried again with each poll: until the next one is due the lease
// may have ended.
func (i *Ingester) keepPolling(ctx context.Context, loaded <-chan error, reason func() bool) error {
	poll := time.NewTicker(i.o.PollEvery)
	defer poll.Stop()
	renew := time.NewTicker(i.o.Lives.Lease() / 3)
	defer renew.Stop()
	for reason() {
		select {
		case <-renew.C:
			// Before anything else: a poll can take long, and the next one be due
			// when it is over.
			i.renew(ctx)
		default:
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-loaded:
			return err
		case h := <-i.ended:
			delete(i.holdings, h.live.ID)
		case <-renew.C:
			i.renew(ctx)
		case <-i.wake:
			i.poll(ctx)
		case <-poll.C:
			if i.unrenewed {
				i.renew(ctx)
			}
			i.glance(ctx)
		}
	}
	return nil
}

// poll is one look at lives: states are told, unwanted rooms closed, due ones
// claimed, those beyond the fair share given to others.
func (i *Ingester) poll(ctx context.Context) {
	i.polled = time.Now()
	i.coverage.retry()
	err := errors.Join(i.takeOver(ctx), i.tellStates(ctx), i.closeUnwanted(ctx))
	if err == nil {
		err = i.share(ctx)
	}
	i.garbage.hold(len(i.holdings))
	was := i.ready.Swap(err == nil)
	switch {
	case ctx.Err() != nil:
	case err != nil && was:
		i.o.Logger.Error("no rooms are being claimed", "rooms", len(i.holdings), "err", err)
	case err == nil && !was:
		i.o.Logger.Info("claiming rooms", "rooms", len(i.holdings))
	}
}

func (i *Ingester) closeUnwanted(ctx context.Context) error {
	if len(i.holdings) == 0 {
		return nil
	}
	unwanted, lost, err := i.o.Lives.Unwanted(ctx, i.epochs(func(*holding) bool { return true }))
	for _, id := range unwanted {
		i.holdings[id].leave(errUnwanted)
	}
	for _, id := range lost {
		i.holdings[id].lose()
	}
	return err
}

// epochs has the epoch by row ID of the holdings that are chosen.
func (i *Ingester) epochs(choose func(*holding) bool) map[int64]int64 {
	epochs := make(map[int64]int64, len(i.holdings))
	for id, h := range i.holdings {
		if choose(h) {
			epochs[id] = h.live.Epoch
		}
	}
	return epochs
}

// capacity is how many rooms this worker can hold now.
func (i *Ingester) capacity() int {
	if i.paused != nil || i.leaving {
		return 0
	}
	return i.o.MaxRooms
}

// heldBack says why no room may be held now, nil when they may. It depends on
// whether they were held back before.
func (i *Ingester) heldBack() error {
	bound := i.o.SpoolBytes
	if bound == 0 {
		return nil
	}
	stats := i.o.Spool.Stats()
	waiting := stats.Active.Bytes + stats.Sealed.Bytes
	switch {
	case waiting >= bound/10*9:
		return errSpoolFull
	case waiting <= bound/10*7:
		return nil
	}
	return i.paused
}

// renew renews the lease. What is not this worker's any more is trusted for as long
// as it was: a poll tells whether another worker has it or nobody wants it. What
// it was about to take over may be its own by now, if the answer was lost.
func (i *Ingester) renew(ctx context.Context) {
	lost, trustedUntil, err := i.o.Lives.Renew(ctx, i.epochs(func(*holding) bool { return true }), i.capacity())
	switch {
	case errors.Is(err, ErrNameTaken):
		i.failed = err
	case ctx.Err() != nil:
	case err != nil && !i.unrenewed:
		i.o.Logger.Error("the lease cannot be renewed; rooms are closed when it ends", "rooms", len(i.holdings), "err", err)
	case err == nil && i.unrenewed:
		i.o.Logger.Info("the lease is renewed again", "rooms", len(i.holdings))
	}
	i.unrenewed = err != nil
	if err != nil {
		return
	}
	i.trusted = trustedUntil
	slices.Sort(lost)
	for id, h := range i.holdings {
		switch _, gone := slices.BinarySearch(lost, id); {
		case !gone:
			h.taken = true
			h.trust(trustedUntil)
		case h.owned():
			i.wakeUp()
		}
	}
}

// leave closes all rooms, waits for them and gives them back. When working is done
// it waits for nothing: the lease ends by itself.
func (i *Ingester) leave(working context.Context) {
	i.ready.Store(false)
	for _, h := range i.holdings {
		h.leave(errStopping)
	}
	i.leaving = true
	i.renew(working) // so that the others see that its rooms are theirs to take
	for len(i.holdings) > 0 {
		select {
		case h := <-i.ended:
			delete(i.holdings, h.live.ID)
		case <-working.Done():
			i.o.Logger.Warn("stopped at once; the lease ends by itself", "rooms", len(i.holdings))
			return
		}
	}
	if waiting := i.coverage.retry(); waiting > 0 {
		i.o.Logger.Error("the spool takes no records: the table coverage will not say how these sessions ended", "sessions", waiting)
	}
	if err := i.tellStates(working); err != nil {
		i.o.Logger.Warn("the last states of rooms could not be told", "err", err)
	}
	if err := i.o.Lives.ReleaseRest(working); err != nil {
		i.o.Logger.Warn("rooms could not be given back; the lease ends by itself", "err", err)
	}
	if err := i.o.Lives.Unregister(working); err != nil {
		i.o.Logger.Warn("the others count this worker until its registration ends by itself", "err", err)
	}
}

// errDrainTimeout ends loading when ClickHouse does not take rows in time.
var errDrainTimeout = errors.New("drain timeout")

// drain loads what is in the spool, for at most DrainTimeout.
func (i *Ingester) drain(working context.Context, loaded <-chan error, stopLoading context.CancelCauseFunc) error {
	if err := i.o.Spool.Drain(); err != nil { // the loader seals it, as soon as the disk lets it
		i.o.Logger.Error("the spool cannot be sealed; check the disk; it is tried again", "err", err)
	}
	timeout := time.AfterFunc(i.o.DrainTimeout, func() { stopLoading(errDrainTimeout) })
	defer timeout.Stop()
	err := <-loaded
	if err == nil {
		return nil
	}
	stats := i.o.Spool.Stats()
	i.o.Logger.Warn("stopped before ClickHouse had taken everything; the rest is in the spool and is loaded at the next start",
		"segments", stats.Sealed.Segments, "bytes", stats.Sealed.Bytes)
	if errors.Is(err, context.Canceled) && (working.Err() != nil || !timeout.Stop()) {
		return nil
	}
	return fmt.Errorf("loading the spool: %w", err)
}

// wakeUp asks for a poll now.
func (i *Ingester) wakeUp() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}
