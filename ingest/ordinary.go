package ingest

import (
	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
)

// ordinary reads the feeds that come most often, when they are as they come as a
// rule: every field is one that has a column, of the declared wire type, and no
// message in them comes twice. It then reads what proto.Unmarshal reads. Of
// anything else it says false and the message is to be read again by
// Decoder.unmarshal, which is what decides.
//
// It costs a fifth of proto.Unmarshal, of the search for unknown fields and of
// that for fields without a column: texts are parts of the text it is given,
// nothing is allocated, and a message is valid until the next of its kind.
//
// A field without a case here is read, too, but slowly.
type ordinary struct {
	user  kuaishou.SimpleUserInfo
	state kuaishou.LiveAudienceState
	group kuaishou.LiveAudienceState_LiveFansGroupState
	info  kuaishou.LiveAudienceState_LiveUserInfo
	data  kuaishou.AiDataInfo
}

// How a field begins: its number, and what its content is.
const (
	isNumber = uint64(protowire.VarintType)
	isText   = uint64(protowire.BytesType) // or a message
)

func (o *ordinary) comment(encoded string, m *kuaishou.WebCommentFeed) bool {
	*m = kuaishou.WebCommentFeed{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 1<<3 | isText:
			m.Id = f.text
		case 2<<3 | isText:
			if m.User != nil || !o.simpleUser(f.text) {
				return false
			}
			m.User = &o.user
		case 3<<3 | isText:
			m.Content = f.text
		case 4<<3 | isText:
			m.DeviceHash = f.text
		case 5<<3 | isNumber:
			m.SortRank = f.number
		case 6<<3 | isText:
			m.Color = f.text
		case 7<<3 | isNumber:
			m.ShowType = kuaishou.WebCommentFeed_ShowType(f.number)
		case 8<<3 | isText:
			if m.SenderState != nil || !o.audience(f.text) {
				return false
			}
			m.SenderState = &o.state
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) like(encoded string, m *kuaishou.WebLikeFeed) bool {
	*m = kuaishou.WebLikeFeed{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 1<<3 | isText:
			m.Id = f.text
		case 2<<3 | isText:
			if m.User != nil || !o.simpleUser(f.text) {
				return false
			}
			m.User = &o.user
		case 3<<3 | isNumber:
			m.SortRank = f.number
		case 4<<3 | isText:
			m.DeviceHash = f.text
		case 5<<3 | isText:
			if m.SenderState != nil || !o.audience(f.text) {
				return false
			}
			m.SenderState = &o.state
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) gift(encoded string, m *kuaishou.WebGiftFeed) bool {
	*m = kuaishou.WebGiftFeed{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 1<<3 | isText:
			m.Id = f.text
		case 2<<3 | isText:
			if m.User != nil || !o.simpleUser(f.text) {
				return false
			}
			m.User = &o.user
		case 4<<3 | isNumber:
			m.GiftId = uint32(f.number)
		case 5<<3 | isNumber:
			m.SortRank = f.number
		case 6<<3 | isText:
			m.MergeKey = f.text
		case 7<<3 | isNumber:
			m.BatchSize = uint32(f.number)
		case 8<<3 | isNumber:
			m.ComboCount = uint32(f.number)
		case 9<<3 | isNumber:
			m.Rank = uint32(f.number)
		case 10<<3 | isNumber:
			m.ExpireDuration = f.number
		case 11<<3 | isNumber:
			m.ClientTimestamp = f.number
		case 12<<3 | isNumber:
			m.SlotDisplayDuration = f.number
		case 13<<3 | isNumber:
			m.StarLevel = uint32(f.number)
		case 14<<3 | isNumber:
			m.StyleType = kuaishou.WebGiftFeed_StyleType(f.number)
		case 15<<3 | isNumber:
			m.LiveAssistantType = kuaishou.AssistantType(f.number)
		case 16<<3 | isText:
			m.DeviceHash = f.text
		case 17<<3 | isNumber:
			m.DanmakuDisplay = f.number != 0
		case 18<<3 | isText:
			if m.SenderState != nil || !o.audience(f.text) {
				return false
			}
			m.SenderState = &o.state
		case 19<<3 | isText:
			if m.AiDataInfo != nil || !o.giftData(f.text) {
				return false
			}
			m.AiDataInfo = &o.data
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) giftData(encoded string) bool {
	m := &o.data
	*m = kuaishou.AiDataInfo{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 4<<3 | isNumber:
			m.UnitPrice = uint32(f.number)
		case 5<<3 | isText:
			m.GiftName = f.text
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) viewer(encoded string, m *kuaishou.WebWatchingUserInfo) bool {
	*m = kuaishou.WebWatchingUserInfo{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 1<<3 | isText:
			if m.User != nil || !o.simpleUser(f.text) {
				return false
			}
			m.User = &o.user
		case 2<<3 | isNumber:
			m.Offline = f.number != 0
		case 3<<3 | isNumber:
			m.Tuhao = f.number != 0
		case 4<<3 | isNumber:
			m.LiveAssistantType = kuaishou.AssistantType(f.number)
		case 5<<3 | isText:
			m.DisplayKsCoin = f.text
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) simpleUser(encoded string) bool {
	m := &o.user
	*m = kuaishou.SimpleUserInfo{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 1<<3 | isText:
			m.PrincipalId = f.text
		case 2<<3 | isText:
			m.UserName = f.text
		case 3<<3 | isText:
			m.HeadUrl = f.text
		case 4<<3 | isNumber:
			m.Mystery = f.number != 0
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) audience(encoded string) bool {
	m := &o.state
	*m = kuaishou.LiveAudienceState{}
	f := textReader{rest: encoded}
	for f.next() {
		switch f.tag {
		case 3<<3 | isNumber:
			m.AssistantType = kuaishou.AssistantType(f.number)
		case 4<<3 | isNumber:
			m.FansGroupIntimacyLevel = uint32(f.number)
		case 6<<3 | isText:
			if m.LiveFansGroupState != nil || !o.fansGroup(f.text) {
				return false
			}
			m.LiveFansGroupState = &o.group
		case 7<<3 | isNumber:
			m.WealthGrade = uint32(f.number)
		case 10<<3 | isNumber:
			m.AudienceRank = uint32(f.number)
		case 14<<3 | isText:
			if m.LiveUserInfo != nil || !o.userInfo(f.text) {
				return false
			}
			m.LiveUserInfo = &o.info
		default:
			return false
		}
	}
	return f.whole()
}

func (o *ordinary) fansGroup(encoded string) bool {
	m := &o.group
	*m = kuaishou.LiveAudienceState_LiveFansGroupState{}
	f := textReader{rest: encoded}
	for f.next() {
		if f.tag != 1<<3|isNumber {
			return false
		}
		m.IntimacyLevel = uint32(f.number)
	}
	return f.whole()
}

func (o *ordinary) userInfo(encoded string) bool {
	m := &o.info
	*m = kuaishou.LiveAudienceState_LiveUserInfo{}
	f := textReader{rest: encoded}
	for f.next() {
		if f.tag != 2<<3|isNumber {
			return false
		}
		m.UserId = f.number
	}
	return f.whole()
}

// textReader reads the fields of an encoded message that are numbers, texts or
// messages. It stops at any other.
type textReader struct {
	rest   string
	tag    uint64
	number uint64
	text   string
}

// whole says whether all of the message was read.
func (r *textReader) whole() bool { return len(r.rest) == 0 }

// next reads a field and reports whether there was one.
func (r *textReader) next() bool {
	tag, n := varint(r.rest)
	if n == 0 {
		return false
	}
	value, m := varint(r.rest[n:])
	if m == 0 {
		return false
	}
	n += m
	switch tag & 7 {
	case isNumber:
		r.number = value
	case isText:
		if value > uint64(len(r.rest)-n) {
			return false
		}
		m = n + int(value)
		r.text, n = r.rest[n:m], m
	default:
		return false
	}
	r.tag, r.rest = tag, r.rest[n:]
	return true
}

// varint reads a number and answers how many bytes it has; 0 when s does not
// begin with one.
func varint(s string) (value uint64, n int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	return longVarint(s)
}

func longVarint(s string) (value uint64, n int) {
	const most = 10 // bytes of 64 bits, of which the last has one
	for n < len(s) && n < most {
		b := s[n]
		value |= uint64(b&0x7F) << (7 * n)
		n++
		if b < 0x80 {
			if n == most && b > 1 {
				return 0, 0
			}
			return value, n
		}
	}
	return 0, 0
}
