package ingest

import (
	kuaishou "kslive/proto"
	"kslive/schema"
)

var (
	watchingUsersMessage = partNamesOf[*kuaishou.SCWebLiveWatchingUsers]()
	redPacksMessage      = partNamesOf[*kuaishou.SCWebCurrentRedPackFeed]()
)

// positioned says whether a message has a list in which places count: the parts
// of those who were erased hold theirs.
func positioned(message *partNames) bool { return message == watchingUsersMessage }

// watchingUsers makes the rows of a 340.
func (d *Decoder) watchingUsers(whole part) {
	var stat schema.RoomStat
	var position uint32
	var left []byte
	for p := range d.parts(whole, watchingUsersMessage) {
		switch p.name {
		case "watching_user":
			position++ // those that are broken hold their place
			d.watchingUser(p, position)
		case "display_watching_count":
			stat.DisplayWatchingCount = validText(p.text)
		default:
			left = append(left, p.whole...)
		}
	}
	if !hasCounter(stat) {
		d.otherEvent(whole, left, &kuaishou.SCWebLiveWatchingUsers{})
		return
	}
	stat.OtherFields = d.otherFields(left, &kuaishou.SCWebLiveWatchingUsers{})
	d.roomStat(whole, stat)
}

func (d *Decoder) watchingUser(p part, position uint32) {
	viewer := &d.viewer
	if d.erased(p) || !d.read(p, d.ordinary.viewer(p.text, viewer), viewer) {
		return
	}
	coins, exact := parseCount(viewer.DisplayKsCoin)
	d.batch.Viewers = append(d.batch.Viewers, schema.Viewer{
		Event:             d.eventOf(p),
		User:              simpleUser(viewer.User, nil),
		Position:          position,
		Offline:           viewer.Offline,
		Tuhao:             viewer.Tuhao,
		LiveAssistantType: word(assistantWords, viewer.LiveAssistantType),
		DisplayKsCoin:     validText(viewer.DisplayKsCoin),
		KsCoin:            coins,
		KsCoinExact:       exact,
		Other:             d.other(viewerRest, viewer),
	})
}

// currentRedPacks makes the rows of a 330.
func (d *Decoder) currentRedPacks(whole part) {
	var left []byte
	for p := range d.parts(whole, redPacksMessage) {
		if p.name == "red_pack" {
			d.redPack(p)
		} else {
			left = append(left, p.whole...)
		}
	}
	d.otherEvent(whole, left, &kuaishou.SCWebCurrentRedPackFeed{})
}

func (d *Decoder) redPack(p part) {
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
