package simulator

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// recallSize is how many of the last comments of a room can be recalled.
const recallSize = 40

// recalled is a comment and when it was made: a *WebCommentFeed or a
// *CommentRichTextMessage, never changed.
type recalled struct {
	at      time.Time
	message proto.Message
	entry   entry
}

// recall is the last comments of a broadcast, the oldest first.
type recall []recalled

func (r *recall) add(comment recalled) {
	if len(*r) >= 2*recallSize {
		*r = append((*r)[:0], (*r)[recallSize:]...)
	}
	*r = append(*r, comment)
}

// historyFeed is a list of base64 messages as the recall call answers them.
type historyFeed struct {
	HistoryFeedList []string `json:"historyFeedList"`
}

// history is the last comments of the current broadcast, and their rows.
func (r *room) history(cursors map[string]int64) (object, []entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recalled = time.Now()
	r.start()
	return r.generator.recent.answer(r.generator.streamID, cursors)
}

// answer is what the recall call answers: the comments later than the cursors,
// which are Unix milliseconds, and the next cursors. Key "1" is for comments
// of the room, "2" for those from outside of it.
func (r recall) answer(streamID string, cursors map[string]int64) (object, []entry, error) {
	lists := map[string]*historyFeed{"1": {[]string{}}, "2": {[]string{}}}
	next := map[string]int64{"1": cursors["1"], "2": cursors["2"]}
	var entries []entry
	for i, comment := range r[max(0, len(r)-recallSize):] {
		key, message, ms := "2", comment.message, comment.at.UnixMilli()
		if feed, ok := message.(*kuaishou.WebCommentFeed); ok {
			// Unlike on the socket, these have an ID and a time.
			filled := proto.CloneOf(feed)
			filled.Id = streamID + "_" + strconv.FormatInt(ms, 10) + "_" + strconv.Itoa(i)
			filled.Time = uint64(ms)
			key, message = "1", filled
		}
		if ms <= cursors[key] {
			continue
		}
		raw, err := proto.Marshal(message)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding a recalled comment: %w", err)
		}
		lists[key].HistoryFeedList = append(lists[key].HistoryFeedList, base64.StdEncoding.EncodeToString(raw))
		next[key] = max(next[key], ms)
		entries = append(entries, comment.entry)
	}
	return object{"feedTypeCursorMap": next, "backTraceFeedMap": lists}, entries, nil
}
