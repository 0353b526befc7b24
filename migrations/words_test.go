package migrations

import (
	"fmt"
	"testing"
	"time"
)

// What is said how often by how many is known: words are found without the pieces
// of them, although half of the comments are there twice.
func TestWords(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var rows [][]any
	say := func(stream, text, show string, times, people int) {
		for i := range times {
			n := len(rows)
			user := ""
			if people > 0 {
				user = fmt.Sprint("user", i%people)
			}
			rows = append(rows, []any{"live", stream, at.Add(time.Duration(n) * time.Second), uint64(n), user, text, show})
		}
	}
	say("one", "主播好", "normal", 20, 10)            // a phrase; 主播 is said elsewhere too
	say("one", "主播唱歌", "normal", 10, 5)            // 主播唱歌, and 唱歌 nowhere else
	say("one", "请问隔壁直播间怎么走", "normal", 6, 6)       // ten characters, said as a whole
	say("one", "666", "normal", 7, 7)              // digits
	say("one", "来PK吧 PK", "normal", 5, 5)          // Latin letters; once a comment
	say("one", "[笑哭][笑哭]太好笑了[笑哭]", "normal", 8, 4) // an emoji; once a comment
	say("one", "[笑哭]", "normal", 3, 1)
	say("one", "冲", "normal", 4, 4)          // a single character
	say("one", "冲！冲！", "normal", 2, 2)       // in runs of one
	say("one", "只说一次", "normal", 1, 1)       // too seldom
	say("one", "只我说", "normal", 9, 1)        // by one person
	say("one", "某某赞了这个直播", "hidden", 30, 30) // no comment
	say("two", "主播好", "normal", 5, 5)        // another broadcast
	say("whose", "谁说的", "normal", 5, 0)      // nobody knows by whom
	say("whose", "谁说的", "normal", 2, 1)
	say("whose", "知道谁", "normal", 5, 0)
	say("whose", "知道谁", "normal", 2, 2)
	insertTwice(t, conn, "comments (live_id, live_stream_id, event_time, event_id, user_id, content, show_type)", rows)

	compare(t, conn, "comments", "SELECT word, comments FROM words WHERE live_id = 'live' AND live_stream_id = 'one'", map[string]uint64{
		"主播": 30, "主播好": 20, "主播唱歌": 10, "请问隔壁直播间怎么走": 6, "666": 7, "PK": 5, "来": 5, "吧": 5, "[笑哭]": 11, "太好笑了": 8, "冲": 6,
	})
	compare(t, conn, "chatters", "SELECT word, chatters FROM words WHERE live_id = 'live' AND live_stream_id = 'one' AND word IN ('主播', '[笑哭]', '冲', '666')", map[string]uint64{
		"主播": 10, "[笑哭]": 4, "冲": 4, "666": 7,
	})
	compare(t, conn, "another", "SELECT word, comments FROM words WHERE live_stream_id = 'two'", map[string]uint64{"主播好": 5})
	compare(t, conn, "whose", "SELECT word, chatters FROM words WHERE live_stream_id = 'whose'", map[string]uint64{"知道谁": 2})
}
