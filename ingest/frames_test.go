package ingest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
)

// When the frames of the tests were sent and received.
const (
	sampleSent     = 1_785_688_422_601
	sampleReceived = sampleSent + 250
)

// frameOf wraps data as the spool has it.
func frameOf(data []byte) *kuaishou.Frame {
	return &kuaishou.Frame{
		LiveId: "3xabcdefgh23456", LiveStreamId: "8SJgk6L-2iM", ReceivedAt: sampleReceived, Data: data, SessionId: 7, FrameNumber: 3, Epoch: 1,
	}
}

// sampleFrame is a frame with one uncompressed push.
func sampleFrame(t testing.TB, kind kuaishou.PayloadType, payload []byte) *kuaishou.Frame {
	return frameOf(sealed(t, kind, payload, kuaishou.SocketMessage_NONE))
}

// sealed is an envelope around a payload.
func sealed(t testing.TB, kind kuaishou.PayloadType, payload []byte, compression kuaishou.SocketMessage_CompressionType) []byte {
	t.Helper()
	switch compression {
	case kuaishou.SocketMessage_GZIP:
		payload = gzipped(t, payload)
	case kuaishou.SocketMessage_AES:
		payload = encrypted(t, padded(payload))
	}
	return encoded(t, &kuaishou.SocketMessage{PayloadType: kind, CompressionType: compression, Payload: payload, Time: sampleSent})
}

func encoded(t testing.TB, message proto.Message) []byte {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// padded is plain with PKCS#7 padding.
func padded(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	return append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
}

func encrypted(t testing.TB, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher([]byte("PPbzKKL7NB15leYy"))
	if err != nil {
		t.Fatal(err)
	}
	packed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, []byte("JRODKJiolJ9xqso0")).CryptBlocks(packed, plain)
	return packed
}

// nested is one encoded field of bytes.
func nested(number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
}

// messageOf is the root message of every payload type that has one.
func messageOf() map[kuaishou.PayloadType]protoreflect.MessageType {
	all := map[kuaishou.PayloadType]protoreflect.MessageType{
		kuaishou.PayloadType_CS_HEARTBEAT:                     typeOf[*kuaishou.CSWebHeartbeat](),
		kuaishou.PayloadType_CS_ENTER_ROOM:                    typeOf[*kuaishou.CSWebEnterRoom](),
		kuaishou.PayloadType_CS_USER_EXIT:                     typeOf[*kuaishou.CSWebUserExit](),
		kuaishou.PayloadType_SC_HEARTBEAT_ACK:                 typeOf[*kuaishou.SCWebHeartbeatAck](),
		kuaishou.PayloadType_SC_WEB_COMMENT_FEED:              typeOf[*kuaishou.WebCommentFeed](),
		kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE: typeOf[*kuaishou.CommentRichTextMessage](),
		kuaishou.PayloadType_SC_FEED_PUSH:                     typeOf[*kuaishou.SCWebFeedPush](),
		kuaishou.PayloadType_SC_RED_PACK_FEED:                 typeOf[*kuaishou.SCWebCurrentRedPackFeed](),
		kuaishou.PayloadType_SC_LIVE_WATCHING_LIST:            typeOf[*kuaishou.SCWebLiveWatchingUsers](),
		kuaishou.PayloadType_SC_ACTION_SIGNAL:                 typeOf[*kuaishou.SCActionSignal](),
		kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT:        typeOf[*kuaishou.SCCommentZoneRichText](),
	}
	for kind, message := range roomMessages {
		all[kind] = message
	}
	return all
}

// filled is a message with every field set, and every oneof by each of its
// members, so that a column left out shows as an empty one.
func filled(message protoreflect.MessageType) proto.Message {
	var n uint64
	m := message.New()
	fill(m, "", &n)
	return m.Interface()
}

func fill(m protoreflect.Message, choice protoreflect.Name, n *uint64) {
	for i := range m.Descriptor().Fields().Len() {
		field := m.Descriptor().Fields().Get(i)
		switch {
		case field.ContainingOneof() != nil && field.Name() != choice:
		case field.IsList() && field.Kind() == protoreflect.MessageKind && field.Message().Oneofs().Len() > 0:
			members := field.Message().Oneofs().Get(0).Fields()
			for j := range members.Len() {
				fill(m.Mutable(field).List().AppendMutable().Message(), members.Get(j).Name(), n)
			}
		case field.IsList() && field.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(field).List().AppendMutable().Message(), "", n)
		case field.IsList():
			m.Mutable(field).List().Append(sampleValue(field, n))
		case field.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(field).Message(), "", n)
		default:
			m.Set(field, sampleValue(field, n))
		}
	}
}

func sampleValue(field protoreflect.FieldDescriptor, n *uint64) protoreflect.Value {
	*n++
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1 + protoreflect.EnumNumber(*n)%2)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(*n))
	case protoreflect.Uint64Kind:
		switch field.Name() {
		case "time", "server_timestamp", "open_time", "current_time":
			return protoreflect.ValueOfUint64(sampleSent - 60_000 + *n)
		}
		return protoreflect.ValueOfUint64(*n)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(*n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0xFF, byte(*n)})
	default:
		return protoreflect.ValueOfString(sampleText(field, *n))
	}
}

func sampleText(field protoreflect.FieldDescriptor, n uint64) string {
	switch field.Name() {
	case "display_watching_count":
		return "1.2万"
	case "display_like_count":
		return "98.5w+"
	case "display_ks_coin":
		return "2120"
	case "merge_key":
		return "3700112233-kqrM2J2S5Fh7CvbP_1694180000000-9-1"
	case "icon_path":
		return "fans/badge"
	default:
		return "示例 " + string(field.Name()) + string(rune('A'+n%26))
	}
}

// sampleFrames are a frame for every payload type with a message, some without,
// and some that are broken, by name.
func sampleFrames(t testing.TB) map[string]*kuaishou.Frame {
	t.Helper()
	frames := make(map[string]*kuaishou.Frame)
	for kind, message := range messageOf() {
		frames[kind.String()] = sampleFrame(t, kind, encoded(t, filled(message)))
	}
	push := encoded(t, filled(typeOf[*kuaishou.SCWebFeedPush]()))
	frames["gzip"] = frameOf(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, push, kuaishou.SocketMessage_GZIP))
	frames["aes"] = frameOf(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, push, kuaishou.SocketMessage_AES))
	frames["rich-text"] = sampleFrame(t, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, richTextSample(t))
	frames["twins"] = sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
	frames["cut-off"] = sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, push[:len(push)-5])
	frames["broken-feed"] = sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH,
		append(nested(5, []byte{0x0A, 0x7F, 'x'}), push...))
	frames["no-message"] = sampleFrame(t, 964, []byte("\x08\x01\x12\x03abc"))
	frames["no-name"] = sampleFrame(t, 2_000_001, []byte("\x08\x01\x12\x03abc"))
	frames["signal-unknown-fields"] = sampleFrame(t, kuaishou.PayloadType_SC_ACTION_SIGNAL,
		append(nested(60, []byte("new")), 0x70, 0x05))
	frames["no-envelope"] = frameOf([]byte("hello"))
	frames["empty"] = frameOf(nil)
	frames["coverage"] = frameOf(nil)
	frames["coverage"].Coverage = coverageSample()
	return frames
}

// coverageSample is the record of a session that has ended.
func coverageSample() *kuaishou.Coverage {
	return &kuaishou.Coverage{
		Worker: "w", StartedAt: sampleReceived - 90_000, ConnectedAt: sampleReceived - 89_000,
		LastFrameAt: sampleReceived - 1000, EndedAt: sampleReceived,
		State: string(StateConnecting), Cause: causeRejected, Reason: "busy: 服务器繁忙", Code: 10, CloseCode: 1006,
		Frames: 30, Bytes: 9000, UnknownPayloads: 2, Reconnects: 1, Via: "page",
	}
}

// twinsSample is a 310 with a like, its hidden twin, and one comment twice.
func twinsSample(t testing.TB) []byte {
	user := &kuaishou.SimpleUserInfo{PrincipalId: "3xwj3degzdpcf54", UserName: "海兰辰河"}
	comment := &kuaishou.WebCommentFeed{
		User: user, Content: "主播好[笑哭]", DeviceHash: "sDHuus==", ShowType: kuaishou.WebCommentFeed_FEED_SHOW_NORMAL,
	}
	return encoded(t, &kuaishou.SCWebFeedPush{
		DisplayWatchingCount: "2735",
		CommentFeeds: []*kuaishou.WebCommentFeed{
			comment, comment,
			{User: user, Content: "海兰辰河赞了这个直播", DeviceHash: "sDHuus==", ShowType: kuaishou.WebCommentFeed_FEED_HIDDEN},
		},
		LikeFeeds: []*kuaishou.WebLikeFeed{{User: user, DeviceHash: "sDHuus=="}},
	})
}

// richTextSample is an 829 with both forms of icon segment.
func richTextSample(t testing.TB) []byte {
	style := encoded(t, &kuaishou.RichTextSegment_TextStyle{Color: 0xFF8800FF})
	text := func(s string) []byte { return nested(7, nested(1, nested(1, []byte(s)))) }
	icon := func(fields ...[]byte) []byte { return nested(7, nested(2, bytes.Join(fields, nil))) }
	head := encoded(t, &kuaishou.CommentRichTextMessage{
		Id: "8SJgk6L-2iM_1785688400000", UserId: 2030000003, ServerTimestamp: sampleSent - 22_601, DeviceHash: "CHCRNB==", BizType: 3,
	})
	web := icon(nested(1, []byte("pack")), nested(2, []byte("rose")), nested(3, []byte("[玫瑰]")), nested(4, style))
	app := icon(nested(2, []byte("heart")), []byte{0x18, 0x01}, nested(4, []byte("[爱心]")), nested(5, style))
	nameless := icon(nested(2, []byte("crown")), nested(4, style))
	gift := nested(7, nested(3, []byte{0x08, 0x09}))
	return bytes.Join([][]byte{
		nested(1, bytes.Join([][]byte{head, text("云梅ne： "), text("你好"), web, app, nameless, gift}, nil)),
		nested(1, bytes.Join([][]byte{head, nameless, text("name:"), text(" : kept\xE4\xBD")}, nil)),
		nested(1, []byte{0x10, 0x05}),
	}, nil)
}
