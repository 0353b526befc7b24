package ingest

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
	"kslive/schema"
)

var actionSignalMessage = partNamesOf[*kuaishou.SCActionSignal]()

// actionSignal makes the rows of a 510. Nobody knows all that it may hold, so
// every field of it becomes a row.
func (d *Decoder) actionSignal(whole *part) {
	r := d.parts(whole, actionSignalMessage)
	for r.next() {
		p := &r.part
		switch {
		case p.unknown:
			d.undecoded(p, errUnknownPart)
		case p.name == "live_activity_enter_room_tip":
			d.entry(p)
		case p.name == "live_watching_list_change_notice_feed":
			d.ranking(p)
		case p.name == "fans_group_join_feed":
			d.fanJoin(p)
		case p.name == "commerce_common_feed":
			d.roomMessage(p, &kuaishou.LiveCommonActionSignal{})
		case len(p.raw) > maxPart:
			d.undecoded(p, errLargePart)
		default: // its content is not known
			d.addRoomEvent(p, d.write(appendBase64(nil, p.raw)))
		}
	}
}

func (d *Decoder) entry(p *part) {
	var tip kuaishou.LiveActivityEnterRoomTip
	if !d.unmarshal(p, &tip) {
		return
	}
	d.batch.Entries = append(d.batch.Entries, schema.Entry{
		Event:                   d.eventOf(p),
		User:                    fullUser(tip.User, tip.UserState),
		Audience:                audience(tip.UserState),
		DisplayType:             tip.DisplayType,
		DisplayText:             validText(tip.DisplayText),
		ActivityBiz:             validText(tip.ActivityBiz),
		AnimationKey:            validText(tip.AnimationKey),
		AnimationIntervalMillis: tip.AnimationIntervalMillis,
		ExtraInfo:               validText(tip.ExtraInfo),
		Other:                   d.other(entryRest, &tip),
	})
}

func (d *Decoder) ranking(p *part) {
	var notice kuaishou.LiveWatchingListChangeNoticeFeed
	if !d.unmarshal(p, &notice) {
		return
	}
	d.batch.Rankings = append(d.batch.Rankings, schema.Ranking{
		Event:           d.eventOf(p),
		FeedID:          validText(notice.Id),
		NoticeText:      validText(notice.NoticeText),
		NeedFold:        notice.NeedFold,
		DisplayUserName: validText(notice.DisplayUserName),
		Other:           d.other(rankingRest, &notice),
	})
}

func (d *Decoder) fanJoin(p *part) {
	var feed kuaishou.FansGroupJoinFeed
	if !d.unmarshal(p, &feed) {
		return
	}
	d.batch.FanJoins = append(d.batch.FanJoins, schema.FanJoin{
		Event:      d.eventOf(p),
		User:       fullUser(feed.User, feed.UserState),
		Audience:   audience(feed.UserState),
		FeedID:     validText(feed.Id),
		FeedTime:   timeOf(feed.Time),
		DeviceHash: validText(feed.DeviceHash),
		JoinSource: feed.JoinSource,
		Other:      d.other(fanJoinRest, &feed),
	})
}

// roomMessages are the payload types that become a room event as a whole.
var roomMessages = map[kuaishou.PayloadType]protoreflect.MessageType{
	kuaishou.PayloadType_CS_ERROR:                                     typeOf[*kuaishou.CSError](),
	kuaishou.PayloadType_CS_PING:                                      typeOf[*kuaishou.CSPing](),
	kuaishou.PayloadType_SC_ECHO:                                      typeOf[*kuaishou.SCEcho](),
	kuaishou.PayloadType_SC_ERROR:                                     typeOf[*kuaishou.SCWebError](),
	kuaishou.PayloadType_SC_PING_ACK:                                  typeOf[*kuaishou.SCPingAck](),
	kuaishou.PayloadType_SC_INFO:                                      typeOf[*kuaishou.SCInfo](),
	kuaishou.PayloadType_CS_USER_PAUSE:                                typeOf[*kuaishou.CSWebUserPause](),
	kuaishou.PayloadType_SC_ENTER_ROOM_ACK:                            typeOf[*kuaishou.SCWebEnterRoomAck](),
	kuaishou.PayloadType_SC_AUTHOR_PAUSE:                              typeOf[*kuaishou.SCWebAuthorPause](),
	kuaishou.PayloadType_SC_AUTHOR_RESUME:                             typeOf[*kuaishou.SCWebAuthorResume](),
	kuaishou.PayloadType_SC_PIP_STARTED:                               typeOf[*kuaishou.SCWebPipStarted](),
	kuaishou.PayloadType_SC_PIP_ENDED:                                 typeOf[*kuaishou.SCWebPipEnded](),
	kuaishou.PayloadType_SC_REFRESH_WALLET:                            typeOf[*kuaishou.SCWebRefreshWallet](),
	kuaishou.PayloadType_SC_SUSPECTED_VIOLATION:                       typeOf[*kuaishou.SCWebSuspectedViolation](),
	kuaishou.PayloadType_SC_GUESS_OPENED:                              typeOf[*kuaishou.SCWebGuessOpened](),
	kuaishou.PayloadType_SC_GUESS_CLOSED:                              typeOf[*kuaishou.SCWebGuessClosed](),
	kuaishou.PayloadType_SC_RIDE_CHANGED:                              typeOf[*kuaishou.SCWebRideChanged](),
	kuaishou.PayloadType_SC_BET_CHANGED:                               typeOf[*kuaishou.SCWebBetChanged](),
	kuaishou.PayloadType_SC_BET_CLOSED:                                typeOf[*kuaishou.SCWebBetClosed](),
	kuaishou.PayloadType_SC_LIVE_SPECIAL_ACCOUNT_CONFIG_STATE:         typeOf[*kuaishou.SCWebLiveSpecialAccountConfigState](),
	kuaishou.PayloadType_SC_LIVE_WARNING_MASK_STATUS_CHANGED_AUDIENCE: typeOf[*kuaishou.SCLiveWarningMaskStatusChangedAudience](),
	kuaishou.PayloadType_SC_INTERACTIVE_CHAT_CLOSED:                   typeOf[*kuaishou.SCInteractiveChatClosed](),
	kuaishou.PayloadType_SC_INTERACTIVE_CHAT_SWITCH_BIZ:               typeOf[*kuaishou.SCInteractiveChatSwitchBiz](),
	kuaishou.PayloadType_SC_LIVE_MULTI_PK_STATISTIC:                   typeOf[*kuaishou.SCLiveMultiPkStatistic](),
}

func typeOf[M proto.Message]() protoreflect.MessageType {
	var message M
	return message.ProtoReflect().Type()
}

// roomEvent makes the row of any payload that has no table of its own.
func (d *Decoder) roomEvent(whole *part) {
	message, ok := roomMessages[d.payloadType]
	switch {
	case ok:
		d.roomMessage(whole, message.New().Interface())
	case payloadTypeName(d.payloadType) != "":
		d.undecoded(whole, errNoMessage)
	default:
		d.undecoded(whole, errUnknownType)
	}
}

func (d *Decoder) roomMessage(p *part, message proto.Message) {
	if d.unmarshal(p, message) {
		d.addRoomEvent(p, d.write(appendMessageJSON(nil, message.ProtoReflect())))
	}
}

func (d *Decoder) addRoomEvent(p *part, message string) {
	d.batch.RoomEvents = append(d.batch.RoomEvents, schema.RoomEvent{
		Event:       d.eventOf(p),
		PayloadType: payloadTypeName(d.payloadType),
		Part:        p.name,
		Message:     message,
	})
}
