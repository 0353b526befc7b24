package console

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// giftsFor is how long the names of gifts are used before they are read again.
const giftsFor = 10 * time.Minute

// giftNames are the names of gifts by ID, from the catalogue: feeds name few.
type giftNames struct {
	reading sync.Mutex // held while ClickHouse is asked

	mu    sync.Mutex // covers what follows
	names map[uint32]string
	read  time.Time // when it was last tried
}

// of answers the names as they were read last. They are read again when they are
// old; who comes meanwhile does not wait.
func (g *giftNames) of(ctx context.Context, c *Console) map[uint32]string {
	if g.old() && g.reading.TryLock() {
		defer g.reading.Unlock()
		names, err := c.readGiftNames(ctx)
		if err != nil {
			c.o.Logger.Warn("the names of gifts could not be read", "err", err)
		}
		g.keep(names)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.names
}

func (g *giftNames) old() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.read) > giftsFor
}

// keep keeps names; nil, that there are no newer ones.
func (g *giftNames) keep(names map[uint32]string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.read = time.Now()
	if names != nil {
		g.names = names
	}
}

func (c *Console) readGiftNames(ctx context.Context) (map[uint32]string, error) {
	release, ok := c.question(ctx)
	if !ok {
		return nil, ctx.Err()
	}
	defer release()
	return c.o.ClickHouse.GiftNames(ctx)
}

// giftName is what a gift is called: by the feed, by the catalogue, or its number.
func giftName(id uint32, said string, names map[uint32]string) string {
	if said = clean(said, 40); said != "" {
		return said
	}
	if name := clean(names[id], 40); name != "" {
		return name
	}
	return "#" + strconv.FormatUint(uint64(id), 10)
}
