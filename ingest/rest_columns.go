package ingest

import kuaishou "kslive/proto"

// What the people of a row have columns for. mystery is also set by
// is_anonymous_identity, and fans_badge is taken from a segment: both stay in
// the rest as they were sent.
var (
	simpleUserColumns = columns{plain: names{"principal_id", "user_name", "head_url", "mystery"}}
	fullUserColumns   = columns{plain: names{"user_id", "user_name", "e_uid"}}
	audienceColumns   = columns{
		plain: names{"assistant_type", "fans_group_intimacy_level", "wealth_grade", "audience_rank"},
		inside: partly{
			"live_fans_group_state": {plain: names{"intimacy_level"}},
			"live_user_info":        {plain: names{"user_id"}},
		},
	}
	// signalAudienceColumns are those of a full user's state: there the numeric ID
	// is taken from the user, and from the state only when that has none.
	signalAudienceColumns = columns{
		plain:  audienceColumns.plain,
		inside: partly{"live_fans_group_state": {plain: names{"intimacy_level"}}},
	}
)

var (
	commentRest = restOf[*kuaishou.WebCommentFeed](columns{
		plain:  names{"id", "content", "device_hash", "sort_rank", "color", "show_type"},
		inside: partly{"user": simpleUserColumns, "sender_state": audienceColumns},
	})
	// Those whose own time is the event's.
	timedCommentRest = without(commentRest, "time")
	timedRichRest    = without(richRest, "server_timestamp")

	richRest = restOf[*kuaishou.CommentRichTextMessage](columns{
		plain: names{"id", "user_id", "device_hash", "sort_rank", "biz_type", "segment"},
	})
	comboCommentRest = restOf[*kuaishou.WebComboCommentFeed](columns{
		plain: names{"id", "content", "combo_count"},
	})
	likeRest = restOf[*kuaishou.WebLikeFeed](columns{
		plain:  names{"id", "sort_rank", "device_hash"},
		inside: partly{"user": simpleUserColumns, "sender_state": audienceColumns},
	})
	giftRest = restOf[*kuaishou.WebGiftFeed](columns{
		plain: names{
			"id", "gift_id", "sort_rank", "merge_key", "batch_size", "combo_count", "rank", "expire_duration", "client_timestamp",
			"slot_display_duration", "star_level", "style_type", "live_assistant_type", "device_hash", "danmaku_display",
		},
		clocks: names{"time"},
		inside: partly{
			"user": simpleUserColumns, "sender_state": audienceColumns,
			"ai_data_info": {plain: names{"unit_price", "gift_name"}},
		},
	})
	noticeRest = restOf[*kuaishou.WebSystemNoticeFeed](columns{
		plain:  names{"id", "content", "display_duration", "sort_rank", "display_type"},
		clocks: names{"time"},
		inside: partly{"user": simpleUserColumns},
	})
	shareRest = restOf[*kuaishou.WebShareFeed](columns{
		plain:  names{"id", "third_party_platform", "sort_rank", "live_assistant_type", "device_hash"},
		clocks: names{"time"},
		inside: partly{"user": simpleUserColumns},
	})
	viewerRest = restOf[*kuaishou.WebWatchingUserInfo](columns{
		plain:  names{"offline", "tuhao", "live_assistant_type", "display_ks_coin"},
		inside: partly{"user": simpleUserColumns},
	})
	redPackRest = restOf[*kuaishou.WebRedPackInfo](columns{
		plain: names{
			"id", "balance", "grab_token", "need_send_request", "request_delay_millis", "luckiest_delay_millis", "cover_type",
		},
		clocks: names{"open_time", "current_time"},
		inside: partly{"author": simpleUserColumns},
	})
	entryRest = restOf[*kuaishou.LiveActivityEnterRoomTip](columns{
		plain: names{
			"display_type", "display_text", "activity_biz", "animation_key", "animation_interval_millis", "extra_info",
		},
		inside: partly{"user": fullUserColumns, "user_state": signalAudienceColumns},
	})
	rankingRest = restOf[*kuaishou.LiveWatchingListChangeNoticeFeed](columns{
		plain: names{"notice_text", "need_fold", "id", "display_user_name"},
	})
	fanJoinRest = restOf[*kuaishou.FansGroupJoinFeed](columns{
		plain:  names{"id", "device_hash", "join_source"},
		clocks: names{"time"},
		inside: partly{"user": fullUserColumns, "user_state": signalAudienceColumns},
	})
	envelopeRest = restOf[*kuaishou.SocketMessage](columns{
		plain: names{"payload_type", "compression_type", "payload", "time"},
	})
)
