package ingest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// realisticFrames are pushes as busy rooms get them: counters always, four
// comments, half a gift and 0.8 likes with their twins a frame, three in ten
// packed, a list of viewers every fifty.
func realisticFrames(b *testing.B, n int) []*kuaishou.Frame {
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"主播好", "看你的id加你好友", "哈哈哈哈[笑哭]", "这个多少钱", "冲冲冲", "666", "来了来了[玫瑰]", "关注了"}
	user := func() *kuaishou.SimpleUserInfo {
		id := random.IntN(1_000_000)
		return &kuaishou.SimpleUserInfo{PrincipalId: fmt.Sprintf("3x%013d", id), UserName: fmt.Sprintf("用户%d云梅", id)}
	}
	state := func() *kuaishou.LiveAudienceState {
		return &kuaishou.LiveAudienceState{
			FansGroupIntimacyLevel: uint32(random.IntN(20)), WealthGrade: uint32(random.IntN(30)),
			LiveFansGroupState: &kuaishou.LiveAudienceState_LiveFansGroupState{IntimacyLevel: uint32(random.IntN(20))},
		}
	}
	frames := make([]*kuaishou.Frame, 0, n)
	for i := range n {
		if i%50 == 49 {
			list := &kuaishou.SCWebLiveWatchingUsers{}
			for range 30 {
				list.WatchingUser = append(list.WatchingUser, &kuaishou.WebWatchingUserInfo{User: user(), Tuhao: true, DisplayKsCoin: "2120"})
			}
			frames = append(frames, sampleFrame(b, kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, encoded(b, list)))
			continue
		}
		push := &kuaishou.SCWebFeedPush{DisplayWatchingCount: "1.2万", DisplayLikeCount: "98.5万", PushInterval: 2000}
		for range 4 {
			push.CommentFeeds = append(push.CommentFeeds, &kuaishou.WebCommentFeed{
				User: user(), Content: words[random.IntN(len(words))], DeviceHash: "CHCRNB==", ShowType: 1, SenderState: state(),
			})
		}
		if random.IntN(10) < 8 {
			fan := user()
			push.LikeFeeds = append(push.LikeFeeds, &kuaishou.WebLikeFeed{User: fan, DeviceHash: "sDHuus=="})
			push.CommentFeeds = append(push.CommentFeeds, &kuaishou.WebCommentFeed{
				User: fan, Content: fan.UserName + "赞了这个直播", DeviceHash: "sDHuus==", ShowType: 2, SenderState: state(),
			})
		}
		if random.IntN(2) == 0 {
			push.GiftFeeds = append(push.GiftFeeds, &kuaishou.WebGiftFeed{
				User: user(), GiftId: 9, MergeKey: "3700112233-kqrM2J2S5Fh7CvbP_1694180000000-9-1", BatchSize: 1,
				ComboCount: uint32(random.IntN(50)), Rank: 11, ExpireDuration: 300_000, SenderState: state(),
			})
		}
		compression := kuaishou.SocketMessage_NONE
		if random.IntN(10) < 3 {
			compression = kuaishou.SocketMessage_GZIP
		}
		frames = append(frames, frameOf(sealed(b, kuaishou.PayloadType_SC_FEED_PUSH, encoded(b, push), compression)))
	}
	return frames
}

// BenchmarkDecode decodes a thousand frames an operation into one batch. An
// event is a row other than the counters.
func BenchmarkDecode(b *testing.B) {
	frames := realisticFrames(b, 1000)
	decoder := NewDecoder(nil)
	var batch schema.Batch
	events := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		batch.Reset()
		for i, frame := range frames {
			decoder.Decode(frame, int64(i), &batch)
		}
		events += batch.Len() - len(batch.RoomStats)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(events), "allocs/event")
}

func BenchmarkEnvelope(b *testing.B) {
	frames := realisticFrames(b, 100)
	var o opener
	for b.Loop() {
		for _, frame := range frames {
			if _, err := o.open(frame.Data); err != nil {
				b.Fatal(err)
			}
		}
	}
}
