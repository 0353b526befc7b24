package ingest

import (
	"strconv"
	"strings"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// simpleUser is the user of a web feed. The numeric ID, when it was sent, comes
// with the state; state may be nil.
func simpleUser(user *kuaishou.SimpleUserInfo, state *kuaishou.LiveAudienceState) schema.User {
	return schema.User{
		UserID:       validText(user.GetPrincipalId()),
		OriginUserID: state.GetLiveUserInfo().GetUserId(),
		UserName:     validText(user.GetUserName()),
		HeadURL:      validText(user.GetHeadUrl()),
		Mystery:      user.GetMystery() || state.GetIsAnonymousIdentity(),
	}
}

// fullUser is the user of an action signal.
func fullUser(user *kuaishou.UserInfo, state *kuaishou.LiveAudienceState) schema.User {
	row := schema.User{
		UserID:       validText(user.GetEUid()),
		OriginUserID: user.GetUserId(),
		UserName:     validText(user.GetUserName()),
		Mystery:      state.GetIsAnonymousIdentity(),
	}
	if row.OriginUserID == 0 {
		row.OriginUserID = state.GetLiveUserInfo().GetUserId()
	}
	if row.UserID == "" && row.OriginUserID != 0 {
		row.UserID = strconv.FormatUint(row.OriginUserID, 10)
	}
	for _, urls := range [][]*kuaishou.PicUrl{user.GetHttpsHeadUrls(), user.GetHeadUrls()} {
		if len(urls) > 0 && row.HeadURL == "" {
			row.HeadURL = validText(urls[0].GetUrl())
		}
	}
	return row
}

func audience(state *kuaishou.LiveAudienceState) schema.Audience {
	return schema.Audience{
		FansGroupIntimacyLevel:     state.GetFansGroupIntimacyLevel(),
		LiveFansGroupIntimacyLevel: state.GetLiveFansGroupState().GetIntimacyLevel(),
		WealthGrade:                state.GetWealthGrade(),
		AudienceRank:               state.GetAudienceRank(),
		AssistantType:              word(assistantWords, state.GetAssistantType()),
		FansBadge:                  fansBadge(state),
	}
}

// fansBadge is the text of the fan club's badge among the icons at a viewer's
// name; empty when there is none.
func fansBadge(state *kuaishou.LiveAudienceState) string {
	for _, segment := range state.GetUserStateSegment() {
		if icon := segment.GetIconSegment(); strings.HasPrefix(icon.GetIconPath(), "fans") {
			return validText(icon.GetText())
		}
	}
	return ""
}
