package ingest

import (
	"fmt"
	"testing"

	kuaishou "kslive/proto"
)

// Comments that a socket heard and that history has too are read once, also after
// a replay; both rows stay in the table.
func TestHeardAndRecalled(t *testing.T) {
	w := openWarehouse(t)
	comment := func(i int) *kuaishou.WebCommentFeed {
		return &kuaishou.WebCommentFeed{
			User: &kuaishou.SimpleUserInfo{PrincipalId: "3xabcdefgh23457"}, Content: fmt.Sprintf("你好 %0400d", i/3), DeviceHash: "sDHuus==", ShowType: 1,
		}
	}
	outside := &kuaishou.CommentRichTextMessage{Id: "8SJgk6L-2iM_1", UserId: 2030000003, ServerTimestamp: sampleSent - 1500, BizType: 3, Segment: []*kuaishou.RichTextSegment{
		{Segment: &kuaishou.RichTextSegment_TextSegment_{TextSegment: &kuaishou.RichTextSegment_TextSegment{Text: "名字:"}}},
	}}
	var frames []*kuaishou.Frame
	add := func(frame *kuaishou.Frame) {
		frame.FrameNumber = uint32(len(frames) + 1)
		frames = append(frames, frame)
	}
	// Of 90 comments, each text three times, the socket hears all but the last 9.
	for i := range 81 {
		add(frameOf(encoded(t, &kuaishou.SocketMessage{
			PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Time: uint64(sampleSent + 1000*i),
			Payload: encoded(t, &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{comment(i)}}),
		})))
	}
	add(sampleFrame(t, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, encoded(t, &kuaishou.SCCommentZoneRichText{Message: []*kuaishou.CommentRichTextMessage{outside}})))
	recall := func(kind kuaishou.PayloadType, payload []byte) {
		frame := frameOf(encoded(t, &kuaishou.SocketMessage{PayloadType: kind, Payload: payload}))
		frame.Source, frame.SessionId, frame.ReceivedAt = kuaishou.Frame_SOURCE_RECALL, 8, sampleReceived+100_000
		add(frame)
	}
	for range 2 { // history is asked for twice
		for i := 30; i < 90; i++ {
			feed := comment(i)
			feed.Id, feed.Time, feed.SortRank = fmt.Sprint(i), uint64(sampleSent+1000*i-1800), uint64(i)
			recall(kuaishou.PayloadType_SC_WEB_COMMENT_FEED, encoded(t, feed))
		}
		recall(kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE, encoded(t, outside))
	}
	dir := ingested(t, w, frames)
	check := func(when string) {
		t.Helper()
		for query, want := range map[string]uint64{
			"SELECT count() FROM comments_unique WHERE source = 'feed'":      81,
			"SELECT count() FROM comments_unique WHERE source = 'rich_text'": 1,
			"SELECT count() FROM comments_unique WHERE source = 'recall'":    9,
			"SELECT count() FROM comments FINAL":                             82 + 61,
		} {
			if got := countOf(t, w, query); got != want {
				t.Errorf("%s: %s: %d, want %d", when, query, got, want)
			}
		}
	}
	check("ingested")
	if met := replayed(t, ReplayOptions{Spool: dir, Warehouse: w}); met.Missing+met.Changed+met.Stale+met.Refused > 0 {
		t.Errorf("a replay met %+v", met)
	}
	check("replayed")
	mustExec(t, w, "TRUNCATE TABLE comments")
	replayed(t, ReplayOptions{Spool: dir, Warehouse: w})
	check("replayed into an empty table")
}
