package ingest

import (
	kuaishou "kslive/proto"
	"kslive/schema"
)

var feedPushMessage = partNamesOf[*kuaishou.SCWebFeedPush]()

// feedPush makes the rows of a 310.
func (d *Decoder) feedPush(whole part) {
	var stat schema.RoomStat
	var left, interval []byte
	for p := range d.parts(whole, feedPushMessage) {
		switch p.name {
		case "display_watching_count":
			stat.DisplayWatchingCount = validText(p.text)
		case "display_like_count":
			stat.DisplayLikeCount = validText(p.text)
		case "pending_like_count":
			stat.PendingLikeCount = p.value
		case "push_interval":
			stat.PushInterval = p.value
			interval = p.whole
		case "comment_feeds":
			d.commentFeed(p)
		case "combo_comment_feed":
			d.comboCommentFeed(p)
		case "like_feeds":
			d.likeFeed(p)
		case "gift_feeds":
			d.giftFeed(p)
		case "system_notice_feeds":
			d.noticeFeed(p)
		case "share_feeds":
			d.shareFeed(p)
		default:
			left = append(left, p.whole...)
		}
	}
	if !hasCounter(stat) {
		d.otherEvent(whole, append(left, interval...), &kuaishou.SCWebFeedPush{})
		return
	}
	stat.OtherFields = d.otherFields(left, &kuaishou.SCWebFeedPush{})
	d.roomStat(whole, stat)
}

func hasCounter(stat schema.RoomStat) bool {
	return stat.DisplayWatchingCount != "" || stat.DisplayLikeCount != "" || stat.PendingLikeCount != 0
}

func (d *Decoder) roomStat(whole part, stat schema.RoomStat) {
	stat.Event = d.eventOf(whole)
	stat.PayloadType = payloadTypeName(d.payloadType)
	stat.WatchingCount, stat.WatchingCountExact = parseCount(stat.DisplayWatchingCount)
	stat.LikeCount, stat.LikeCountExact = parseCount(stat.DisplayLikeCount)
	d.batch.RoomStats = append(d.batch.RoomStats, stat)
}

// commentFeed makes the row of a comment, pushed or recalled.
func (d *Decoder) commentFeed(p part) {
	feed := &d.comment
	if !d.read(p, d.ordinary.comment(p.text, feed), feed) {
		return
	}
	// On the socket a feed's own clock is empty, and not to be trusted.
	source, feedTime := "feed", uint64(0)
	if recalled(d.payloadType) {
		source, feedTime = "recall", feed.Time
	}
	event, left := d.eventAt(p, feedTime), commentRest
	if event.EventTimeSource == schema.FromFeed {
		left = timedCommentRest
	}
	d.batch.Comments = append(d.batch.Comments, schema.Comment{
		Event:      event,
		User:       simpleUser(feed.User, feed.SenderState),
		Audience:   audience(feed.SenderState),
		Source:     source,
		FeedID:     validText(feed.Id),
		Content:    validText(feed.Content),
		ShowType:   word(showWords, feed.ShowType),
		Color:      validText(feed.Color),
		DeviceHash: validText(feed.DeviceHash),
		SortRank:   feed.SortRank,
		Other:      d.other(left, feed),
	})
}

func (d *Decoder) comboCommentFeed(p part) {
	var feed kuaishou.WebComboCommentFeed
	if !d.unmarshal(p, &feed) {
		return
	}
	d.batch.ComboComments = append(d.batch.ComboComments, schema.ComboComment{
		Event:      d.eventOf(p),
		FeedID:     validText(feed.Id),
		Content:    validText(feed.Content),
		ComboCount: feed.ComboCount,
		Other:      d.other(comboCommentRest, &feed),
	})
}

func (d *Decoder) likeFeed(p part) {
	feed := &d.like
	if !d.read(p, d.ordinary.like(p.text, feed), feed) {
		return
	}
	d.batch.Likes = append(d.batch.Likes, schema.Like{
		Event:      d.eventOf(p),
		User:       simpleUser(feed.User, feed.SenderState),
		Audience:   audience(feed.SenderState),
		FeedID:     validText(feed.Id),
		DeviceHash: validText(feed.DeviceHash),
		SortRank:   feed.SortRank,
		Other:      d.other(likeRest, feed),
	})
}

func (d *Decoder) giftFeed(p part) {
	feed := &d.gift
	if !d.read(p, d.ordinary.gift(p.text, feed), feed) {
		return
	}
	user := simpleUser(feed.User, feed.SenderState)
	if user.OriginUserID == 0 {
		user.OriginUserID = mergeKeyUser(feed.MergeKey)
	}
	d.batch.Gifts = append(d.batch.Gifts, schema.Gift{
		Event:               d.eventOf(p),
		User:                user,
		Audience:            audience(feed.SenderState),
		FeedID:              validText(feed.Id),
		FeedTime:            timeOf(feed.Time),
		GiftID:              feed.GiftId,
		GiftName:            validText(feed.AiDataInfo.GetGiftName()),
		UnitPrice:           feed.AiDataInfo.GetUnitPrice(),
		MergeKey:            validText(feed.MergeKey),
		BatchSize:           feed.BatchSize,
		ComboCount:          feed.ComboCount,
		Rank:                feed.Rank,
		ExpireDuration:      feed.ExpireDuration,
		ClientTimestamp:     feed.ClientTimestamp,
		SlotDisplayDuration: feed.SlotDisplayDuration,
		StarLevel:           feed.StarLevel,
		StyleType:           word(styleWords, feed.StyleType),
		LiveAssistantType:   word(assistantWords, feed.LiveAssistantType),
		DeviceHash:          validText(feed.DeviceHash),
		DanmakuDisplay:      feed.DanmakuDisplay,
		SortRank:            feed.SortRank,
		Other:               d.other(giftRest, feed),
	})
}

func (d *Decoder) noticeFeed(p part) {
	var feed kuaishou.WebSystemNoticeFeed
	if !d.unmarshal(p, &feed) {
		return
	}
	d.batch.Notices = append(d.batch.Notices, schema.Notice{
		Event:           d.eventOf(p),
		User:            simpleUser(feed.User, nil),
		FeedID:          validText(feed.Id),
		FeedTime:        timeOf(feed.Time),
		Content:         validText(feed.Content),
		DisplayDuration: feed.DisplayDuration,
		DisplayType:     word(displayWords, feed.DisplayType),
		SortRank:        feed.SortRank,
		Other:           d.other(noticeRest, &feed),
	})
}

func (d *Decoder) shareFeed(p part) {
	var feed kuaishou.WebShareFeed
	if !d.unmarshal(p, &feed) {
		return
	}
	d.batch.Shares = append(d.batch.Shares, schema.Share{
		Event:              d.eventOf(p),
		User:               simpleUser(feed.User, nil),
		FeedID:             validText(feed.Id),
		FeedTime:           timeOf(feed.Time),
		ThirdPartyPlatform: feed.ThirdPartyPlatform,
		LiveAssistantType:  word(assistantWords, feed.LiveAssistantType),
		DeviceHash:         validText(feed.DeviceHash),
		SortRank:           feed.SortRank,
		Other:              d.other(shareRest, &feed),
	})
}
