package ingest

import (
	"fmt"
	"strings"
	"time"
)

// fillIn puts what a Lookback is about into a query.
func fillIn(query, liveID string, since, recent time.Time, step time.Duration) string {
	return strings.NewReplacer(
		"{live}", quoted(liveID), "{since}", timeSQL(since.UnixMilli()), "{recent}", timeSQL(recent.UnixMilli()),
		"{step}", fmt.Sprint(int(step.Seconds())),
		"{broadcasts}", "(SELECT live_stream_id FROM gifts WHERE live_id = "+quoted(liveID)+" AND event_time >= "+timeSQL(since.UnixMilli())+")",
	).Replace(query)
}

const lookTotals = `
SELECT comments, chatters, gifts, value, givers, missed
FROM (SELECT count() AS comments, uniqExactIf(user_id, user_id != '') AS chatters FROM comments_unique
	WHERE live_id = {live} AND event_time >= {since} AND show_type != 'hidden') AS said
CROSS JOIN (SELECT toUInt64(sum(g.gifts)) AS gifts, toUInt64(sum(g.value)) AS value, uniqExactIf(g.user_id, g.gifts > 0 AND g.user_id != '') AS givers FROM gift_ticks AS g
	WHERE live_id = {live} AND live_stream_id IN {broadcasts} AND event_time >= {since}) AS given
CROSS JOIN (SELECT coalesce(sum(dateDiff('millisecond', greatest(gap_start, {since}), coalesce(gap_end, now64(3)))), 0) / 1000 AS missed FROM gaps
	WHERE live_id = {live} AND on_air = 'known' AND coalesce(gap_end, now64(3)) > {since}) AS unheard`

const lookSteps = `
SELECT toStartOfInterval(minute, INTERVAL {step} SECOND) AS at, sum(n) AS comments, sum(v) AS value, max(w) AS watching
FROM
(
	SELECT minute, comments AS n, 0 AS v, 0 AS w FROM comments_rollup FINAL WHERE live_id = {live} AND minute >= {since} AND minute < {recent}
	UNION ALL
	SELECT minute, 0, value, 0 FROM gifts_rollup FINAL WHERE live_id = {live} AND minute >= {since} AND minute < {recent}
	UNION ALL
	SELECT minute, 0, 0, watching_max FROM watching_rollup FINAL WHERE live_id = {live} AND minute >= {since} AND minute < {recent}
	UNION ALL
	SELECT toStartOfMinute(event_time) AS minute, count(), 0, 0 FROM comments_unique
	WHERE live_id = {live} AND event_time >= {recent} AND show_type != 'hidden' GROUP BY minute
	UNION ALL
	SELECT toStartOfMinute(event_time) AS minute, 0, toUInt64(sum(g.value)), 0 FROM gift_ticks AS g
	WHERE live_id = {live} AND live_stream_id IN {broadcasts} AND event_time >= {recent} GROUP BY minute
	UNION ALL
	SELECT toStartOfMinute(event_time) AS minute, 0, 0, max(watching_count) FROM room_stats
	WHERE live_id = {live} AND event_time >= {recent} AND display_watching_count != '' GROUP BY minute
)
GROUP BY at ORDER BY at`

const lookGaps = `
SELECT gap_start, gap_end, seconds, cause, state, reason, on_air FROM gaps
WHERE live_id = {live} AND (gap_end IS NULL OR gap_end >= {since})
ORDER BY gap_start DESC LIMIT 50`

const lookChatters = `
SELECT argMax(c.user_name, c.event_time) AS user_name, user_id, count() AS number FROM comments_unique AS c
WHERE live_id = {live} AND event_time >= {since} AND show_type != 'hidden' AND user_id != ''
GROUP BY user_id ORDER BY number DESC, user_id LIMIT 10`

const lookGivers = `
SELECT argMax(g.user_name, g.event_time) AS user_name, user_id, toUInt64(sum(g.value)) AS number FROM gift_ticks AS g
WHERE live_id = {live} AND live_stream_id IN {broadcasts} AND event_time >= {since} AND user_id != ''
GROUP BY user_id HAVING number > 0 ORDER BY number DESC, user_id LIMIT 10`
