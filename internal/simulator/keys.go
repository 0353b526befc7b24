package simulator

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"kslive/schema"
)

// key says which columns of a table make two rows the same: who it is about,
// when it happened, and every value that must arrive unaltered. The hash of a
// row and the SQL that computes the same hash are both made from it.
type key struct {
	table  string
	fields []keyField
}

type keyField struct {
	table string
	name  string
	index []int // of the row's struct
	kind  reflect.Type
}

// separator stands between the columns of a key.
const separator = '\x1f'

var (
	timeKind  = reflect.TypeFor[time.Time]()
	bytesKind = reflect.TypeFor[[]byte]()
)

// The user and audience columns of the tables that have them. Left out of all
// keys: what the decoder computes (event_id, received_at, the parsed message),
// and what the socket leaves empty (time). An event_time that is that of the
// receipt counts as 0: nobody can know it before.
const (
	userColumns     = "user_id user_name head_url mystery "
	audienceColumns = "fans_group_intimacy_level live_fans_group_intimacy_level wealth_grade audience_rank assistant_type fans_badge "
)

// keys holds one key a table, in the order of schema.Batch.
var keys = []key{
	keyOf[schema.Comment]("comments", userColumns+audienceColumns+
		"source id content show_type color device_hash sort_rank biz_type"),
	keyOf[schema.ComboComment]("combo_comments", "id content combo_count"),
	keyOf[schema.Gift]("gifts", userColumns+audienceColumns+
		"id gift_id gift_name unit_price merge_key batch_size combo_count rank expire_duration client_timestamp "+
		"slot_display_duration star_level style_type live_assistant_type device_hash danmaku_display sort_rank"),
	keyOf[schema.Like]("likes", userColumns+audienceColumns+"id device_hash sort_rank"),
	keyOf[schema.Share]("shares", userColumns+"id third_party_platform live_assistant_type device_hash sort_rank"),
	keyOf[schema.Notice]("notices", userColumns+"id content display_duration display_type sort_rank"),
	keyOf[schema.RoomStat]("room_stats", "payload_type display_watching_count watching_count watching_count_exact "+
		"display_like_count like_count pending_like_count push_interval"),
	keyOf[schema.Viewer]("viewers", userColumns+
		"position offline tuhao live_assistant_type display_ks_coin ks_coin ks_coin_exact"),
	keyOf[schema.Entry]("entries", "user_id origin_user_id user_name "+audienceColumns+
		"display_type display_text activity_biz animation_key animation_interval_millis extra_info"),
	keyOf[schema.Ranking]("rankings", "id notice_text need_fold display_user_name"),
	keyOf[schema.FanJoin]("fan_joins", "user_id origin_user_id user_name "+audienceColumns+"id device_hash join_source"),
	keyOf[schema.RedPack]("red_packs", userColumns+"id balance open_time current_time grab_token need_send_request "+
		"request_delay_millis luckiest_delay_millis cover_type"),
	keyOf[schema.RoomEvent]("room_events", "payload_type part"),
	keyOf[schema.Undecoded]("undecoded", "payload_type part payload"),
}

// keyOf is the key of a table made of its rows' common columns and those given.
// It panics when the row has no such column: keys is then out of step with
// package schema.
func keyOf[Row any](table, columns string) key {
	row := reflect.TypeFor[Row]()
	byName := make(map[string]reflect.StructField)
	for _, field := range reflect.VisibleFields(row) {
		byName[field.Tag.Get("json")] = field
	}
	k := key{table: table}
	for _, name := range strings.Fields("live_id live_stream_id event_time " + columns) {
		field, ok := byName[name]
		if !ok {
			panic(fmt.Sprintf("simulator: table %s has no column %s", table, name))
		}
		k.fields = append(k.fields, keyField{table, name, field.Index, field.Type})
	}
	return k
}

// hash is the 64-bit XXH64 of a row's key. row is a pointer to a struct of
// package schema.
func (k *key) hash(row reflect.Value) uint64 {
	buf := make([]byte, 0, 512)
	for i, field := range k.fields {
		if i > 0 {
			buf = append(buf, separator)
		}
		buf = field.append(buf, row.FieldByIndex(field.index))
	}
	return xxhash.Sum64(buf)
}

func (f keyField) append(buf []byte, value reflect.Value) []byte {
	switch {
	case f.kind == timeKind:
		at := value.Addr().Interface().(*time.Time)
		if at.IsZero() {
			return append(buf, '0')
		}
		return strconv.AppendInt(buf, at.UnixMilli(), 10)
	case f.kind == bytesKind:
		return strconv.AppendUint(buf, xxhash.Sum64(value.Bytes()), 10)
	case f.kind.Kind() == reflect.Bool:
		if value.Bool() {
			return append(buf, '1')
		}
		return append(buf, '0')
	case f.kind.Kind() == reflect.String:
		return append(buf, validText(value.String())...)
	default:
		return strconv.AppendUint(buf, value.Uint(), 10)
	}
}

// validText is the text as a row holds it.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// sql is the expression whose value is hash for a row in ClickHouse.
func (k *key) sql() string {
	columns := make([]string, len(k.fields))
	for i, field := range k.fields {
		columns[i] = field.sql()
	}
	return fmt.Sprintf(`xxHash64(concatWithSeparator('\x%02x', %s))`, separator, strings.Join(columns, ", "))
}

func (f keyField) sql() string {
	column := "`" + f.name + "`"
	switch {
	case f.table == "comments" && f.name == "source": // see pushed
		return "if(source = 'recall', if(segments = '', 'feed', 'rich_text'), source)"
	case f.table == "comments" && f.name == "id":
		return "if(source = 'recall' AND segments = '', '', id)"
	case f.name == "event_time":
		return "toString(if(event_time_source = 'received', 0, toUnixTimestamp64Milli(" + column + ")))"
	case f.kind == timeKind:
		return "toString(toUnixTimestamp64Milli(" + column + "))"
	case f.kind == bytesKind:
		return "toString(xxHash64(" + column + "))"
	case f.kind.Kind() == reflect.Bool:
		return "toString(toUInt8(" + column + "))"
	default:
		return "toString(" + column + ")"
	}
}

// query is the SQL that answers each hash stored in the table since a time,
// and how often. final asks what readers see, in the view that has each event
// once; without it rows count that the engine has yet to replace, but of a comment
// that was heard and recalled still one, since both rows stay. where is a further
// condition, which may be empty.
func (k *key) query(since time.Time, final bool, where string) string {
	table := k.table
	switch {
	case final:
		table += "_unique"
	case table == "comments":
		where += " AND (source != 'recall' OR (live_id, event_time, event_id) NOT IN (SELECT live_id, event_time, event_id FROM recalled_twins))"
	}
	return fmt.Sprintf("SELECT %s AS hash, count() AS count FROM %s WHERE event_time >= fromUnixTimestamp64Milli(%d)%s GROUP BY hash",
		k.sql(), table, since.UnixMilli(), where)
}
