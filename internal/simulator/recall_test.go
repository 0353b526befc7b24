package simulator

import (
	"encoding/base64"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kslive/ingest"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// recalledRows are the comments later than the cursor that recall brings, as the
// ingester decodes them.
func recalledRows(t *testing.T, s *Simulator, room RoomState, cursor int64) []schema.Comment {
	t.Helper()
	number := strconv.FormatInt(cursor, 10)
	answer := parse[struct {
		Data struct {
			Result           int
			BackTraceFeedMap map[string]struct{ HistoryFeedList []string }
		}
	}](t, post(t, s.URL()+"/live_api/liveroom/recall",
		`{"liveStreamId":"`+room.LiveStreamID+`","feedTypeCursorMap":{"1":`+number+`,"2":`+number+`}}`))
	var batch schema.Batch
	decoder := ingest.NewDecoder(nil)
	for key, kind := range map[string]kuaishou.PayloadType{
		"1": kuaishou.PayloadType_SC_WEB_COMMENT_FEED, "2": kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE,
	} {
		for _, text := range answer.Data.BackTraceFeedMap[key].HistoryFeedList {
			payload, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			data, err := envelope(kind, payload, kuaishou.SocketMessage_NONE, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			frame := &kuaishou.Frame{LiveId: room.LiveID, LiveStreamId: room.LiveStreamID, ReceivedAt: time.Now().UnixMilli(), Data: data}
			decoder.Decode(frame, 0, &batch)
		}
	}
	return batch.Comments
}

// TestRecallIsInTheLedgerOnce recalls what the socket has brought, and what it
// has not: each comment is one.
func TestRecallIsInTheLedgerOnce(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Rate: 400, PushEvery: 10 * time.Millisecond})
	room, _ := s.Room(liveID)
	comments := &s.ledger.tables[entryOf(&schema.Comment{}).table]

	// Nobody is connected: the first call sets the room going.
	recalledRows(t, s, room, 0)
	var rows []schema.Comment
	eventually(t, "comments can be recalled", func() bool {
		rows = recalledRows(t, s, room, 0)
		return len(rows) >= 20
	})
	check := func(rows []schema.Comment) {
		t.Helper()
		sent := comments.snapshot()
		for i := range rows {
			if sent[entryOf(&rows[i]).hash].sent == 0 {
				t.Errorf("%q by %q is not in the ledger", rows[i].Content, rows[i].Source)
			}
		}
	}
	check(rows)

	// With a socket, most have been pushed before they are recalled.
	c := enter(t, s, liveID)
	for range 30 {
		c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	}
	s.StopPushing()
	before := comments.snapshot()
	check(recalledRows(t, s, room, 0))
	if diff := cmp.Diff(before, comments.snapshot(), cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("what had been pushed counted again when recalled (-before, +after):\n%s", diff)
	}
}
