package simulator

import (
	"fmt"
	"strconv"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// feedPush is a 310: the counters, and n feeds.
func (g *generator) feedPush(n int) (*frame, error) {
	t := g.clock()
	f := &frame{}
	push := &kuaishou.SCWebFeedPush{}
	g.counters(f, push, t)
	for range n {
		switch p := g.rng.IntN(100); {
		case p < 64:
			g.comment(f, push, t)
		case p < 78:
			g.like(f, push, t)
		case p < 92:
			g.gift(f, push, t)
		case p < 95:
			g.share(f, push, t)
		case p < 97:
			g.notice(f, push, t)
		default:
			g.comboComment(f, push, t)
		}
	}
	if chance(g.rng, 20) {
		unknownField(push, 31, "x-feed")
	}
	return g.seal(f, kuaishou.PayloadType_SC_FEED_PUSH, push, t)
}

func (g *generator) counters(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	g.watching += g.rng.Uint64N(g.watching/20 + 3)
	g.watching -= g.rng.Uint64N(g.watching/20 + 1)
	pending := g.rng.Uint64N(30)
	g.liked += pending
	push.DisplayWatchingCount = displayCount(g.watching)
	push.DisplayLikeCount = displayCount(g.liked)
	push.PendingLikeCount = pending
	push.PushInterval = 1000
	f.add(&schema.RoomStat{
		Event:                g.event(t),
		PayloadType:          "SC_FEED_PUSH",
		DisplayWatchingCount: push.DisplayWatchingCount,
		WatchingCount:        displayed(g.watching),
		WatchingCountExact:   g.watching < 10_000,
		DisplayLikeCount:     push.DisplayLikeCount,
		LikeCount:            displayed(g.liked),
		PendingLikeCount:     pending,
		PushInterval:         1000,
	})
}

// displayCount is a number as the player shows it: "2735", "1.2万", "1.1亿".
func displayCount(n uint64) string {
	switch {
	case n < 10_000:
		return strconv.FormatUint(n, 10)
	case n < 100_000_000:
		return shorten(n/1000) + "万"
	default:
		return shorten(n/10_000_000) + "亿"
	}
}

// shorten writes tenths with one decimal, or none when it is 0.
func shorten(tenths uint64) string {
	if tenths%10 == 0 {
		return strconv.FormatUint(tenths/10, 10)
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// displayed is the number that displayCount's text stands for.
func displayed(n uint64) uint64 {
	switch {
	case n < 10_000:
		return n
	case n < 100_000_000:
		return n / 1000 * 1000
	default:
		return n / 10_000_000 * 10_000_000
	}
}

func (g *generator) comment(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	p := g.person()
	feed := &kuaishou.WebCommentFeed{
		User:        p.info,
		Content:     g.words(),
		DeviceHash:  p.device,
		Color:       pick(g.rng, colors),
		ShowType:    kuaishou.WebCommentFeed_FEED_SHOW_NORMAL,
		SenderState: p.state,
	}
	row := &schema.Comment{
		Event: g.event(t), User: p.user, Audience: p.audience,
		Source: "feed", Content: feed.Content, ShowType: "normal", Color: feed.Color, DeviceHash: p.device,
	}
	if chance(g.rng, 60) {
		unknownField(feed, 40, "x-comment")
	}
	push.CommentFeeds = append(push.CommentFeeds, feed)
	once := f.addComment(row)
	if chance(g.rng, 100) {
		// The same person, the same words, the same millisecond: two comments.
		push.CommentFeeds = append(push.CommentFeeds, feed)
		f.add(row)
	}
	g.recent.add(recalled{t, feed, once})
}

// words is what somebody says. Some of it is cut inside a character.
func (g *generator) words() string {
	said := pick(g.rng, commentHeads) + pick(g.rng, comments) + pick(g.rng, commentTails)
	if chance(g.rng, 5) {
		said += strconv.Itoa(g.rng.IntN(1000))
	}
	if chance(g.rng, 120) {
		said += "家"[:1+g.rng.IntN(2)]
	}
	return said
}

// like is a viewer's first like, with the hidden comment that comes with it.
func (g *generator) like(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	p := g.crowd[(g.offset+g.likers)%len(g.crowd)]
	g.likers++
	push.LikeFeeds = append(push.LikeFeeds, &kuaishou.WebLikeFeed{User: p.info, DeviceHash: p.device, SenderState: p.state})
	f.add(&schema.Like{Event: g.event(t), User: p.user, Audience: p.audience, DeviceHash: p.device})

	content := p.info.UserName + "赞了这个直播"
	push.CommentFeeds = append(push.CommentFeeds, &kuaishou.WebCommentFeed{
		User: p.info, Content: content, DeviceHash: p.device, ShowType: kuaishou.WebCommentFeed_FEED_HIDDEN, SenderState: p.state,
	})
	f.add(&schema.Comment{
		Event: g.event(t), User: p.user, Audience: p.audience,
		Source: "feed", Content: content, ShowType: "hidden", DeviceHash: p.device,
	})
}

func (g *generator) share(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	p := g.person()
	kind, name := assistant(g.rng)
	feed := &kuaishou.WebShareFeed{
		User: p.info, ThirdPartyPlatform: g.rng.Uint32N(6) + 1, LiveAssistantType: kind, DeviceHash: p.device,
	}
	push.ShareFeeds = append(push.ShareFeeds, feed)
	f.add(&schema.Share{
		Event: g.event(t), User: p.user,
		ThirdPartyPlatform: feed.ThirdPartyPlatform, LiveAssistantType: name, DeviceHash: p.device,
	})
}

func (g *generator) notice(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	p := g.person()
	kind := g.rng.IntN(4)
	feed := &kuaishou.WebSystemNoticeFeed{
		User:            p.info,
		Content:         pick(g.rng, notices),
		DisplayDuration: 1000 * (g.rng.Uint64N(8) + 2),
		DisplayType:     kuaishou.WebSystemNoticeFeed_DisplayType(kind),
	}
	push.SystemNoticeFeeds = append(push.SystemNoticeFeeds, feed)
	f.add(&schema.Notice{
		Event: g.event(t), User: p.user, Content: feed.Content, DisplayDuration: feed.DisplayDuration,
		DisplayType: [...]string{"", "comment", "alert", "toast"}[kind],
	})
}

func (g *generator) comboComment(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	feed := &kuaishou.WebComboCommentFeed{Content: pick(g.rng, comments), ComboCount: g.rng.Uint32N(200) + 2}
	push.ComboCommentFeed = append(push.ComboCommentFeed, feed)
	f.add(&schema.ComboComment{Event: g.event(t), Content: feed.Content, ComboCount: feed.ComboCount})
}
