// Package corpus invents frames as many busy rooms bring them, for measuring: the
// same each time.
//
// Of 56 frames 50 are pushes of feeds (310): counters always, four comments, half
// a tick of a gift, in combos that grow, and 0.8 likes, each with its hidden twin;
// one is a list of the 30 top spenders (340), and five are heartbeat acks. Three in
// ten of the pushes are packed with gzip. There are 1,000 rooms and a million
// people, who write Chinese.
package corpus

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

const (
	rooms  = 1_000
	people = 1_000_000
	begins = 1_785_688_400_000 // Unix ms
)

// Frames makes the first n frames.
func Frames(n int) ([]*kuaishou.Frame, error) {
	g := generator{rng: rand.New(rand.NewPCG(1, 2)), running: make(map[int]*combo), packer: gzip.NewWriter(nil)}
	frames := make([]*kuaishou.Frame, 0, n)
	for len(frames) < n {
		frame, err := g.next()
		if err != nil {
			return nil, fmt.Errorf("inventing frame %d: %w", len(frames)+1, err)
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

type generator struct {
	rng     *rand.Rand
	frames  int
	running map[int]*combo // by room
	packer  *gzip.Writer
}

// combo is a run of the same gift by the same person.
type combo struct {
	sender *kuaishou.SimpleUserInfo
	state  *kuaishou.LiveAudienceState
	key    string
	gift   uint32
	count  uint32
}

func (g *generator) next() (*kuaishou.Frame, error) {
	const cycle, pushes = 56, 50
	place := g.frames % cycle
	g.frames++
	room := g.rng.IntN(rooms)
	sent := uint64(begins + g.frames) // a thousand rooms, one frame a second each
	switch {
	case place < pushes:
		return g.frame(room, sent, kuaishou.PayloadType_SC_FEED_PUSH, g.push(room))
	case place == pushes:
		return g.frame(room, sent, kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, g.list())
	default:
		return g.frame(room, sent, kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{Timestamp: sent, ClientTimestamp: sent - 30})
	}
}

func (g *generator) frame(room int, sent uint64, kind kuaishou.PayloadType, message proto.Message) (*kuaishou.Frame, error) {
	envelope := &kuaishou.SocketMessage{PayloadType: kind, CompressionType: kuaishou.SocketMessage_NONE, Time: sent}
	var err error
	if envelope.Payload, err = proto.Marshal(message); err != nil {
		return nil, err
	}
	if kind == kuaishou.PayloadType_SC_FEED_PUSH && g.rng.IntN(10) < 3 {
		envelope.CompressionType = kuaishou.SocketMessage_GZIP
		if envelope.Payload, err = g.packed(envelope.Payload); err != nil {
			return nil, err
		}
	}
	data, err := proto.Marshal(envelope)
	if err != nil {
		return nil, err
	}
	return &kuaishou.Frame{
		LiveId: principalID(uint64(room)), LiveStreamId: fmt.Sprintf("stream%05d", room), ReceivedAt: int64(sent) + 40, Data: data,
		SessionId: uint64(room) + 1, FrameNumber: uint32(g.frames), Epoch: 1,
	}, nil
}

func (g *generator) packed(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	g.packer.Reset(&out)
	if _, err := g.packer.Write(plain); err != nil {
		return nil, err
	}
	if err := g.packer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (g *generator) push(room int) *kuaishou.SCWebFeedPush {
	push := &kuaishou.SCWebFeedPush{
		DisplayWatchingCount: fmt.Sprintf("%d.%d万", g.rng.IntN(9)+1, g.rng.IntN(10)), DisplayLikeCount: fmt.Sprintf("%d.%d万", g.rng.IntN(90)+1, g.rng.IntN(10)),
		PendingLikeCount: g.rng.Uint64N(30), PushInterval: 2000,
	}
	for range 4 {
		id := g.rng.IntN(people)
		push.CommentFeeds = append(push.CommentFeeds, &kuaishou.WebCommentFeed{
			User: person(id), Content: g.words(), DeviceHash: device(id), ShowType: kuaishou.WebCommentFeed_FEED_SHOW_NORMAL, SenderState: state(id),
		})
	}
	if g.rng.IntN(10) < 8 {
		id := g.rng.IntN(people)
		fan := person(id)
		push.LikeFeeds = append(push.LikeFeeds, &kuaishou.WebLikeFeed{User: fan, DeviceHash: device(id), SenderState: state(id)})
		push.CommentFeeds = append(push.CommentFeeds, &kuaishou.WebCommentFeed{
			User: fan, Content: fan.UserName + "赞了这个直播", DeviceHash: device(id), ShowType: kuaishou.WebCommentFeed_FEED_HIDDEN, SenderState: state(id),
		})
	}
	if g.rng.IntN(2) == 0 {
		push.GiftFeeds = append(push.GiftFeeds, g.tick(room))
	}
	return push
}

// tick is one more send of the room's combo, or the first of a new one.
func (g *generator) tick(room int) *kuaishou.WebGiftFeed {
	c := g.running[room]
	if c == nil || g.rng.IntN(8) == 0 {
		id, gift := g.rng.IntN(people), []uint32{9, 1, 114, 10042, 16, 113}[g.rng.IntN(6)]
		c = &combo{sender: person(id), state: state(id), gift: gift}
		c.key = fmt.Sprintf("%d-%016x_%d-%d-1", 2_030_000_000+id, g.rng.Uint64(), begins+g.frames, gift)
		g.running[room] = c
	}
	c.count += 1 + g.rng.Uint32N(3)
	return &kuaishou.WebGiftFeed{
		User: c.sender, GiftId: c.gift, MergeKey: c.key, BatchSize: 1, ComboCount: c.count,
		Rank: 11, ExpireDuration: 300_000, SlotDisplayDuration: 3000, SenderState: c.state,
	}
}

func (g *generator) list() *kuaishou.SCWebLiveWatchingUsers {
	list := &kuaishou.SCWebLiveWatchingUsers{DisplayWatchingCount: "1.2万"}
	for place := range 30 {
		user := person(g.rng.IntN(people))
		user.HeadUrl = fmt.Sprintf("https://p1.a.yximgs.com/uhead/AB/2026/08/%02d/%016x%016x==_s.jpg", place, g.rng.Uint64(), g.rng.Uint64())
		list.WatchingUser = append(list.WatchingUser, &kuaishou.WebWatchingUserInfo{User: user, Tuhao: true, DisplayKsCoin: fmt.Sprint(3000 - 90*place)})
	}
	return list
}

var (
	heads   = []string{"小", "大", "阿", "快乐的", "平凡的", "爱笑的", "奔跑的", "东北", "四川", "山东", "听雨", "星", "清风", "海兰", "云梅", "沉默的"}
	tails   = []string{"明", "芳", "强子", "丽姐", "二哥", "猫咪", "老王", "姑娘", "少年", "辰河", "兰花", "月光", "玫瑰", "阳光", "石头", "小雨"}
	openers = []string{"", "", "主播", "请问", "家人们", "我觉得", "哥", "老师"}
	phrases = []string{
		"唱得真好", "这个多少钱", "看你的id加你好友", "来了来了[玫瑰]", "关注了", "哈哈哈哈[笑哭]", "666", "冲冲冲", "包邮吗", "第一次来",
		"一米六穿多大", "刚下夜班才来", "对面太强了", "生日快乐", "下次几点播", "今天的直播比昨天那场精彩多了", "厉害了[捂脸]", "再来一首",
	}
	endings = []string{"", "", "吗", "！", "啊", "呢", "[笑哭]", "👍", "哈哈", "。。。"}
)

func (g *generator) words() string {
	return pick(openers, g.rng.Uint64()) + pick(phrases, g.rng.Uint64()) + pick(endings, g.rng.Uint64())
}

func pick(list []string, n uint64) string { return list[n%uint64(len(list))] }

// mixed makes a number that looks like any other of the number of a person.
func mixed(id uint64) uint64 {
	id = (id + 1) * 0x9E3779B97F4A7C15
	id ^= id >> 29
	id *= 0xBF58476D1CE4E5B9
	return id ^ id>>32
}

func person(id int) *kuaishou.SimpleUserInfo {
	n := mixed(uint64(id))
	return &kuaishou.SimpleUserInfo{PrincipalId: principalID(n), UserName: pick(heads, n) + pick(tails, n>>8) + fmt.Sprint(n>>16%1000)}
}

func principalID(n uint64) string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	id := []byte("3x")
	for range 13 {
		n = mixed(n)
		id = append(id, letters[n%32])
	}
	return string(id)
}

func device(id int) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint32(nil, uint32(mixed(uint64(id))>>20)))
}

// state is what four in five people have of grades.
func state(id int) *kuaishou.LiveAudienceState {
	n := mixed(uint64(id)) >> 24
	if n%5 == 0 {
		return &kuaishou.LiveAudienceState{}
	}
	s := &kuaishou.LiveAudienceState{WealthGrade: uint32(n % 40)}
	if n%3 == 0 {
		s.FansGroupIntimacyLevel = uint32(n%19) + 1
		s.LiveFansGroupState = &kuaishou.LiveAudienceState_LiveFansGroupState{IntimacyLevel: uint32(n%23) + 1}
	}
	return s
}
