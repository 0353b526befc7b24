package ingest

import (
	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// ordinary reads the feeds that come most often straight into their rows, when they
// are as they come as a rule: every field is one that has a column, and of the
// declared wire type. The row is then, but for its event and for what is computed
// from columns, the one that is made of the message that proto.Unmarshal reads. Of
// anything else it answers false and leaves a row that is to be written anew by the
// way of that message, which is what decides.
//
// It is the cheaper way by far: no message is filled in between, texts are parts of
// the text that is given, nothing is allocated, and there is nothing to search for
// unknown fields and for fields without a column.
//
// A field that comes twice overwrites, and so do those of a message that comes twice,
// as in protobuf.
type ordinary struct {
	// valid is whether the whole feed is UTF-8, and with it each text: what stands
	// before one is the last byte of its length, and behind it the end or a tag, which
	// are ASCII where the fields are below 16. To look once is cheaper.
	valid bool
}

// ordinaryOf is for a feed of which all fields that have a column are below 16, and
// whose lengths and numbers are small as a rule: else it is not UTF-8.
func ordinaryOf(feed string) ordinary { return ordinary{valid: isPlain(feed)} }

func (o ordinary) text(s string) string {
	if o.valid {
		return s
	}
	return validText(s)
}

func (o ordinary) comment(encoded string, row *schema.Comment) bool {
	row.ShowType = showWords[kuaishou.WebCommentFeed_FEED_SHOW_UNKNOWN]
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 1<<3 | isText:
			row.FeedID = o.text(f.text)
		case 2<<3 | isText:
			if !o.user(f.text, &row.User) {
				return false
			}
		case 3<<3 | isText:
			row.Content = o.text(f.text)
		case 4<<3 | isText:
			row.DeviceHash = o.text(f.text)
		case 5<<3 | isNumber:
			row.SortRank = f.number
		case 6<<3 | isText:
			row.Color = o.text(f.text)
		case 7<<3 | isNumber:
			row.ShowType = word(showWords, kuaishou.WebCommentFeed_ShowType(f.number))
		case 8<<3 | isText:
			if !o.audience(f.text, &row.User, &row.Audience) {
				return false
			}
		default:
			return f.tag == noField
		}
	}
}

func (o ordinary) like(encoded string, row *schema.Like) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 1<<3 | isText:
			row.FeedID = o.text(f.text)
		case 2<<3 | isText:
			if !o.user(f.text, &row.User) {
				return false
			}
		case 3<<3 | isNumber:
			row.SortRank = f.number
		case 4<<3 | isText:
			row.DeviceHash = o.text(f.text)
		case 5<<3 | isText:
			if !o.audience(f.text, &row.User, &row.Audience) {
				return false
			}
		default:
			return f.tag == noField
		}
	}
}

func (o ordinary) gift(encoded string, row *schema.Gift) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 1<<3 | isText:
			row.FeedID = o.text(f.text)
		case 2<<3 | isText:
			if !o.user(f.text, &row.User) {
				return false
			}
		case 4<<3 | isNumber:
			row.GiftID = uint32(f.number)
		case 5<<3 | isNumber:
			row.SortRank = f.number
		case 6<<3 | isText:
			row.MergeKey = o.text(f.text)
		case 7<<3 | isNumber:
			row.BatchSize = uint32(f.number)
		case 8<<3 | isNumber:
			row.ComboCount = uint32(f.number)
		case 9<<3 | isNumber:
			row.Rank = uint32(f.number)
		case 10<<3 | isNumber:
			row.ExpireDuration = f.number
		case 11<<3 | isNumber:
			row.ClientTimestamp = f.number
		case 12<<3 | isNumber:
			row.SlotDisplayDuration = f.number
		case 13<<3 | isNumber:
			row.StarLevel = uint32(f.number)
		case 14<<3 | isNumber:
			row.StyleType = word(styleWords, kuaishou.WebGiftFeed_StyleType(f.number))
		case 15<<3 | isNumber:
			row.LiveAssistantType = word(assistantWords, kuaishou.AssistantType(f.number))
		case 16<<3 | isText:
			row.DeviceHash = o.text(f.text)
		case 17<<3 | isNumber:
			row.DanmakuDisplay = f.number != 0
		case 18<<3 | isText:
			if !o.audience(f.text, &row.User, &row.Audience) {
				return false
			}
		case 19<<3 | isText:
			if !o.giftData(f.text, row) {
				return false
			}
		default:
			return f.tag == noField
		}
	}
}

func (o ordinary) giftData(encoded string, row *schema.Gift) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 4<<3 | isNumber:
			row.UnitPrice = uint32(f.number)
		case 5<<3 | isText:
			row.GiftName = o.text(f.text)
		default:
			return f.tag == noField
		}
	}
}

func (o ordinary) viewer(encoded string, row *schema.Viewer) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 1<<3 | isText:
			if !o.user(f.text, &row.User) {
				return false
			}
		case 2<<3 | isNumber:
			row.Offline = f.number != 0
		case 3<<3 | isNumber:
			row.Tuhao = f.number != 0
		case 4<<3 | isNumber:
			row.LiveAssistantType = word(assistantWords, kuaishou.AssistantType(f.number))
		case 5<<3 | isText:
			row.DisplayKsCoin = o.text(f.text)
		default:
			return f.tag == noField
		}
	}
}

func (o ordinary) user(encoded string, row *schema.User) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 1<<3 | isText:
			row.UserID = o.text(f.text)
		case 2<<3 | isText:
			row.UserName = o.text(f.text)
		case 3<<3 | isText:
			row.HeadURL = o.text(f.text)
		case 4<<3 | isNumber:
			row.Mystery = f.number != 0
		default:
			return f.tag == noField
		}
	}
}

func (o ordinary) audience(encoded string, user *schema.User, row *schema.Audience) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		switch f.tag {
		case 3<<3 | isNumber:
			row.AssistantType = word(assistantWords, kuaishou.AssistantType(f.number))
		case 4<<3 | isNumber:
			row.FansGroupIntimacyLevel = uint32(f.number)
		case 6<<3 | isText:
			if !o.fansGroup(f.text, row) {
				return false
			}
		case 7<<3 | isNumber:
			row.WealthGrade = uint32(f.number)
		case 10<<3 | isNumber:
			row.AudienceRank = uint32(f.number)
		case 14<<3 | isText:
			if !o.userInfo(f.text, user) {
				return false
			}
		default:
			return f.tag == noField
		}
	}
}

func (ordinary) fansGroup(encoded string, row *schema.Audience) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		if f.tag != 1<<3|isNumber {
			return f.tag == noField
		}
		row.LiveFansGroupIntimacyLevel = uint32(f.number)
	}
}

func (ordinary) userInfo(encoded string, row *schema.User) bool {
	for f, rest := cutField(encoded); ; f, rest = cutField(rest) {
		if f.tag != 2<<3|isNumber {
			return f.tag == noField
		}
		row.OriginUserID = f.number
	}
}

// textField is a field of an encoded message that is a number, a text or a message.
type textField struct {
	tag    uint64
	number uint64
	text   string
}

// How a field begins: its number, and what its content is.
const (
	isNumber = uint64(protowire.VarintType)
	isText   = uint64(protowire.BytesType) // or a message
)

// Tags that no number and no text has, for where there is neither: the message
// ended, or goes on with something else.
const (
	noField  = ^uint64(0)
	badField = noField - 1
)

// cutField reads the field that a message begins with, and answers what follows it.
// All that it takes and answers stays in registers.
func cutField(encoded string) (f textField, rest string) {
	if encoded == "" {
		return textField{tag: noField}, ""
	}
	tag, n := varint(encoded)
	if n > 1 && tag < 0x80 {
		n = 0 // nobody writes it so, and ordinary.valid counts on it
	}
	value, m := varint(encoded[n:])
	rest = encoded[n+m:]
	switch {
	case n == 0 || m == 0:
	case tag&7 == isNumber:
		return textField{tag: tag, number: value}, rest
	case tag&7 == isText && value <= uint64(len(rest)):
		return textField{tag: tag, text: rest[:value]}, rest[value:]
	}
	return textField{tag: badField}, ""
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
