package migrations

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	gocmp "github.com/google/go-cmp/cmp"
)

// tick is a row of gifts.
type tick struct {
	at       time.Time
	id       uint64
	mergeKey string
	gift     uint32
	batch    uint32
	count    uint32
	price    uint32 // as the feed told it
	rank     uint32
	sender   uint64
}

// given is a row of the view gift_combos.
type given struct {
	MergeKey    string
	Combo       uint64
	ComboCount  uint32
	Gifts       uint64
	Value       uint64
	PriceSource string
	First, Last int64 // Unix ms
	FromStart   bool
}

const giftLive, giftStream = "3xgifts00000000", "gifts-00001"

// Whatever is lost in the middle, repeated, late, or inserted again, what a combo
// is worth is its batch times its largest count; the sum of what ticks add is the
// same, and a sum of counts is not.
func TestGiftCombos(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	_, dsn := migrated(t)
	conn := open(t, dsn)
	ticks, want := randomCombos(random, 300)
	random.Shuffle(len(ticks), func(i, j int) { ticks[i], ticks[j] = ticks[j], ticks[i] })
	for len(ticks) > 0 { // inserts of any size, and some of them twice
		n := min(1+random.IntN(200), len(ticks))
		insertTicks(t, conn, ticks[:n])
		if random.IntN(2) == 0 {
			insertTicks(t, conn, ticks[:1+random.IntN(n)])
		}
		ticks = ticks[n:]
	}

	got := query[given](t, conn, `
		SELECT merge_key AS MergeKey, combo AS Combo, combo_count AS ComboCount, gifts AS Gifts, value AS Value, price_source AS PriceSource,
			toUnixTimestamp64Milli(first_tick) AS First, toUnixTimestamp64Milli(last_tick) AS Last, beginning_heard AS FromStart
		FROM gift_combos`)
	for _, all := range [][]given{got, want} {
		slices.SortFunc(all, func(a, b given) int {
			return cmp.Or(cmp.Compare(a.MergeKey, b.MergeKey), cmp.Compare(a.Combo, b.Combo))
		})
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}

	var gifts, value, naive uint64
	for _, g := range want {
		gifts, value = gifts+g.Gifts, value+g.Value
	}
	var sums [3]uint64
	if err := conn.QueryRow(t.Context(), "SELECT sum(gifts), sum(value), sum(toUInt64(batch_size) * combo_count) FROM gift_ticks").Scan(&sums[0], &sums[1], &sums[2]); err != nil {
		t.Fatal(err)
	}
	if naive = sums[2]; sums[0] != gifts || sums[1] != value || naive <= gifts {
		t.Errorf("the ticks add up to %d gifts for %d, and their counts to %d; want %d for %d, and more", sums[0], sums[1], naive, gifts, value)
	}
}

// randomCombos are the ticks that were heard of combos by many senders, and what
// each combo is worth.
func randomCombos(random *rand.Rand, senders int) (ticks []tick, want []given) {
	id := uint64(0)
	for sender := range uint64(senders) {
		gift := tick{gift: uint32(sender % 7), batch: []uint32{1, 1, 10, 66}[random.IntN(4)], sender: 1000 + sender}
		comboKey, combos := "0", 1+random.IntN(4)
		if random.IntN(2) == 0 {
			comboKey, combos = fmt.Sprintf("kq%04d_1694180000000", sender), 1
		}
		gift.mergeKey = fmt.Sprintf("%d-%s-%d-%d", gift.sender, comboKey, gift.gift, gift.batch)
		source := []string{"feed", "rank", "unknown"}[random.IntN(3)]
		at := time.UnixMilli(1_780_000_000_000 + random.Int64N(int64(time.Hour/time.Millisecond)))
		for number := range combos {
			heard := gift.heard(random, at, source)
			worth := given{
				MergeKey: gift.mergeKey, Combo: uint64(number + 1), PriceSource: source,
				First: heard[0].at.UnixMilli(), Last: heard[len(heard)-1].at.UnixMilli(), FromStart: heard[0].count == 1,
			}
			for i := range heard {
				id++
				heard[i].id = id
				worth.ComboCount = max(worth.ComboCount, heard[i].count)
			}
			worth.Gifts = uint64(gift.batch) * uint64(worth.ComboCount)
			if source != "unknown" {
				worth.Value = worth.Gifts * 20
			}
			if source == "rank" && gift.batch > 1 {
				worth.PriceSource, worth.Value = "unknown", 0
			}
			ticks, want = append(ticks, heard...), append(want, worth)
			at = heard[len(heard)-1].at.Add(300*time.Second + time.Duration(1+random.Int64N(1e6))*time.Millisecond)
		}
	}
	return ticks, want
}

// heard are the ticks of one combo that were: some are lost, and some come after
// later ones. The price comes with one of them.
func (gift tick) heard(random *rand.Rand, at time.Time, source string) []tick {
	var heard []tick
	for count := range uint32(1 + random.IntN(30)) {
		at = at.Add(time.Duration(random.Int64N(10_000)) * time.Millisecond)
		gift.at, gift.count, gift.rank = at, count+1, 0
		if source == "rank" {
			gift.rank = 21
		}
		if random.IntN(4) > 0 {
			heard = append(heard, gift)
		}
	}
	if len(heard) == 0 {
		heard = []tick{gift}
	}
	for range len(heard) / 4 {
		i, j := random.IntN(len(heard)), random.IntN(len(heard))
		heard[i].count, heard[j].count = heard[j].count, heard[i].count
	}
	if source == "feed" {
		heard[random.IntN(len(heard))].price = 20
	}
	return heard
}

func insertTicks(t *testing.T, conn driver.Conn, ticks []tick) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), `INSERT INTO gifts
		(live_id, live_stream_id, event_time, received_at, event_id, origin_user_id, gift_id, merge_key, batch_size, combo_count, unit_price, rank, expire_duration)`)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range ticks {
		if err := batch.Append(giftLive, giftStream, g.at, g.at, g.id, g.sender, g.gift, g.mergeKey, g.batch, g.count, g.price, g.rank, uint64(300_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// query reads rows into structs by the names of their fields.
func query[T any](t *testing.T, conn driver.Conn, sql string) []T {
	t.Helper()
	var rows []T
	if err := conn.Select(t.Context(), &rows, sql); err != nil {
		t.Fatal(err)
	}
	return rows
}
