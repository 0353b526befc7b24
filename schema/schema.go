// Package schema says what a row is: one struct for each ClickHouse table of
// events. A field's JSON name is its column's name; migrations/clickhouse holds
// the tables with a comment on every column.
//
// To add a kind of event: a struct and a slice in Batch here, a migration, and
// a case in the decoder. Nothing between them changes.
package schema

import "time"

// Event holds the columns that every row has.
type Event struct {
	// LiveID is the room: the author's principalId, as in the lives table.
	LiveID string `json:"live_id"`
	// LiveStreamID is the broadcast.
	LiveStreamID string `json:"live_stream_id"`
	// EventTime is when it happened, to the millisecond, in UTC.
	EventTime time.Time `json:"event_time"`
	// EventTimeSource says which clock EventTime was read from: FromFeed,
	// FromEnvelope or FromReceipt.
	EventTimeSource string `json:"event_time_source"`
	// ReceivedAt is when the worker read the frame.
	ReceivedAt time.Time `json:"received_at"`
	// EventID is the same for the same event, whoever received it and whenever.
	EventID uint64 `json:"event_id"`
	// SessionID is the connection that the frame came over, EventID in Coverage,
	// and FrameNumber which of its frames it is, from 1 (in Coverage, which
	// record of the attempt): together they name the frame that the row is from.
	SessionID   uint64 `json:"session_id"`
	FrameNumber uint32 `json:"frame_number"`
	// Offset is where the frame's record begins in its segment. Not a column.
	Offset int64 `json:"-"`
}

// The clocks an event's time can be read from, the best first.
const (
	FromFeed     = "feed"     // the feed itself: recalled comments and 829
	FromEnvelope = "envelope" // the time on the SocketMessage
	FromReceipt  = "received" // the others were absent or out of bounds
)

// User holds the columns of the person an event is about.
type User struct {
	// UserID is the principalId. Where only the numeric ID was sent (829), it is
	// that number in decimal.
	UserID string `json:"user_id"`
	// OriginUserID is the numeric user ID, 0 when it was not sent.
	OriginUserID uint64 `json:"origin_user_id"`
	UserName     string `json:"user_name"`
	HeadURL      string `json:"head_url"`
	// Mystery is an anonymous viewer.
	Mystery bool `json:"mystery"`
}

// Who is the person, of every row that has one.
func (u *User) Who() *User { return u }

// Audience holds the columns of a LiveAudienceState.
type Audience struct {
	FansGroupIntimacyLevel     uint32 `json:"fans_group_intimacy_level"`
	LiveFansGroupIntimacyLevel uint32 `json:"live_fans_group_intimacy_level"`
	WealthGrade                uint32 `json:"wealth_grade"`
	AudienceRank               uint32 `json:"audience_rank"`
	// AssistantType is "", "super" or "junior".
	AssistantType string `json:"assistant_type"`
	// FansBadge is the fan club's name on the viewer's badge.
	FansBadge string `json:"fans_badge"`
}

// Other is the last column of a row that is made from one message.
type Other struct {
	// OtherFields is JSON: what the message held beside the columns. Fields that
	// are not known stand in it as "?<number>". Empty when there was nothing.
	OtherFields string `json:"other_fields"`
}

// Comment is a comment in the room (310), from outside of it (829), or recalled.
type Comment struct {
	Event
	User
	Audience
	// Source is "feed", "rich_text" or "recall".
	Source  string `json:"source"`
	FeedID  string `json:"id"`
	Content string `json:"content"`
	// ShowType is "normal", "hidden" or "unknown"; hidden ones are twins of likes.
	ShowType   string `json:"show_type"`
	Color      string `json:"color"`
	DeviceHash string `json:"device_hash"`
	SortRank   uint64 `json:"sort_rank"`
	// BizType and Segments (JSON) are sent with rich text only.
	BizType  uint32 `json:"biz_type"`
	Segments string `json:"segments"`
	Other
}

// ComboComment is a comment that many viewers sent at once.
type ComboComment struct {
	Event
	FeedID     string `json:"id"`
	Content    string `json:"content"`
	ComboCount uint32 `json:"combo_count"`
	Other
}

// Gift is one tick of a combo: ComboCount is cumulative per MergeKey.
type Gift struct {
	Event
	User
	Audience
	FeedID   string    `json:"id"`
	FeedTime time.Time `json:"time"`
	GiftID   uint32    `json:"gift_id"`
	// GiftName and UnitPrice (快币) are set when the feed brought them.
	GiftName            string `json:"gift_name"`
	UnitPrice           uint32 `json:"unit_price"`
	MergeKey            string `json:"merge_key"`
	BatchSize           uint32 `json:"batch_size"`
	ComboCount          uint32 `json:"combo_count"`
	Rank                uint32 `json:"rank"`
	ExpireDuration      uint64 `json:"expire_duration"`
	ClientTimestamp     uint64 `json:"client_timestamp"`
	SlotDisplayDuration uint64 `json:"slot_display_duration"`
	StarLevel           uint32 `json:"star_level"`
	// StyleType is "", "batch_star_0" to "batch_star_6".
	StyleType         string `json:"style_type"`
	LiveAssistantType string `json:"live_assistant_type"`
	DeviceHash        string `json:"device_hash"`
	DanmakuDisplay    bool   `json:"danmaku_display"`
	SortRank          uint64 `json:"sort_rank"`
	Other
}

// Like is a viewer's first like; repeats are not sent.
type Like struct {
	Event
	User
	Audience
	FeedID     string `json:"id"`
	DeviceHash string `json:"device_hash"`
	SortRank   uint64 `json:"sort_rank"`
	Other
}

// Share is a viewer who shared the live.
type Share struct {
	Event
	User
	FeedID             string    `json:"id"`
	FeedTime           time.Time `json:"time"`
	ThirdPartyPlatform uint32    `json:"third_party_platform"`
	LiveAssistantType  string    `json:"live_assistant_type"`
	DeviceHash         string    `json:"device_hash"`
	SortRank           uint64    `json:"sort_rank"`
	Other
}

// Notice is a system notice.
type Notice struct {
	Event
	User
	FeedID          string    `json:"id"`
	FeedTime        time.Time `json:"time"`
	Content         string    `json:"content"`
	DisplayDuration uint64    `json:"display_duration"`
	// DisplayType is "", "comment", "alert" or "toast".
	DisplayType string `json:"display_type"`
	SortRank    uint64 `json:"sort_rank"`
	Other
}

// RoomStat holds the counters that came with a 310 or 340: their text, the
// number it stands for, and whether that number is exact ("1.2万" is not).
type RoomStat struct {
	Event
	PayloadType          string `json:"payload_type"`
	DisplayWatchingCount string `json:"display_watching_count"`
	WatchingCount        uint64 `json:"watching_count"`
	WatchingCountExact   bool   `json:"watching_count_exact"`
	DisplayLikeCount     string `json:"display_like_count"`
	LikeCount            uint64 `json:"like_count"`
	LikeCountExact       bool   `json:"like_count_exact"`
	PendingLikeCount     uint64 `json:"pending_like_count"`
	PushInterval         uint64 `json:"push_interval"`
	Other
}

// Viewer is one line of a 340: the top spenders among those watching.
type Viewer struct {
	Event
	User
	// Position in the list, from 1.
	Position          uint32 `json:"position"`
	Offline           bool   `json:"offline"`
	Tuhao             bool   `json:"tuhao"`
	LiveAssistantType string `json:"live_assistant_type"`
	DisplayKsCoin     string `json:"display_ks_coin"`
	KsCoin            uint64 `json:"ks_coin"`
	KsCoinExact       bool   `json:"ks_coin_exact"`
	Other
}

// Entry is a viewer with fan or wealth effects who entered (510 field 28).
type Entry struct {
	Event
	User
	Audience
	DisplayType             uint32 `json:"display_type"`
	DisplayText             string `json:"display_text"`
	ActivityBiz             string `json:"activity_biz"`
	AnimationKey            string `json:"animation_key"`
	AnimationIntervalMillis uint64 `json:"animation_interval_millis"`
	ExtraInfo               string `json:"extra_info"`
	Other
}

// Ranking is a viewer who rose in the list of viewers (510 field 40).
type Ranking struct {
	Event
	FeedID          string `json:"id"`
	NoticeText      string `json:"notice_text"`
	NeedFold        bool   `json:"need_fold"`
	DisplayUserName string `json:"display_user_name"`
	Other
}

// FanJoin is a viewer who joined the fan club (510 field 2).
type FanJoin struct {
	Event
	User
	Audience
	FeedID     string    `json:"id"`
	FeedTime   time.Time `json:"time"`
	DeviceHash string    `json:"device_hash"`
	JoinSource uint32    `json:"join_source"`
	Other
}

// RedPack is a red packet on offer (330); the user is its author.
type RedPack struct {
	Event
	User
	FeedID              string    `json:"id"`
	Balance             uint64    `json:"balance"`
	OpenTime            time.Time `json:"open_time"`
	CurrentTime         time.Time `json:"current_time"`
	GrabToken           string    `json:"grab_token"`
	NeedSendRequest     bool      `json:"need_send_request"`
	RequestDelayMillis  uint64    `json:"request_delay_millis"`
	LuckiestDelayMillis uint64    `json:"luckiest_delay_millis"`
	// CoverType is "", "normal" or "pretty".
	CoverType string `json:"cover_type"`
	Other
}

// RoomEvent is any other message that could be decoded.
type RoomEvent struct {
	Event
	// PayloadType is its name, such as SC_AUTHOR_PAUSE.
	PayloadType string `json:"payload_type"`
	// Part is the field's name for the parts of a 510, "envelope" for what the
	// message around a payload said, otherwise empty.
	Part string `json:"part"`
	// Message is JSON; unknown fields stand in it as "?<number>".
	Message string `json:"message"`
}

// Undecoded is what could not be decoded, and every payload type not known.
type Undecoded struct {
	Event
	PayloadType     uint32 `json:"payload_type"`
	PayloadTypeName string `json:"payload_type_name"`
	// Part names the field in which it stood, when it was not the whole.
	Part    string `json:"part"`
	Payload []byte `json:"payload"`
	Error   string `json:"error"`
}

// Coverage is one attempt to hear a room: a connection, or a refusal. EventTime
// is when it began and EventID is the connection's; of several records the
// latest ReceivedAt counts.
type Coverage struct {
	Event
	Worker string `json:"worker"`
	Epoch  int64  `json:"epoch"`
	// ConnectedAt is nil when the server did not let us in, LastFrameAt when
	// nothing came, EndedAt while it lasts.
	ConnectedAt *time.Time `json:"connected_at"`
	LastFrameAt *time.Time `json:"last_frame_at"`
	EndedAt     *time.Time `json:"ended_at"`
	// State is the room's: live while it lasts, then the one that followed.
	State     string `json:"state"`
	Cause     string `json:"cause"`
	Reason    string `json:"reason"`
	Code      int32  `json:"code"`
	CloseCode uint16 `json:"close_code"`
	Frames    uint64 `json:"frames"`
	Bytes     uint64 `json:"bytes"`
	// UnknownPayloads are frames whose payload type is not known.
	UnknownPayloads uint64 `json:"unknown_payloads"`
	// Reconnects are the connections of this broadcast that were tried before.
	Reconnects uint32 `json:"reconnects"`
	// Via is the resolver that found the way in; recall: comments only.
	Via string `json:"via"`
}
