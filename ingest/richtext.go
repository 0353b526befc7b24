package ingest

import (
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

var commentZoneMessage = partNamesOf[*kuaishou.SCCommentZoneRichText]()

// commentZone makes the rows of an 829: comments from outside of the room.
func (d *Decoder) commentZone(whole *part) {
	var left []byte
	r := d.parts(whole, commentZoneMessage)
	for r.next() {
		p := &r.part
		if p.name == "message" {
			d.richTextComment(p)
		} else {
			left = append(left, p.whole...)
		}
	}
	d.otherEvent(whole, left, commentZoneMessage)
}

// richTextComment makes the row of a rich-text comment, pushed or recalled.
func (d *Decoder) richTextComment(p *part) {
	var comment kuaishou.CommentRichTextMessage
	if !d.unmarshal(p, &comment) {
		return
	}
	source := "rich_text"
	if recalled(d.payloadType) {
		source = "recall"
	}
	for _, segment := range comment.Segment {
		d.settleIcon(segment.GetIconSegment())
	}
	name, content := readRichText(comment.Segment)
	user := schema.User{OriginUserID: comment.UserId, UserName: validText(name)}
	if comment.UserId != 0 {
		user.UserID = strconv.FormatUint(comment.UserId, 10)
	}
	event, left := d.eventAt(p, comment.ServerTimestamp), richRest
	if event.EventTimeSource == schema.FromFeed {
		left = timedRichRest
	}
	d.batch.Comments = append(d.batch.Comments, schema.Comment{
		Event:      event,
		User:       user,
		Source:     source,
		FeedID:     validText(comment.Id),
		Content:    validText(content),
		ShowType:   word(showWords, kuaishou.WebCommentFeed_FEED_SHOW_NORMAL),
		DeviceHash: validText(comment.DeviceHash),
		SortRank:   comment.SortRank,
		BizType:    comment.BizType,
		Segments:   d.segments(comment.Segment),
		Other:      d.other(left, &comment),
	})
}

// settleIcon brings both forms of an icon segment into one: text in Text, style
// in TextStyle. Field 4 is the style in the web's form and the text in the
// app's. A style begins with a tag of a low field number, which is a control
// character; a text does not.
func (d *Decoder) settleIcon(icon *kuaishou.RichTextSegment_IconSegment) {
	field4 := icon.GetTextStyleOrText()
	if len(field4) == 0 {
		return
	}
	if icon.Text == "" && field4[0] >= ' ' {
		icon.Text, icon.TextStyleOrText = string(field4), nil
		return
	}
	var style kuaishou.RichTextSegment_TextStyle
	if icon.TextStyle == nil && proto.Unmarshal(field4, &style) == nil {
		icon.TextStyle, icon.TextStyleOrText = &style, nil
		d.unknown.visit(style.ProtoReflect()) // unmarshal took it for bytes
	}
}

// readRichText reads the segments as the player does: the first text is the
// author's name, what follows the comment. What comes before the name are
// badges.
func readRichText(segments []*kuaishou.RichTextSegment) (name, content string) {
	for i, segment := range segments {
		if text := segment.GetTextSegment(); text != nil {
			return authorName(text.Text), joinSegments(segments[i+1:])
		}
	}
	return "", joinSegments(segments)
}

// authorName is a name without the colon and the spaces that end it.
func authorName(text string) string {
	name := strings.TrimRightFunc(text, unicode.IsSpace)
	for _, colon := range []string{":", "："} {
		if before, ok := strings.CutSuffix(name, colon); ok {
			return strings.TrimRightFunc(before, unicode.IsSpace)
		}
	}
	return name
}

// joinSegments writes segments as one text, with icons in brackets as emoji are
// in ordinary comments. Gifts, pictures and badges have nothing to be read; they
// stand in the column segments.
func joinSegments(segments []*kuaishou.RichTextSegment) string {
	var content strings.Builder
	for _, segment := range segments {
		switch segment := segment.Segment.(type) {
		case *kuaishou.RichTextSegment_TextSegment_:
			content.WriteString(segment.TextSegment.GetText())
		case *kuaishou.RichTextSegment_IconSegment_:
			icon := segment.IconSegment
			if icon.Text != "" {
				content.WriteString(icon.Text)
			} else if icon.IconName != "" {
				content.WriteString("[" + icon.IconName + "]")
			}
		}
	}
	return content.String()
}

func (d *Decoder) segments(segments []*kuaishou.RichTextSegment) string {
	if len(segments) == 0 {
		return ""
	}
	b := []byte{'['}
	for i, segment := range segments {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMessageJSON(b, segment.ProtoReflect())
	}
	return d.write(append(b, ']'))
}
