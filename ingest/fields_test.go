package ingest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// protocolFields are the messages as the protocol's description has them, apart
// from the .proto, and for each field the column that it is in. A field without a
// column is in the row's JSON, under its name. In a room event all are.
//
// A line is: number, name, type, column. Types are text, number, ms (a time),
// bool, enum, bytes, or a message; "*" before it: repeated; "|" after the
// message's name: one of its fields at a time.
const protocolFields = `
SimpleUserInfo: 1 principalId text user_id, 2 userName text user_name, 3 headUrl text head_url, 4 mystery bool mystery, 5 desc text
PicUrl: 1 cdn text, 2 url text, 3 urlPattern text, 4 ip text
UserInfo: 1 userId number origin_user_id, 2 userName text user_name, 3 userGender text, 4 userText text, 5 headUrls *PicUrl, 6 verified bool, 7 sUserId text, 8 httpsHeadUrls *PicUrl, 9 kwaiId text, 10 eUid text user_id
LiveAudienceState: 1 isFromFansTop bool, 2 isKoi bool, 3 assistantType enum assistant_type, 4 fansGroupIntimacyLevel number fans_group_intimacy_level, 5 nameplate Nameplate, 6 liveFansGroupState LiveFansGroupState, 7 wealthGrade number wealth_grade, 8 badgeKey text, 9 livePrivilegeState bytes, 10 audienceRank number audience_rank, 11 userStateSegment *UserStateSegment, 12 feedBackground bytes, 13 userFeature *number, 14 liveUserInfo LiveUserInfo, 17 hometown text, 20 isAnonymousIdentity bool
Nameplate: 1 id number, 2 name text, 3 urls *PicUrl
LiveFansGroupState: 1 intimacyLevel number live_fans_group_intimacy_level, 2 enterRoomSpecialEffect number
UserStateSegment|: 1 iconSegment StateIcon, 2 badgeSegment StateBadge
StateIcon: 1 resPackId text, 2 iconPath text, 3 enableStretch bool, 4 text text, 5 textStyle bytes, 6 tapAction bytes
StateBadge: 1 badgeKey text, 2 tapAction bytes, 3 badgeAnimationKey text
LiveUserInfo: 1 nickname text, 2 userId number origin_user_id
WebCommentFeed: 1 id text id, 2 user SimpleUserInfo, 3 content text content, 4 deviceHash text device_hash, 5 sortRank number sort_rank, 6 color text color, 7 showType enum show_type, 8 senderState LiveAudienceState, 9 time number
RecalledComment: 1 id text id, 2 user SimpleUserInfo, 3 content text content, 4 deviceHash text device_hash, 5 sortRank number sort_rank, 6 color text color, 7 showType enum show_type, 8 senderState LiveAudienceState, 9 time ms event_time
WebComboCommentFeed: 1 id text id, 2 content text content, 3 comboCount number combo_count
WebLikeFeed: 1 id text id, 2 user SimpleUserInfo, 3 sortRank number sort_rank, 4 deviceHash text device_hash, 5 senderState LiveAudienceState
WebGiftFeed: 1 id text id, 2 user SimpleUserInfo, 3 time ms time, 4 giftId number gift_id, 5 sortRank number sort_rank, 6 mergeKey text merge_key, 7 batchSize number batch_size, 8 comboCount number combo_count, 9 rank number rank, 10 expireDuration number expire_duration, 11 clientTimestamp number client_timestamp, 12 slotDisplayDuration number slot_display_duration, 13 starLevel number star_level, 14 styleType enum style_type, 15 liveAssistantType enum live_assistant_type, 16 deviceHash text device_hash, 17 danmakuDisplay bool danmaku_display, 18 senderState LiveAudienceState, 19 aiDataInfo AiDataInfo
AiDataInfo: 1 apiScatterMs number, 2 downGradeMaxMs number, 3 downGradeGiftId number, 4 unitPrice number unit_price, 5 giftName text gift_name, 6 picUrl *PicUrl, 7 enableApiRequest number
WebSystemNoticeFeed: 1 id text id, 2 user SimpleUserInfo, 3 time ms time, 4 content text content, 5 displayDuration number display_duration, 6 sortRank number sort_rank, 7 displayType enum display_type
WebShareFeed: 1 id text id, 2 user SimpleUserInfo, 3 time ms time, 4 thirdPartyPlatform number third_party_platform, 5 sortRank number sort_rank, 6 liveAssistantType enum live_assistant_type, 7 deviceHash text device_hash
Counters: 1 displayWatchingCount text display_watching_count, 2 displayLikeCount text display_like_count, 3 pendingLikeCount number pending_like_count, 4 pushInterval number push_interval, 6 commentCursor text, 10 giftCursor text
WithoutCounters: 4 pushInterval number, 6 commentCursor text, 10 giftCursor text
WatchingCounters: 2 displayWatchingCount text display_watching_count, 3 pendingDuration number
WebWatchingUserInfo: 1 user SimpleUserInfo, 2 offline bool offline, 3 tuhao bool tuhao, 4 liveAssistantType enum live_assistant_type, 5 displayKsCoin text display_ks_coin
RedPack: 1 id text id, 2 author SimpleUserInfo, 3 balance number balance, 4 openTime ms open_time, 5 currentTime ms current_time, 6 grabToken text grab_token, 7 needSendRequest bool need_send_request, 8 requestDelayMillis number request_delay_millis, 9 luckiestDelayMillis number luckiest_delay_millis, 10 coverType enum cover_type
CommentRichTextMessage: 1 id text id, 2 userId number origin_user_id, 3 serverTimestamp ms event_time, 4 deviceHash text device_hash, 5 sortRank number sort_rank, 6 bizType number biz_type, 7 segment *RichTextSegment
RichTextSegment|: 1 textSegment TextSegment, 2 iconSegment WebIcon, 3 giftSegment GiftSegment, 4 imageSegment ImageSegment, 5 badgeSegment bytes
TextSegment: 1 text text, 2 textStyle TextStyle
TextStyle: 1 color number
WebIcon: 1 resPackId text, 2 iconName text, 3 text text, 4 textStyle TextStyle
GiftSegment: 1 giftId number
ImageSegment: 1 url *PicUrl, 2 width number, 3 height number
FansGroupJoinFeed: 1 id text id, 2 user UserInfo, 3 deviceHash text device_hash, 4 userState LiveAudienceState, 5 time ms time, 6 joinSource number join_source
LiveActivityEnterRoomTip: 1 user UserInfo, 2 userState LiveAudienceState, 3 displayType number display_type, 7 displayText text display_text, 13 activityBiz text activity_biz, 18 animationKey text animation_key, 19 animationIntervalMillis number animation_interval_millis, 34 extraInfo text extra_info
LiveWatchingListChangeNoticeFeed: 1 noticeText text notice_text, 2 needFold bool need_fold, 3 id text id, 4 displayUserName text display_user_name
LiveCommonActionSignal: 1 action CommonAction
CommonAction: 1 liveStreamId text, 2 payloadType text, 3 payload bytes
SCEcho: 1 content text
SCWebError: 1 code number, 2 msg text, 3 subCode number, 4 minDelayMs number, 5 maxDelayMs number
SCPingAck: 1 echoData bytes
SCInfo: 1 code number, 2 msg text
SCWebEnterRoomAck: 1 minReconnectMs number, 2 maxReconnectMs number, 3 heartbeatIntervalMs number
SCWebAuthorPause: 1 time number, 2 pauseType enum
Time: 1 time number
SCWebSuspectedViolation: 1 suspectedViolation bool
SCWebGuessOpened: 1 time number, 2 guessId text, 3 submitDeadline number, 4 displayMaxDelayMillis number
SCWebGuessClosed: 1 time number, 2 guessId text, 3 displayMaxDelayMillis number
SCWebRideChanged: 1 rideId text, 2 requestMaxDelayMillis number
SCWebBet: 1 maxDelayMillis number
SCWebLiveSpecialAccountConfigState: 1 configSwitchItem *ConfigSwitchItem, 2 timestamp number
ConfigSwitchItem: 1 configSwitchType enum, 2 value bool
SCLiveWarningMask: 1 displayMask bool, 2 warningMask WarningMask
WarningMask: 1 iconCdnNodeView *CdnNodeView, 2 title text, 3 detail text
CdnNodeView: 1 cdn text, 2 url text, 3 freeTraffic bool
SCInteractiveChatClosed: 1 bizIdentity BizIdentity, 2 userInfo UserInfo, 4 timestamp number, 5 version number
BizIdentity: 1 bizType number, 2 chatId text, 3 bizId text
SCInteractiveChatSwitchBiz: 1 roomInfo ChatRoomInfo, 4 timestamp number, 5 version number
ChatRoomInfo: 1 bizIdentity BizIdentity, 2 userInfo *UserInfo, 3 layoutConfig bytes, 4 version number
SCLiveMultiPkStatistic: 1 pkId text, 2 time number, 3 team *PkTeam, 7 statisticVersion number
PkTeam: 1 teamId number, 2 teamScore number, 3 displayTeamScore text, 4 teamMember *bytes, 6 currentRank number
Envelope: 5 reportId text, 6 messageId text, 7 needAck bool, 8 ackInfo bytes
Opaque:
`

// protocolRows say which message becomes a row of which table: the payload type,
// the field of the payload that it stands in (0: it is the payload), and the
// message. A field of a 510 with an empty message is kept as it is.
var protocolRows = []struct {
	kind    kuaishou.PayloadType
	field   protowire.Number
	message string
	table   string
}{
	{310, 0, "Counters", "room_stats"},
	{310, 0, "WithoutCounters", "room_events"},
	{310, 5, "WebCommentFeed", "comments"},
	{310, 7, "WebComboCommentFeed", "combo_comments"},
	{310, 8, "WebLikeFeed", "likes"},
	{310, 9, "WebGiftFeed", "gifts"},
	{310, 11, "WebSystemNoticeFeed", "notices"},
	{310, 12, "WebShareFeed", "shares"},
	{340, 0, "WatchingCounters", "room_stats"},
	{340, 1, "WebWatchingUserInfo", "viewers"},
	{330, 1, "RedPack", "red_packs"},
	{829, 1, "CommentRichTextMessage", "comments"},
	{111, 0, "RecalledComment", "comments"},
	{112, 0, "CommentRichTextMessage", "comments"},
	{510, 2, "FansGroupJoinFeed", "fan_joins"},
	{510, 14, "LiveCommonActionSignal", "room_events"},
	{510, 28, "LiveActivityEnterRoomTip", "entries"},
	{510, 40, "LiveWatchingListChangeNoticeFeed", "rankings"},
	{510, 3, "", "room_events"},
	{510, 6, "", "room_events"},
	{510, 9, "", "room_events"},
	{510, 13, "", "room_events"},
	{510, 18, "", "room_events"},
	{510, 20, "", "room_events"},
	{510, 26, "", "room_events"},
	{510, 27, "", "room_events"},
	{510, 31, "", "room_events"},
	{510, 33, "", "room_events"},
	{510, 35, "", "room_events"},
	{510, 45, "", "room_events"},
	{510, 52, "", "room_events"},
	{510, 53, "", "room_events"},
	{102, 0, "SCEcho", "room_events"},
	{103, 0, "SCWebError", "room_events"},
	{104, 0, "SCPingAck", "room_events"},
	{105, 0, "SCInfo", "room_events"},
	{300, 0, "SCWebEnterRoomAck", "room_events"},
	{301, 0, "SCWebAuthorPause", "room_events"},
	{302, 0, "Time", "room_events"},
	{305, 0, "Time", "room_events"},
	{306, 0, "Time", "room_events"},
	{312, 0, "Opaque", "room_events"},
	{355, 0, "SCWebSuspectedViolation", "room_events"},
	{370, 0, "SCWebGuessOpened", "room_events"},
	{371, 0, "SCWebGuessClosed", "room_events"},
	{412, 0, "SCWebRideChanged", "room_events"},
	{441, 0, "SCWebBet", "room_events"},
	{442, 0, "SCWebBet", "room_events"},
	{645, 0, "SCWebLiveSpecialAccountConfigState", "room_events"},
	{758, 0, "SCLiveWarningMask", "room_events"},
	{776, 0, "SCInteractiveChatClosed", "room_events"},
	{944, 0, "SCInteractiveChatSwitchBiz", "room_events"},
	{950, 0, "SCLiveMultiPkStatistic", "room_events"},
}

// payload is one with a message in it, every field of which is filled, in the
// payload's field of that number, 0 for none. Without a message it is opaque.
func (f *protocolFiller) payload(message string, field protowire.Number) []byte {
	payload := []byte("opaque")
	if message != "" {
		payload = f.message(message, nil)
	}
	if field > 0 {
		payload = nested(field, payload)
	}
	return payload
}

// Every field of every message lands where protocolFields says, whichever way
// the payload is compressed.
func TestEveryFieldLands(t *testing.T) {
	messages := parseProtocol(t)
	for _, test := range protocolRows {
		filler := protocolFiller{messages: messages}
		payload := filler.payload(test.message, test.field)
		for _, compression := range []kuaishou.SocketMessage_CompressionType{0, 1, 2, 3} {
			batch := decoded(frameOf(sealed(t, test.kind, payload, compression)))
			name := fmt.Sprintf("%d.%d %s, compression %d", test.kind, test.field, test.message, compression)
			rows := rowsOf(batch, test.table)
			if rows.Len() != 1 || batch.Len() != 1 {
				t.Errorf("%s: rows are %s", name, rowsJSON(t, batch))
				continue
			}
			if test.message == "" {
				filler.want = []landing{{path: nil, value: base64.StdEncoding.EncodeToString(payload[len(payload)-6:])}}
			}
			checkLandings(t, name, rows, filler.want)
		}
	}
}

// What the envelope says lands too: its time is the event's.
func TestEveryEnvelopeFieldLands(t *testing.T) {
	filler := protocolFiller{messages: parseProtocol(t)}
	data := append(sealed(t, 302, []byte{0x08, 0x05}, kuaishou.SocketMessage_NONE), filler.message("Envelope", nil)...)
	batch := decoded(frameOf(data))
	if batch.Len() != 2 || len(batch.RoomEvents) != 2 {
		t.Fatalf("rows are %s", rowsJSON(t, batch))
	}
	if at := batch.RoomEvents[0].EventTime.UnixMilli(); at != sampleSent {
		t.Errorf("the event is of %d, want %d", at, sampleSent)
	}
	checkLandings(t, "envelope", rowsOf(batch, "room_events").Slice(1, 2), filler.want)
}

type protocolField struct {
	number     protowire.Number
	name, kind string
	repeated   bool
	column     string
}

type protocolMessage struct {
	fields  []protocolField
	choices bool // one field at a time
}

func parseProtocol(t *testing.T) map[string]protocolMessage {
	t.Helper()
	messages := make(map[string]protocolMessage)
	for line := range strings.Lines(strings.TrimSpace(protocolFields)) {
		name, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, choices := strings.CutSuffix(name, "|")
		message := protocolMessage{choices: choices}
		for entry := range strings.SplitSeq(list, ",") {
			words := append(strings.Fields(entry), "", "")
			if words[0] == "" {
				continue
			}
			number, err := strconv.Atoi(words[0])
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			field := protocolField{number: protowire.Number(number), name: words[1], column: words[3]}
			field.kind, field.repeated = strings.CutPrefix(words[2], "*")
			message.fields = append(message.fields, field)
		}
		messages[name] = message
	}
	return messages
}

// landing is a value and where it must be: in a column, or else at a path of the
// row's JSON.
type landing struct {
	column string
	path   []string
	value  any
}

// protocolFiller encodes messages with every field set to another value.
type protocolFiller struct {
	messages map[string]protocolMessage
	n        uint64
	want     []landing
}

func (f *protocolFiller) message(name string, path []string) []byte {
	var data []byte
	for _, field := range f.messages[name].fields {
		data = append(data, f.field(field, append(path[:len(path):len(path)], field.name))...)
	}
	return data
}

func (f *protocolFiller) field(field protocolField, path []string) []byte {
	f.n++
	number := func(n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, field.number, protowire.VarintType), n)
	}
	land := func(value any) { f.want = append(f.want, landing{field.column, path, value}) }
	switch field.kind {
	case "text":
		text := fmt.Sprint("text ", f.n)
		land(text)
		return nested(field.number, []byte(text))
	case "bytes":
		content := []byte{0xFF, byte(f.n)}
		land(base64.StdEncoding.EncodeToString(content))
		return nested(field.number, content)
	case "number":
		n := 100_000 + f.n
		land(n)
		return number(n)
	case "ms":
		n := sampleSent - 60_000 + f.n
		land(time.UnixMilli(int64(n)).UTC())
		return number(n)
	case "bool":
		land(true)
		return number(1)
	case "enum":
		// One that nobody has a word for: its number is kept.
		n := 100_000 + f.n
		land(n)
		return number(n)
	}
	message, ok := f.messages[field.kind]
	if !ok {
		panic("no type " + field.kind)
	}
	if !message.choices {
		return nested(field.number, f.message(field.kind, path))
	}
	var data []byte
	for _, choice := range message.fields {
		data = append(data, nested(field.number, f.field(choice, append(path[:len(path):len(path)], choice.name)))...)
	}
	return data
}

func rowsOf(batch *schema.Batch, table string) schema.Rows {
	for rows := range batch.All() {
		if rows.Name == table {
			return rows
		}
	}
	return schema.Tables[0].Make(0)
}

func checkLandings(t *testing.T, name string, rows schema.Rows, want []landing) {
	t.Helper()
	columns := make(map[string]any)
	for i, value := range rows.Values(0, nil) {
		columns[rows.Columns[i]] = value
	}
	texts := []string{"other_fields", "segments"}
	if rows.Name == "room_events" {
		texts = []string{"message"}
	}
	for _, landing := range want {
		if landing.column != "" && rows.Name != "room_events" {
			got := columns[landing.column]
			// A full user's own ID goes before that in the state, which is in the JSON then.
			second := landing.path[0] == "userState" && holds(t, columns["other_fields"].(string), landing.path, landing.value)
			if fmt.Sprint(got) != fmt.Sprint(landing.value) && !second {
				t.Errorf("%s: %s is %v, want %v of %v", name, landing.column, got, landing.value, landing.path)
			}
			continue
		}
		found := false
		for _, text := range texts {
			encoded, _ := columns[text].(string)
			path := landing.path
			if text == "segments" && len(path) > 0 {
				path = path[1:] // the column is that field
			}
			found = found || holds(t, encoded, path, landing.value)
		}
		if !found {
			t.Errorf("%s: %v is not at %v of %v, %v", name, landing.value, landing.path, columns["other_fields"], columns["message"])
		}
	}
}

func holds(t *testing.T, encoded string, path []string, value any) bool {
	t.Helper()
	if encoded == "" {
		return false
	}
	decoder := json.NewDecoder(strings.NewReader(encoded))
	decoder.UseNumber()
	var root any
	if err := decoder.Decode(&root); err != nil {
		t.Fatalf("%v: %s", err, encoded)
	}
	return at(root, path, value)
}

// at says whether value is at path, through any element of the arrays.
func at(root any, path []string, value any) bool {
	switch root := root.(type) {
	case []any:
		for _, element := range root {
			if at(element, path, value) {
				return true
			}
		}
		return false
	case map[string]any:
		return len(path) > 0 && at(root[path[0]], path[1:], value)
	}
	return len(path) == 0 && root != nil && fmt.Sprint(root) == fmt.Sprint(value)
}
