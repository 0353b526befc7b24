package migrations

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var historyStart = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// historyRow are the first columns of a row: who did something where and when,
// minutes after the start.
func historyRow(live, stream string, minute, id int, user, name string) []any {
	at := historyStart.Add(time.Duration(minute) * time.Minute)
	return []any{live, stream, at, at, uint64(id), user, name}
}

const historyColumns = " (live_id, live_stream_id, event_time, received_at, event_id, user_id, user_name"

// insertHistory has Anna in two rooms under two names and Ben in one, half of it
// twice.
func insertHistory(t *testing.T, conn driver.Conn) {
	t.Helper()
	insertTwice(t, conn, "comments"+historyColumns+", content, show_type)", [][]any{
		append(historyRow("room-1", "s1", 0, 1, "anna", "安娜"), "你好", "normal"),
		append(historyRow("room-1", "s1", 9, 2, "anna", "安娜"), "再见", "normal"),
		append(historyRow("room-1", "s1", 9, 3, "anna", "安娜"), "安娜赞了这个直播", "hidden"),
		append(historyRow("room-1", "s2", 100, 4, "anna", "安娜二号"), "我来了", "normal"),
		append(historyRow("room-2", "s3", 200, 5, "anna", "安娜二号"), "你好", "normal"),
		append(historyRow("room-1", "s1", 5, 6, "ben", "本"), "666", "normal"),
	})
	insertTwice(t, conn, "gifts"+historyColumns+", gift_id, gift_name, unit_price, merge_key, batch_size, combo_count)", [][]any{
		append(historyRow("room-1", "s1", 9, 1, "anna", "安娜"), uint32(9), "啤酒", uint32(10), "7-kq_1-9-1", uint32(1), uint32(1)),
		append(historyRow("room-1", "s1", 9, 2, "anna", "安娜"), uint32(9), "啤酒", uint32(10), "7-kq_1-9-1", uint32(1), uint32(3)),
	})
	insertTwice(t, conn, "entries"+historyColumns+", display_text)", [][]any{
		append(historyRow("room-1", "s1", 4, 1, "ben", "本"), "骑着白马来了"),
		append(historyRow("room-1", "s1", 8, 2, "cleo", "克"), "驾到"),
	})
	insertTwice(t, conn, "shares"+historyColumns+")", [][]any{historyRow("room-1", "s1", 9, 1, "ben", "本")})
	insertTwice(t, conn, "likes"+historyColumns+")", [][]any{historyRow("room-1", "s1", 9, 1, "anna", "安娜")})
}

// Where somebody was, under which names, and from when to when.
func TestUserHistory(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	insertHistory(t, conn)
	minutes := func(column string) string {
		return fmt.Sprintf("dateDiff('minute', toDateTime('%s', 'UTC'), %s)", historyStart.Format(time.DateTime), column)
	}
	const anna = " FROM user_names WHERE user_id = 'anna'"
	compare(t, conn, "names", "SELECT concat(live_id, ' ', user_name), comments"+anna, map[string]uint64{"room-1 安娜": 2, "room-1 安娜二号": 1, "room-2 安娜二号": 1})
	compare(t, conn, "gifts", "SELECT concat(live_id, ' ', user_name), gift_ticks"+anna, map[string]uint64{"room-1 安娜": 2, "room-1 安娜二号": 0, "room-2 安娜二号": 0})
	compare(t, conn, "since", "SELECT concat(live_id, ' ', user_name), "+minutes("first_seen")+anna, map[string]uint64{"room-1 安娜": 0, "room-1 安娜二号": 100, "room-2 安娜二号": 200})

	compare(t, conn, "came", "SELECT concat(live_stream_id, ' ', user_id), "+minutes("first_seen")+" FROM presence", map[string]uint64{"s1 anna": 0, "s2 anna": 100, "s3 anna": 200, "s1 ben": 4, "s1 cleo": 8})
	compare(t, conn, "left", "SELECT concat(live_stream_id, ' ', user_id), "+minutes("last_seen")+" FROM presence", map[string]uint64{"s1 anna": 9, "s2 anna": 100, "s3 anna": 200, "s1 ben": 9, "s1 cleo": 8})
	compare(t, conn, "signs", "SELECT concat(live_stream_id, ' ', user_id), comments + 10 * gift_ticks + 100 * likes + 1000 * shares + 10000 * entries FROM presence",
		map[string]uint64{"s1 anna": 122, "s2 anna": 1, "s3 anna": 1, "s1 ben": 11001, "s1 cleo": 10000})
	at := historyStart.Add(6 * time.Minute).Format(time.DateTime)
	compare(t, conn, "there then", "SELECT user_id, comments FROM presence WHERE live_id = 'room-1' AND first_seen <= '"+at+"' AND last_seen >= '"+at+"'", map[string]uint64{"anna": 2, "ben": 1})
}

// What happened in the minute before: everything but what was hidden, once.
func TestMoment(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	insertHistory(t, conn)
	in := func(minute int) string {
		return fmt.Sprintf("moment(live = 'room-1', at = toDateTime64('%s', 3, 'UTC'), seconds = 60)", historyStart.Add(time.Duration(minute)*time.Minute).Format(time.DateTime))
	}
	compare(t, conn, "the ninth minute", "SELECT concat(kind, ' ', user_name, ' ', text), 1 FROM "+in(9), map[string]uint64{
		"comment 安娜 再见": 1, "gift 安娜 啤酒 ×1": 1, "gift 安娜 啤酒 ×2": 1, "share 本 ": 1,
	})
	compare(t, conn, "how much", "SELECT kind, count() FROM "+in(9)+" GROUP BY kind", map[string]uint64{"comment": 1, "gift": 2, "share": 1})
	compare(t, conn, "the eighth", "SELECT concat(kind, ' ', user_name, ' ', text), 1 FROM "+in(8), map[string]uint64{"entry 克 驾到": 1})
	compare(t, conn, "the seventh", "SELECT kind, count() FROM "+in(7)+" GROUP BY kind", map[string]uint64{})
}
