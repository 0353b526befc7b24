package ingest

import (
	"slices"

	kuaishou "kslive/proto"
	"kslive/schema"
)

var (
	feedPushMessage = partNamesOf[*kuaishou.SCWebFeedPush]()
	feedPushName    = payloadTypeName(kuaishou.PayloadType_SC_FEED_PUSH)
)

// feedPush makes the rows of a 310. Its fields are told apart by their tags, as in
// ordinary: to compare their names takes longer.
func (d *Decoder) feedPush(whole *part) {
	stat := add(&d.batch.RoomStats)
	var left, interval []byte
	r := d.parts(whole, feedPushMessage)
	for r.next() {
		p := &r.part
		switch p.tag() {
		case 1<<3 | isText:
			stat.DisplayWatchingCount = validText(p.text)
		case 2<<3 | isText:
			stat.DisplayLikeCount = validText(p.text)
		case 3<<3 | isNumber:
			stat.PendingLikeCount = p.value
		case 4<<3 | isNumber:
			stat.PushInterval = p.value
			interval = p.whole
		case 5<<3 | isText:
			d.commentFeed(p)
		case 7<<3 | isText:
			d.comboCommentFeed(p)
		case 8<<3 | isText:
			d.likeFeed(p)
		case 9<<3 | isText:
			d.giftFeed(p)
		case 11<<3 | isText:
			d.noticeFeed(p)
		case 12<<3 | isText:
			d.shareFeed(p)
		default:
			left = append(left, p.whole...)
		}
	}
	if !hasCounter(stat) {
		drop(&d.batch.RoomStats)
		d.otherEvent(whole, append(left, interval...), feedPushMessage)
		return
	}
	stat.OtherFields = d.otherFields(left, feedPushMessage)
	d.roomStat(whole, stat, feedPushName)
}

func hasCounter(stat *schema.RoomStat) bool {
	return stat.DisplayWatchingCount != "" || stat.DisplayLikeCount != "" || stat.PendingLikeCount != 0
}

// roomStat fills in what counters have in common, those of a payload type of that name.
func (d *Decoder) roomStat(whole *part, stat *schema.RoomStat, payloadType string) {
	stat.Event = d.eventOf(whole)
	stat.PayloadType = payloadType
	stat.WatchingCount, stat.WatchingCountExact = parseCount(stat.DisplayWatchingCount)
	stat.LikeCount, stat.LikeCountExact = parseCount(stat.DisplayLikeCount)
}

// commentFeed makes the row of a comment, pushed or recalled.
func (d *Decoder) commentFeed(p *part) {
	row := add(&d.batch.Comments)
	if p.isText() && ordinaryOf(p.text).comment(p.text, row) {
		row.Event = d.event
	} else if !d.anyComment(p, row) {
		drop(&d.batch.Comments)
		return
	}
	row.EventID = d.eventID(p)
	row.Source = "feed"
	if recalled(d.payloadType) {
		row.Source = "recall"
	}
}

func (d *Decoder) anyComment(p *part, row *schema.Comment) bool {
	feed := &d.comment
	if !d.unmarshal(p, feed) {
		return false
	}
	event, left := d.event, commentRest
	if recalled(d.payloadType) { // on the socket a feed's own clock is empty, and not to be trusted
		event.EventTime, event.EventTimeSource = eventTime(feed.Time, d.sent, event.ReceivedAt)
		if event.EventTimeSource == schema.FromFeed {
			left = timedCommentRest
		}
	}
	*row = schema.Comment{
		Event:      event,
		User:       simpleUser(feed.User, feed.SenderState),
		Audience:   audience(feed.SenderState),
		FeedID:     validText(feed.Id),
		Content:    validText(feed.Content),
		ShowType:   word(showWords, feed.ShowType),
		Color:      validText(feed.Color),
		DeviceHash: validText(feed.DeviceHash),
		SortRank:   feed.SortRank,
		Other:      d.other(left, feed),
	}
	return true
}

// add appends an empty row, and answers where it is. What a batch holds behind its
// rows is empty: Reset and drop leave it so.
func add[Row any](rows *[]Row) *Row {
	n := len(*rows)
	if n == cap(*rows) {
		*rows = slices.Grow(*rows, 1)
	}
	*rows = (*rows)[:n+1]
	return &(*rows)[n]
}

// drop takes the last row away.
func drop[Row any](rows *[]Row) {
	last := len(*rows) - 1
	clear((*rows)[last:])
	*rows = (*rows)[:last]
}

func (d *Decoder) comboCommentFeed(p *part) {
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

func (d *Decoder) likeFeed(p *part) {
	row := add(&d.batch.Likes)
	if p.isText() && ordinaryOf(p.text).like(p.text, row) {
		row.Event = d.event
	} else if !d.anyLike(p, row) {
		drop(&d.batch.Likes)
		return
	}
	row.EventID = d.eventID(p)
}

func (d *Decoder) anyLike(p *part, row *schema.Like) bool {
	feed := &d.like
	if !d.unmarshal(p, feed) {
		return false
	}
	*row = schema.Like{
		Event:      d.event,
		User:       simpleUser(feed.User, feed.SenderState),
		Audience:   audience(feed.SenderState),
		FeedID:     validText(feed.Id),
		DeviceHash: validText(feed.DeviceHash),
		SortRank:   feed.SortRank,
		Other:      d.other(likeRest, feed),
	}
	return true
}

func (d *Decoder) giftFeed(p *part) {
	row := add(&d.batch.Gifts)
	if p.isText() && (ordinary{}).gift(p.text, row) {
		row.Event = d.event
	} else if !d.anyGift(p, row) {
		drop(&d.batch.Gifts)
		return
	}
	row.EventID = d.eventID(p)
	if row.OriginUserID == 0 {
		row.OriginUserID = mergeKeyUser(row.MergeKey)
	}
}

func (d *Decoder) anyGift(p *part, row *schema.Gift) bool {
	feed := &d.gift
	if !d.unmarshal(p, feed) {
		return false
	}
	*row = schema.Gift{
		Event:               d.event,
		User:                simpleUser(feed.User, feed.SenderState),
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
	}
	return true
}

func (d *Decoder) noticeFeed(p *part) {
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

func (d *Decoder) shareFeed(p *part) {
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
