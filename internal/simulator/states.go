package simulator

import (
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// state is a kind of push about the room's state.
type state struct {
	kind    kuaishou.PayloadType
	message func(g *generator, ms uint64) proto.Message // nil: undecoded bytes
}

// stateMessages are the pushes about the room's state, sent in turn so that
// each comes round. Types that nobody can decode are among them.
var stateMessages = []state{
	{kuaishou.PayloadType_SC_RED_PACK_FEED, nil}, // has rows of its own
	{kuaishou.PayloadType_SC_AUTHOR_PAUSE, func(g *generator, ms uint64) proto.Message {
		return &kuaishou.SCWebAuthorPause{Time: ms, PauseType: kuaishou.SCWebAuthorPause_PauseType(1 + g.rng.IntN(2))}
	}},
	{kuaishou.PayloadType_SC_AUTHOR_RESUME, func(_ *generator, ms uint64) proto.Message {
		return &kuaishou.SCWebAuthorResume{Time: ms}
	}},
	{kuaishou.PayloadType_SC_LIVE_WARNING_MASK_STATUS_CHANGED_AUDIENCE, warningMask},
	{kuaishou.PayloadType_SC_LIVE_SPECIAL_ACCOUNT_CONFIG_STATE, configState},
	{kuaishou.PayloadType_SC_LIVE_COMMON_NOTICE, nil},
	{kuaishou.PayloadType_SC_SUSPECTED_VIOLATION, func(g *generator, _ uint64) proto.Message {
		return &kuaishou.SCWebSuspectedViolation{SuspectedViolation: chance(g.rng, 2)}
	}},
	{kuaishou.PayloadType_SC_INTERACTIVE_CHAT_SWITCH_BIZ, chatSwitch},
	{kuaishou.PayloadType_SC_LIVE_MULTI_PK_STATISTIC, score},
	{kuaishou.PayloadType_SC_INTERACTIVE_CHAT_CLOSED, chatClosed},
	{kuaishou.PayloadType_SC_LIVE_ACTIVITY_IN_ROOM_PUSH, nil},
	{kuaishou.PayloadType_SC_GUESS_OPENED, func(g *generator, ms uint64) proto.Message {
		return &kuaishou.SCWebGuessOpened{Time: ms, GuessId: text(g.rng, urlDigits, 8), SubmitDeadline: ms + 60_000, DisplayMaxDelayMillis: 3000}
	}},
	{kuaishou.PayloadType_SC_GUESS_CLOSED, func(g *generator, ms uint64) proto.Message {
		return &kuaishou.SCWebGuessClosed{Time: ms, GuessId: text(g.rng, urlDigits, 8), DisplayMaxDelayMillis: 3000}
	}},
	{kuaishou.PayloadType_SC_RIDE_CHANGED, func(g *generator, _ uint64) proto.Message {
		return &kuaishou.SCWebRideChanged{RideId: text(g.rng, urlDigits, 8), RequestMaxDelayMillis: 2000}
	}},
	{kuaishou.PayloadType_SC_BET_CHANGED, func(*generator, uint64) proto.Message {
		return &kuaishou.SCWebBetChanged{MaxDelayMillis: 2000}
	}},
	{kuaishou.PayloadType_SC_BET_CLOSED, func(*generator, uint64) proto.Message {
		return &kuaishou.SCWebBetClosed{MaxDelayMillis: 2000}
	}},
	{kuaishou.PayloadType_SC_LIVE_BANNED, nil},
	{kuaishou.PayloadType_SC_PIP_STARTED, func(_ *generator, ms uint64) proto.Message {
		return &kuaishou.SCWebPipStarted{Time: ms}
	}},
	{kuaishou.PayloadType_SC_PIP_ENDED, func(_ *generator, ms uint64) proto.Message {
		return &kuaishou.SCWebPipEnded{Time: ms}
	}},
	{kuaishou.PayloadType_SC_REFRESH_WALLET, func(*generator, uint64) proto.Message {
		return &kuaishou.SCWebRefreshWallet{}
	}},
	{kuaishou.PayloadType_SC_ECHO, func(g *generator, _ uint64) proto.Message {
		return &kuaishou.SCEcho{Content: pick(g.rng, echoes)}
	}},
	{kuaishou.PayloadType_SC_INFO, func(g *generator, _ uint64) proto.Message {
		return &kuaishou.SCInfo{Code: 1, Msg: pick(g.rng, echoes)}
	}},
	{kuaishou.PayloadType_SC_AUTHOR_PUSH_TRAFFIC_ZERO, nil},
	{nameless, nil},
}

// stateFor is the entry of stateMessages for a type, or one without a message.
func stateFor(kind kuaishou.PayloadType) state {
	for _, one := range stateMessages {
		if one.kind == kind {
			return one
		}
	}
	return state{kind: kind}
}

// nameless is a payload type that not even a name is known of.
const nameless kuaishou.PayloadType = 4242

// stateMessage is the next of stateMessages.
func (g *generator) stateMessage() (*frame, error) {
	state := stateMessages[g.signals%len(stateMessages)]
	g.signals++
	return g.stateMessageOf(state.kind)
}

// stateMessageOf is the message of a type, which need not be of stateMessages.
func (g *generator) stateMessageOf(kind kuaishou.PayloadType) (*frame, error) {
	state := stateFor(kind)
	t := g.clock()
	f := &frame{}
	switch {
	case state.kind == kuaishou.PayloadType_SC_RED_PACK_FEED:
		return g.seal(f, state.kind, g.redPacks(f, t), t)
	case state.message == nil:
		payload := []byte(text(g.rng, urlDigits, g.rng.IntN(200)))
		f.add(&schema.Undecoded{Event: g.event(t), PayloadType: uint32(state.kind), Payload: payload})
		return g.sealRaw(f, state.kind, payload, t)
	default:
		f.add(&schema.RoomEvent{Event: g.event(t), PayloadType: state.kind.String()})
		return g.seal(f, state.kind, state.message(g, uint64(t.UnixMilli())), t)
	}
}

func (g *generator) redPacks(f *frame, t time.Time) proto.Message {
	push := &kuaishou.SCWebCurrentRedPackFeed{}
	now := uint64(t.UnixMilli())
	for range 1 + g.rng.IntN(2) {
		p := g.person()
		cover := g.rng.IntN(3)
		pack := &kuaishou.WebRedPackInfo{
			Id: text(g.rng, urlDigits, 12), Author: p.info, Balance: 10 * (g.rng.Uint64N(100) + 1),
			OpenTime: now + 1000*(g.rng.Uint64N(120)+1), CurrentTime: now, GrabToken: text(g.rng, urlDigits, 24),
			NeedSendRequest: chance(g.rng, 2), RequestDelayMillis: g.rng.Uint64N(3000), LuckiestDelayMillis: g.rng.Uint64N(5000),
			CoverType: kuaishou.WebRedPackInfo_CoverType(cover),
		}
		push.RedPack = append(push.RedPack, pack)
		f.add(&schema.RedPack{
			Event: g.event(t), User: p.user, FeedID: pack.Id, Balance: pack.Balance,
			OpenTime: time.UnixMilli(int64(pack.OpenTime)), CurrentTime: time.UnixMilli(int64(now)),
			GrabToken: pack.GrabToken, NeedSendRequest: pack.NeedSendRequest,
			RequestDelayMillis: pack.RequestDelayMillis, LuckiestDelayMillis: pack.LuckiestDelayMillis,
			CoverType: [...]string{"", "normal", "pretty"}[cover],
		})
	}
	return push
}

func warningMask(g *generator, _ uint64) proto.Message {
	if chance(g.rng, 2) {
		return &kuaishou.SCLiveWarningMaskStatusChangedAudience{}
	}
	return &kuaishou.SCLiveWarningMaskStatusChangedAudience{
		DisplayMask: true,
		WarningMask: &kuaishou.SCLiveWarningMaskStatusChangedAudience_WarningMask{
			IconCdnNodeView: []*kuaishou.SCLiveWarningMaskStatusChangedAudience_CdnNodeView{{Cdn: "p1.a.yximgs.com", Url: "https://p1.a.yximgs.com/mask.png"}},
			Title:           "直播内容可能引起不适", Detail: "请谨慎观看",
		},
	}
}

func configState(g *generator, ms uint64) proto.Message {
	return &kuaishou.SCWebLiveSpecialAccountConfigState{
		ConfigSwitchItem: []*kuaishou.SCWebLiveSpecialAccountConfigState_ConfigSwitchItem{
			{ConfigSwitchType: kuaishou.SCWebLiveSpecialAccountConfigState_HIDE_BARRAGE, Value: chance(g.rng, 2)},
			{ConfigSwitchType: kuaishou.SCWebLiveSpecialAccountConfigState_HIDE_SPECIAL_EFFECT, Value: true},
		},
		Timestamp: ms,
	}
}

func chatIdentity(g *generator) *kuaishou.InteractiveChatBizIdentity {
	return &kuaishou.InteractiveChatBizIdentity{BizType: 2, ChatId: text(g.rng, urlDigits, 11), BizId: text(g.rng, urlDigits, 11)}
}

func chatSwitch(g *generator, ms uint64) proto.Message {
	user, _ := g.person().full()
	return &kuaishou.SCInteractiveChatSwitchBiz{
		RoomInfo:  &kuaishou.SCInteractiveChatSwitchBiz_RoomInfo{BizIdentity: chatIdentity(g), UserInfo: []*kuaishou.UserInfo{user}, Version: 1},
		Timestamp: ms, Version: 1,
	}
}

func chatClosed(g *generator, ms uint64) proto.Message {
	user, _ := g.person().full()
	return &kuaishou.SCInteractiveChatClosed{BizIdentity: chatIdentity(g), UserInfo: user, Timestamp: ms, Version: 2}
}

func score(g *generator, ms uint64) proto.Message {
	push := &kuaishou.SCLiveMultiPkStatistic{PkId: text(g.rng, urlDigits, 11), Time: ms, StatisticVersion: ms}
	for i := range uint64(2) {
		points := g.rng.Uint64N(50_000)
		push.Team = append(push.Team, &kuaishou.SCLiveMultiPkStatistic_Team{
			TeamId: i + 1, TeamScore: points, DisplayTeamScore: displayCount(points), CurrentRank: uint32(i + 1),
		})
	}
	return push
}
