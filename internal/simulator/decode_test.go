package simulator

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// openMessage decodes an envelope and undoes its compression, in the way a
// stranger would from the protocol's description.
func openMessage(t testing.TB, data []byte) *kuaishou.SocketMessage {
	t.Helper()
	message := &kuaishou.SocketMessage{}
	if err := proto.Unmarshal(data, message); err != nil {
		t.Fatal(err)
	}
	switch message.CompressionType {
	case kuaishou.SocketMessage_GZIP:
		reader, err := gzip.NewReader(bytes.NewReader(message.Payload))
		if err != nil {
			t.Fatal(err)
		}
		if message.Payload, err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	case kuaishou.SocketMessage_AES:
		block, err := aes.NewCipher([]byte("PPbzKKL7NB15leYy"))
		if err != nil {
			t.Fatal(err)
		}
		cipher.NewCBCDecrypter(block, []byte("JRODKJiolJ9xqso0")).CryptBlocks(message.Payload, message.Payload)
		message.Payload = message.Payload[:len(message.Payload)-int(message.Payload[len(message.Payload)-1])]
	}
	return message
}

// received counts rows by table, and keeps those that are easy to rebuild.
type received struct {
	counts map[string]uint64
	rows   []any
}

func unmarshal[M proto.Message](t testing.TB, payload []byte, message M) M {
	t.Helper()
	if err := proto.Unmarshal(payload, message); err != nil {
		t.Fatalf("%T: %v", message, err)
	}
	return message
}

// take counts what a message becomes. base holds the broadcast.
func (r *received) take(t testing.TB, base schema.Event, message *kuaishou.SocketMessage) {
	t.Helper()
	base.EventTime = time.UnixMilli(int64(message.Time))
	switch message.PayloadType {
	case kuaishou.PayloadType_SC_HEARTBEAT_ACK:
	case kuaishou.PayloadType_SC_FEED_PUSH:
		r.feeds(base, unmarshal(t, message.Payload, &kuaishou.SCWebFeedPush{}))
	case kuaishou.PayloadType_SC_LIVE_WATCHING_LIST:
		r.counts["room_stats"]++
		r.counts["viewers"] += uint64(len(unmarshal(t, message.Payload, &kuaishou.SCWebLiveWatchingUsers{}).WatchingUser))
	case kuaishou.PayloadType_SC_RED_PACK_FEED:
		r.counts["red_packs"] += uint64(len(unmarshal(t, message.Payload, &kuaishou.SCWebCurrentRedPackFeed{}).RedPack))
	case kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT:
		for _, m := range unmarshal(t, message.Payload, &kuaishou.SCCommentZoneRichText{}).Message {
			r.richText(base, m)
		}
	case kuaishou.PayloadType_SC_ACTION_SIGNAL:
		r.actions(unmarshal(t, message.Payload, &kuaishou.SCActionSignal{}))
	case kuaishou.PayloadType_SC_LIVE_COMMON_NOTICE, kuaishou.PayloadType_SC_LIVE_ACTIVITY_IN_ROOM_PUSH,
		kuaishou.PayloadType_SC_LIVE_BANNED, kuaishou.PayloadType_SC_AUTHOR_PUSH_TRAFFIC_ZERO, 4242:
		r.counts["undecoded"]++
		r.rows = append(r.rows, &schema.Undecoded{Event: base, PayloadType: uint32(message.PayloadType), Payload: message.Payload})
	default:
		r.counts["room_events"]++
		r.rows = append(r.rows, &schema.RoomEvent{Event: base, PayloadType: message.PayloadType.String()})
	}
}

func (r *received) feeds(base schema.Event, push *kuaishou.SCWebFeedPush) {
	r.counts["room_stats"]++
	r.counts["likes"] += uint64(len(push.LikeFeeds))
	r.counts["shares"] += uint64(len(push.ShareFeeds))
	r.counts["notices"] += uint64(len(push.SystemNoticeFeeds))
	for _, feed := range push.CommentFeeds {
		r.counts["comments"]++
		r.rows = append(r.rows, &schema.Comment{
			Event: base, User: userOf(feed.User), Audience: audienceOf(feed.SenderState), Source: "feed", Content: clean(feed.Content),
			ShowType: map[int32]string{1: "normal", 2: "hidden"}[int32(feed.ShowType)], Color: feed.Color, DeviceHash: feed.DeviceHash,
		})
	}
	for _, feed := range push.ComboCommentFeed {
		r.counts["combo_comments"]++
		r.rows = append(r.rows, &schema.ComboComment{Event: base, Content: feed.Content, ComboCount: feed.ComboCount})
	}
	for _, feed := range push.GiftFeeds {
		r.counts["gifts"]++
		row := &schema.Gift{
			Event: base, User: userOf(feed.User), Audience: audienceOf(feed.SenderState), GiftID: feed.GiftId,
			GiftName: feed.GetAiDataInfo().GetGiftName(), UnitPrice: feed.GetAiDataInfo().GetUnitPrice(), MergeKey: feed.MergeKey,
			BatchSize: feed.BatchSize, ComboCount: feed.ComboCount, Rank: feed.Rank, ExpireDuration: feed.ExpireDuration,
			ClientTimestamp: feed.ClientTimestamp, SlotDisplayDuration: feed.SlotDisplayDuration, StarLevel: feed.StarLevel,
			LiveAssistantType: assistantOf(feed.LiveAssistantType), DeviceHash: feed.DeviceHash, DanmakuDisplay: feed.DanmakuDisplay,
		}
		if feed.StyleType != 0 {
			row.StyleType = strings.ToLower(feed.StyleType.String())
		}
		r.rows = append(r.rows, row)
	}
}

func (r *received) richText(base schema.Event, m *kuaishou.CommentRichTextMessage) {
	r.counts["comments"]++
	base.EventTime = time.UnixMilli(int64(m.ServerTimestamp))
	name := strings.TrimRight(m.Segment[0].GetTextSegment().Text, ": ")
	r.rows = append(r.rows, &schema.Comment{
		Event: base, User: schema.User{UserID: strconv.FormatUint(m.UserId, 10), UserName: clean(name)}, Source: "rich_text",
		FeedID: m.Id, Content: clean(m.Segment[1].GetTextSegment().Text), ShowType: "normal", DeviceHash: m.DeviceHash, BizType: m.BizType,
	})
}

func (r *received) actions(push *kuaishou.SCActionSignal) {
	tables := map[protoreflect.Name]string{
		"fans_group_join_feed": "fan_joins", "live_activity_enter_room_tip": "entries", "live_watching_list_change_notice_feed": "rankings",
	}
	push.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		table := tables[field.Name()]
		if table == "" {
			table = "room_events"
		}
		r.counts[table] += uint64(value.List().Len())
		return true
	})
	for unknown := push.ProtoReflect().GetUnknown(); len(unknown) > 0; {
		_, _, n := protowire.ConsumeField(unknown)
		unknown = unknown[n:]
		r.counts["undecoded"]++
	}
}

func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func userOf(u *kuaishou.SimpleUserInfo) schema.User {
	return schema.User{UserID: u.PrincipalId, UserName: clean(u.UserName), HeadURL: u.HeadUrl, Mystery: u.Mystery}
}

func assistantOf(kind kuaishou.AssistantType) string {
	return map[kuaishou.AssistantType]string{1: "super", 2: "junior"}[kind]
}

func audienceOf(state *kuaishou.LiveAudienceState) schema.Audience {
	audience := schema.Audience{
		FansGroupIntimacyLevel:     state.GetFansGroupIntimacyLevel(),
		LiveFansGroupIntimacyLevel: state.GetLiveFansGroupState().GetIntimacyLevel(),
		WealthGrade:                state.GetWealthGrade(),
		AudienceRank:               state.GetAudienceRank(),
		AssistantType:              assistantOf(state.GetAssistantType()),
	}
	for _, segment := range state.GetUserStateSegment() {
		if icon := segment.GetIconSegment(); strings.HasPrefix(icon.GetIconPath(), "fans") {
			audience.FansBadge = icon.Text
		}
	}
	return audience
}
