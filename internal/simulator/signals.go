package simulator

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// watchingList is a 340: the top spenders among those watching.
func (g *generator) watchingList() (*frame, error) {
	t := g.clock()
	f := &frame{}
	list := &kuaishou.SCWebLiveWatchingUsers{DisplayWatchingCount: displayCount(g.watching), PendingDuration: 20_000}
	f.add(&schema.RoomStat{
		Event:                g.event(t),
		PayloadType:          "SC_LIVE_WATCHING_LIST",
		DisplayWatchingCount: list.DisplayWatchingCount,
		WatchingCount:        displayed(g.watching),
		WatchingCountExact:   g.watching < 10_000,
	})
	coins := 100 + g.rng.Uint64N(200_000)
	for i := range 1 + g.rng.Uint32N(30) {
		p := g.person()
		kind, name := assistant(g.rng)
		user := &kuaishou.WebWatchingUserInfo{
			User: p.info, Offline: chance(g.rng, 10), Tuhao: i < 10, LiveAssistantType: kind, DisplayKsCoin: displayCount(coins),
		}
		list.WatchingUser = append(list.WatchingUser, user)
		f.add(&schema.Viewer{
			Event: g.event(t), User: p.user, Position: i + 1, Offline: user.Offline, Tuhao: user.Tuhao, LiveAssistantType: name,
			DisplayKsCoin: user.DisplayKsCoin, KsCoin: displayed(coins), KsCoinExact: coins < 10_000,
		})
		coins -= g.rng.Uint64N(coins/3 + 1)
	}
	return g.seal(f, kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, list, t)
}

// richText is an 829: comments from outside the room, which have a clock of
// their own.
func (g *generator) richText(n int) (*frame, error) {
	t := g.clock()
	f := &frame{}
	push := &kuaishou.SCCommentZoneRichText{}
	for range n {
		p := g.person()
		said := t.Add(-time.Duration(g.rng.IntN(200)) * time.Millisecond)
		if said.Before(g.since) {
			said = g.since
		}
		message := &kuaishou.CommentRichTextMessage{
			Id:              fmt.Sprintf("%s_%d", g.streamID, said.UnixMilli()),
			UserId:          p.number,
			ServerTimestamp: uint64(said.UnixMilli()),
			DeviceHash:      p.device,
			BizType:         1 + g.rng.Uint32N(3),
		}
		content := g.words()
		message.Segment = []*kuaishou.RichTextSegment{
			textSegment(p.info.UserName+": ", 0xFFFFB800), textSegment(content, 0xFFFFFFFF),
		}
		if chance(g.rng, 8) {
			message.Segment = append(message.Segment, &kuaishou.RichTextSegment{Segment: &kuaishou.RichTextSegment_GiftSegment_{
				GiftSegment: &kuaishou.RichTextSegment_GiftSegment{GiftId: pick(g.rng, catalogue).ID},
			}})
		}
		push.Message = append(push.Message, message)
		once := f.addComment(&schema.Comment{
			Event:  g.event(said),
			User:   schema.User{UserID: strconv.FormatUint(p.number, 10), UserName: p.info.UserName},
			Source: "rich_text", FeedID: message.Id, Content: content, ShowType: "normal", DeviceHash: p.device, BizType: message.BizType,
		})
		g.recent.add(recalled{said, message, once})
	}
	return g.seal(f, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, push, t)
}

func textSegment(text string, color uint32) *kuaishou.RichTextSegment {
	return &kuaishou.RichTextSegment{Segment: &kuaishou.RichTextSegment_TextSegment_{
		TextSegment: &kuaishou.RichTextSegment_TextSegment{
			Text: text, TextStyle: &kuaishou.RichTextSegment_TextStyle{Color: color},
		},
	}}
}

// actionSignal is a 510: mostly entries, in the proportions once observed.
func (g *generator) actionSignal() (*frame, error) {
	t := g.clock()
	f := &frame{}
	push := &kuaishou.SCActionSignal{}
	g.actions(f, push, t)
	return g.seal(f, kuaishou.PayloadType_SC_ACTION_SIGNAL, push, t)
}

func (g *generator) actions(f *frame, push *kuaishou.SCActionSignal, t time.Time) {
	part := func(name string) {
		f.add(&schema.RoomEvent{Event: g.event(t), PayloadType: "SC_ACTION_SIGNAL", Part: name})
	}
	opaque := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), pick(g.rng, arrivals))
	switch n := g.rng.IntN(100); {
	case n < 55:
		for range 1 + g.rng.IntN(2) {
			g.entry(f, push, t)
		}
	case n < 70:
		push.HighFrequencyActionGuide = [][]byte{opaque}
		part("high_frequency_action_guide")
	case n < 79:
		push.CommerceCommonFeed = []*kuaishou.LiveCommonActionSignal{{Action: &kuaishou.LiveCommonActionSignal_Action{
			LiveStreamId: g.streamID, PayloadType: "COMMERCE_GOODS_POPULAR", Payload: opaque,
		}}}
		part("commerce_common_feed")
	case n < 85:
		g.ranking(f, push, t)
	case n < 91:
		g.fanJoin(f, push, t)
	case n < 95:
		push.TextNotice = [][]byte{opaque, opaque}
		part("text_notice")
		part("text_notice")
	default:
		unknownField(push, 61, string(opaque))
		f.add(&schema.Undecoded{
			Event: g.event(t), PayloadType: uint32(kuaishou.PayloadType_SC_ACTION_SIGNAL), Part: "?61", Payload: opaque,
		})
	}
}

func (g *generator) entry(f *frame, push *kuaishou.SCActionSignal, t time.Time) {
	p := g.person()
	full, user := p.full()
	tip := &kuaishou.LiveActivityEnterRoomTip{
		User: full, UserState: p.state, DisplayType: 1 + g.rng.Uint32N(3), DisplayText: pick(g.rng, arrivals),
		ActivityBiz: "WEALTH_GRADE", AnimationKey: "enter_" + text(g.rng, lowerDigits, 4), AnimationIntervalMillis: 3000,
		ExtraInfo: fmt.Sprintf(`{"grade":%d}`, p.audience.WealthGrade),
	}
	push.LiveActivityEnterRoomTip = append(push.LiveActivityEnterRoomTip, tip)
	f.add(&schema.Entry{
		Event: g.event(t), User: user, Audience: p.audience, DisplayType: tip.DisplayType, DisplayText: tip.DisplayText,
		ActivityBiz: tip.ActivityBiz, AnimationKey: tip.AnimationKey, AnimationIntervalMillis: 3000, ExtraInfo: tip.ExtraInfo,
	})
}

func (g *generator) ranking(f *frame, push *kuaishou.SCActionSignal, t time.Time) {
	name := g.person().info.UserName
	feed := &kuaishou.LiveWatchingListChangeNoticeFeed{
		NoticeText:      fmt.Sprintf("恭喜%s成为在线观众榜前%d", name, 1+g.rng.IntN(3)),
		NeedFold:        chance(g.rng, 2),
		Id:              text(g.rng, urlDigits, 12),
		DisplayUserName: name,
	}
	push.LiveWatchingListChangeNoticeFeed = append(push.LiveWatchingListChangeNoticeFeed, feed)
	f.add(&schema.Ranking{
		Event: g.event(t), FeedID: feed.Id, NoticeText: feed.NoticeText, NeedFold: feed.NeedFold, DisplayUserName: name,
	})
}

func (g *generator) fanJoin(f *frame, push *kuaishou.SCActionSignal, t time.Time) {
	p := g.person()
	full, user := p.full()
	feed := &kuaishou.FansGroupJoinFeed{
		Id: text(g.rng, urlDigits, 12), User: full, DeviceHash: p.device, UserState: p.state,
		Time: uint64(t.UnixMilli()), JoinSource: g.rng.Uint32N(4),
	}
	push.FansGroupJoinFeed = append(push.FansGroupJoinFeed, feed)
	f.add(&schema.FanJoin{
		Event: g.event(t), User: user, Audience: p.audience, FeedID: feed.Id, DeviceHash: p.device, JoinSource: feed.JoinSource,
	})
}
