package simulator

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// person is somebody who watches. Everything in it is shared and never changed.
type person struct {
	number uint64 // the numeric user ID
	device string
	info   *kuaishou.SimpleUserInfo
	state  *kuaishou.LiveAudienceState // nil for those without any grade
	// The columns that info and state become.
	user     schema.User
	audience schema.Audience
}

// crowdSize is how many people watch, in all rooms together.
const crowdSize = 4096

// newCrowd invents the people of a seed.
func newCrowd(seed uint64) []*person {
	rng := rand.New(source(seed, "crowd", 0, 0))
	crowd := make([]*person, crowdSize)
	for i := range crowd {
		crowd[i] = newPerson(rng, i)
	}
	return crowd
}

func newPerson(rng *rand.Rand, i int) *person {
	var device [4]byte
	binary.LittleEndian.PutUint32(device[:], rng.Uint32())
	p := &person{
		number: 2_030_000_000 + uint64(i)*977 + rng.Uint64N(900),
		device: base64.StdEncoding.EncodeToString(device[:]),
		info: &kuaishou.SimpleUserInfo{
			PrincipalId: principalID(rng),
			UserName:    pick(rng, nameHeads) + pick(rng, nameTails) + pick(rng, nameEnds),
			Mystery:     chance(rng, 50),
		},
	}
	if !chance(rng, 3) {
		p.info.HeadUrl = fmt.Sprintf("https://p%d.a.yximgs.com/uhead/AB/2026/%02d/%02d/%s==_s.jpg",
			rng.IntN(5)+1, rng.IntN(12)+1, rng.IntN(28)+1, text(rng, urlDigits, 38))
	}
	if chance(rng, 40) {
		// Senders cut names to a number of bytes, also inside a character.
		p.info.UserName = "一只来自远方" + p.info.UserName[:4]
	}
	p.user = schema.User{
		UserID:   p.info.PrincipalId,
		UserName: p.info.UserName,
		HeadURL:  p.info.HeadUrl,
		Mystery:  p.info.Mystery,
	}
	if rng.IntN(10) < 6 {
		p.grade(rng)
	}
	return p
}

// principalID is in the generated form for most, a custom ID for some.
func principalID(rng *rand.Rand) string {
	if chance(rng, 5) {
		return text(rng, "ABCDEFGHJKLMNPQRSTUVWXYZ", 3) + text(rng, "0123456789", 9)
	}
	return "3x" + text(rng, lowerDigits, 13)
}

func (p *person) grade(rng *rand.Rand) {
	p.state = &kuaishou.LiveAudienceState{WealthGrade: rng.Uint32N(40)}
	p.audience = schema.Audience{WealthGrade: p.state.WealthGrade}
	if chance(rng, 3) {
		p.state.FansGroupIntimacyLevel = rng.Uint32N(20) + 1
		p.state.LiveFansGroupState = &kuaishou.LiveAudienceState_LiveFansGroupState{IntimacyLevel: rng.Uint32N(20) + 1}
		p.audience.FansGroupIntimacyLevel = p.state.FansGroupIntimacyLevel
		p.audience.LiveFansGroupIntimacyLevel = p.state.LiveFansGroupState.IntimacyLevel
	}
	if chance(rng, 4) {
		p.audience.FansBadge = pick(rng, badges)
		p.state.UserStateSegment = []*kuaishou.LiveAudienceState_UserStateSegment{
			iconSegment("wealth/grade.png", ""),
			iconSegment("fans/level_bg.png", p.audience.FansBadge),
		}
	}
	if chance(rng, 30) {
		p.state.AudienceRank = rng.Uint32N(3) + 1
		p.audience.AudienceRank = p.state.AudienceRank
	}
	if chance(rng, 40) {
		p.state.AssistantType, p.audience.AssistantType = assistant(rng)
	}
}

func iconSegment(path, text string) *kuaishou.LiveAudienceState_UserStateSegment {
	return &kuaishou.LiveAudienceState_UserStateSegment{
		Segment: &kuaishou.LiveAudienceState_UserStateSegment_IconSegment{
			IconSegment: &kuaishou.LiveAudienceState_IconSegment{ResPackId: "live_common", IconPath: path, Text: text},
		},
	}
}

// assistant is an assistant's type and the text that it becomes in a row.
func assistant(rng *rand.Rand) (kuaishou.AssistantType, string) {
	switch rng.IntN(3) {
	case 0:
		return kuaishou.AssistantType_SUPER, "super"
	case 1:
		return kuaishou.AssistantType_JUNIOR, "junior"
	default:
		return kuaishou.AssistantType_UNKNOWN_ASSISTANT, ""
	}
}

// full is the person as action signals show them: with both IDs.
func (p *person) full() (*kuaishou.UserInfo, schema.User) {
	user := p.user
	user.OriginUserID = p.number
	user.HeadURL = "" // not in the key: several are sent
	return &kuaishou.UserInfo{
		UserId:     p.number,
		UserName:   p.info.UserName,
		UserGender: "U",
		HeadUrls:   []*kuaishou.PicUrl{{Cdn: "p1.a.yximgs.com", Url: p.info.HeadUrl}},
		EUid:       p.info.PrincipalId,
	}, user
}
