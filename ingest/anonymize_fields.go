package ingest

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
)

// treatment is what anonymizing does with a field.
type treatment int

const (
	replace    treatment = iota // the letters of a text, the digits of a number
	keep                        // it says nothing about anybody
	isName                      // replace; also where it is part of what is said
	isSaid                      // replace, and the names in it as names
	isAddress                   // replace, but for the words all addresses have
	isMergeKey                  // replace who sends, keep what
)

// publicFields are those whose content is kept: counters, prices, times and
// codes. It is a list of what is known to be harmless, so that what is added to
// the .proto is replaced until somebody has thought about it. A name counts in
// every message.
var publicFields = fieldSet(
	// Counters, and what a person has spent.
	"display_watching_count", "display_like_count", "display_ks_coin", "display_team_score", "pending_like_count", "combo_count",
	"balance", "team_score", "statistic_version", "current_rank", "fans_group_intimacy_level", "intimacy_level",
	"enter_room_special_effect", "wealth_grade", "audience_rank", "user_feature",
	// Gifts.
	"gift_id", "gift_name", "batch_size", "rank", "unit_price", "down_grade_gift_id", "enable_api_request",
	"expire_duration", "slot_display_duration", "star_level",
	// Times in Unix milliseconds, and durations.
	"time", "timestamp", "client_timestamp", "server_timestamp", "open_time", "current_time", "submit_deadline",
	"push_interval", "pending_duration", "display_duration", "animation_interval_millis",
	"min_delay_ms", "max_delay_ms", "min_reconnect_ms", "max_reconnect_ms", "heartbeat_interval_ms", "api_scatter_ms", "down_grade_max_ms",
	"display_max_delay_millis", "max_delay_millis", "request_max_delay_millis", "request_delay_millis", "luckiest_delay_millis",
	// Codes, looks and kinds.
	"code", "sub_code", "reconnect_count", "last_error_code", "kpn", "kpf", "third_party_platform", "biz_type", "version", "display_type", "join_source",
	"activity_biz", "payload_type", "color", "width", "height", "res_pack_id",
)

// otherFields are those that are neither kept nor replaced letter by letter.
var otherFields = map[protoreflect.Name]treatment{
	"user_name": isName, "nickname": isName, "display_user_name": isName,
	"content": isSaid, "text": isSaid, "notice_text": isSaid, "display_text": isSaid, "user_text": isSaid, "desc": isSaid,
	"head_url": isAddress, "url": isAddress, "url_pattern": isAddress, "cdn": isAddress, "icon_path": isAddress,
	"merge_key": isMergeKey,
}

func fieldSet(names ...protoreflect.Name) map[protoreflect.Name]bool {
	set := make(map[protoreflect.Name]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// errorMessage is the one text of Kuaishou's that is kept: why it refuses.
const errorMessage protoreflect.FullName = "kuaishou.SCWebError.msg"

// treatmentOf is what to do with a text or a number.
func treatmentOf(field protoreflect.FieldDescriptor) treatment {
	switch {
	case field.Kind() == protoreflect.BoolKind, field.Kind() == protoreflect.EnumKind:
		return keep // one of a few
	case publicFields[field.Name()], field.FullName() == errorMessage:
		return keep
	}
	return otherFields[field.Name()]
}

// payloadMessage is the message of a payload type, nil when none is known.
func payloadMessage(t kuaishou.PayloadType) protoreflect.MessageDescriptor {
	switch t {
	case kuaishou.PayloadType_SC_FEED_PUSH:
		return feedPushMessage.descriptor
	case kuaishou.PayloadType_SC_LIVE_WATCHING_LIST:
		return watchingUsersMessage.descriptor
	case kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT:
		return commentZoneMessage.descriptor
	case kuaishou.PayloadType_SC_ACTION_SIGNAL:
		return actionSignalMessage.descriptor
	case kuaishou.PayloadType_SC_RED_PACK_FEED:
		return redPacksMessage.descriptor
	case kuaishou.PayloadType_SC_WEB_COMMENT_FEED:
		return (*kuaishou.WebCommentFeed)(nil).ProtoReflect().Descriptor()
	case kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE:
		return (*kuaishou.CommentRichTextMessage)(nil).ProtoReflect().Descriptor()
	case kuaishou.PayloadType_SC_HEARTBEAT_ACK:
		return (*kuaishou.SCWebHeartbeatAck)(nil).ProtoReflect().Descriptor()
	case kuaishou.PayloadType_CS_HEARTBEAT:
		return (*kuaishou.CSWebHeartbeat)(nil).ProtoReflect().Descriptor()
	case kuaishou.PayloadType_CS_ENTER_ROOM:
		return (*kuaishou.CSWebEnterRoom)(nil).ProtoReflect().Descriptor()
	case kuaishou.PayloadType_CS_USER_EXIT:
		return (*kuaishou.CSWebUserExit)(nil).ProtoReflect().Descriptor()
	}
	if message, ok := roomMessages[t]; ok {
		return message.Descriptor()
	}
	return nil
}

// impersonal are fields that pseudonyms leave as they are, beside those that are
// public. What is added to the .proto is replaced until somebody has thought about it.
var impersonal = fieldSet(
	"animation_key", "badge_animation_key", "badge_key", "icon_name", "icon_path", "name", "title", "detail", "msg",
	"biz_id", "chat_id", "pk_id", "guess_id", "ride_id", "id", "live_stream_id", "page_id", "comment_cursor", "gift_cursor", "sort_rank",
)

// pseudonymOf is what pseudonyms do with a text or a number: what people say stays,
// but for names in it.
func pseudonymOf(field protoreflect.FieldDescriptor) treatment {
	switch {
	case impersonal[field.Name()]:
		return keep
	case field.Name() == "desc", field.Name() == "user_text": // what they say of themselves
		return replace
	}
	return treatmentOf(field)
}
