package ingest

import (
	kuaishou "kslive/proto"
	"kslive/schema"
)

var (
	watchingUsersMessage = partNamesOf[*kuaishou.SCWebLiveWatchingUsers]()
	watchingUsersName    = payloadTypeName(kuaishou.PayloadType_SC_LIVE_WATCHING_LIST)
	redPacksMessage      = partNamesOf[*kuaishou.SCWebCurrentRedPackFeed]()
)

// positioned says whether a message has a list in which places count: the parts
// of those who were erased hold theirs.
func positioned(message *partNames) bool { return message == watchingUsersMessage }

// watchingUsers makes the rows of a 340.
func (d *Decoder) watchingUsers(whole *part) {
	stat := add(&d.batch.RoomStats)
	var position uint32
	var left []byte
	r := d.parts(whole, watchingUsersMessage)
	for r.next() {
		p := &r.part
		switch p.tag() {
		case 1<<3 | isText:
			position++ // those that are broken hold their place
			d.watchingUser(p, position)
		case 2<<3 | isText:
			stat.DisplayWatchingCount = validText(p.text)
		default:
			left = append(left, p.whole...)
		}
	}
	if !hasCounter(stat) {
		drop(&d.batch.RoomStats)
		d.otherEvent(whole, left, watchingUsersMessage)
		return
	}
	stat.OtherFields = d.otherFields(left, watchingUsersMessage)
	d.roomStat(whole, stat, watchingUsersName)
}

func (d *Decoder) watchingUser(p *part, position uint32) {
	if d.erased(p) {
		return
	}
	row := add(&d.batch.Viewers)
	if p.isText() && (ordinary{}).viewer(p.text, row) {
		row.Event = d.event
	} else if !d.anyViewer(p, row) {
		drop(&d.batch.Viewers)
		return
	}
	row.EventID = d.eventID(p)
	row.Position = position
	row.KsCoin, row.KsCoinExact = parseCount(row.DisplayKsCoin)
}

func (d *Decoder) anyViewer(p *part, row *schema.Viewer) bool {
	viewer := &d.viewer
	if !d.unmarshal(p, viewer) {
		return false
	}
	*row = schema.Viewer{
		Event:             d.event,
		User:              simpleUser(viewer.User, nil),
		Offline:           viewer.Offline,
		Tuhao:             viewer.Tuhao,
		LiveAssistantType: word(assistantWords, viewer.LiveAssistantType),
		DisplayKsCoin:     validText(viewer.DisplayKsCoin),
		Other:             d.other(viewerRest, viewer),
	}
	return true
}

// currentRedPacks makes the rows of a 330.
func (d *Decoder) currentRedPacks(whole *part) {
	var left []byte
	r := d.parts(whole, redPacksMessage)
	for r.next() {
		p := &r.part
		if p.name == "red_pack" {
			d.redPack(p)
		} else {
			left = append(left, p.whole...)
		}
	}
	d.otherEvent(whole, left, redPacksMessage)
}

func (d *Decoder) redPack(p *part) {
	var pack kuaishou.WebRedPackInfo
	if !d.unmarshal(p, &pack) {
		return
	}
	d.batch.RedPacks = append(d.batch.RedPacks, schema.RedPack{
		Event:               d.eventOf(p),
		User:                simpleUser(pack.Author, nil),
		FeedID:              validText(pack.Id),
		Balance:             pack.Balance,
		OpenTime:            timeOf(pack.OpenTime),
		CurrentTime:         timeOf(pack.CurrentTime),
		GrabToken:           validText(pack.GrabToken),
		NeedSendRequest:     pack.NeedSendRequest,
		RequestDelayMillis:  pack.RequestDelayMillis,
		LuckiestDelayMillis: pack.LuckiestDelayMillis,
		CoverType:           word(coverWords, pack.CoverType),
		Other:               d.other(redPackRest, &pack),
	})
}
