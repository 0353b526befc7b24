package ingest

import (
	"strings"
	"testing"
	"unicode/utf8"

	kuaishou "kslive/proto"
)

func TestParseCount(t *testing.T) {
	tests := []struct {
		text  string
		want  uint64
		exact bool
	}{
		{"2735", 2735, true},
		{"0", 0, true},
		{"18446744073709551615", 1<<64 - 1, true},
		{"1.2万", 12_000, false},
		{"98.5万", 985_000, false},
		{"82.2w", 822_000, false},
		{"82.2W", 822_000, false},
		{"1.1亿", 110_000_000, false},
		{"26万", 260_000, false},
		{"50+", 50, false},
		{"10万+", 100_000, false},
		{" 1.2万 ", 12_000, false},
		{"1.23456万", 12_345, false},
		{"1.5", 1, false},
		{"184467440737.09551615亿", 1<<64 - 1, false},
		{"184467440737.99亿", 0, false},
		{"184467440738亿", 0, false},
		{"18446744073709551616", 0, false},
		{"99999999999999999999999万", 0, false},
		{"", 0, false},
		{"+", 0, false},
		{"万", 0, false},
		{".5万", 0, false},
		{"-5", 0, false},
		{"+5", 0, false},
		{"1万2", 0, false},
		{"1.2.3万", 0, false},
		{"1.x万", 0, false},
		{"1亿万", 0, false},
		{"1e5", 0, false},
		{"--", 0, false},
		{"\xE4\xB8", 0, false},
	}
	for _, test := range tests {
		if got, exact := parseCount(test.text); got != test.want || exact != test.exact {
			t.Errorf("%q: got %d, %v, want %d, %v", test.text, got, exact, test.want, test.exact)
		}
	}
}

func TestMergeKeyUser(t *testing.T) {
	tests := map[string]uint64{
		"904417733-0-10042-1":                           904_417_733,
		"3700112233-kqrM2J2S5Fh7CvbP_1694180000000-9-1": 3_700_112_233,
		"3700112233-combo-with-dashes-9-1":              3_700_112_233,
		"3700112233--9-1":                               3_700_112_233,
		"3700112233-9-1":                                0,
		"3700112233-0-9-x":                              0,
		"3700112233-0-x-1":                              0,
		"x-0-9-1":                                       0,
		"-0-9-1":                                        0,
		"99999999999999999999-0-9-1":                    0,
		"3700112233":                                    0,
		"---":                                           0,
		"":                                              0,
	}
	for key, want := range tests {
		if got := mergeKeyUser(key); got != want {
			t.Errorf("%q: got %d, want %d", key, got, want)
		}
	}
}

// A gift's merge key stands in for the numeric ID that the state did not bring.
func TestGiftUser(t *testing.T) {
	payload := encoded(t, &kuaishou.SCWebFeedPush{GiftFeeds: []*kuaishou.WebGiftFeed{
		{MergeKey: "904417733-0-10042-1"},
		{MergeKey: "904417733-0-10042-1", SenderState: &kuaishou.LiveAudienceState{
			LiveUserInfo: &kuaishou.LiveAudienceState_LiveUserInfo{UserId: 5},
		}},
	}})
	gifts := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, payload)).Gifts
	if len(gifts) != 2 || gifts[0].OriginUserID != 904_417_733 || gifts[1].OriginUserID != 5 {
		t.Errorf("gifts are %+v", gifts)
	}
}

func TestFullUser(t *testing.T) {
	state := &kuaishou.LiveAudienceState{LiveUserInfo: &kuaishou.LiveAudienceState_LiveUserInfo{UserId: 6}}
	tests := map[string]struct {
		user   *kuaishou.UserInfo
		state  *kuaishou.LiveAudienceState
		id     string
		origin uint64
		head   string
	}{
		"all":         {&kuaishou.UserInfo{EUid: "3x", UserId: 5, HeadUrls: []*kuaishou.PicUrl{{Url: "a"}}}, state, "3x", 5, "a"},
		"https first": {&kuaishou.UserInfo{HeadUrls: []*kuaishou.PicUrl{{Url: "a"}}, HttpsHeadUrls: []*kuaishou.PicUrl{{Url: "b"}}}, nil, "", 0, "b"},
		"number only": {&kuaishou.UserInfo{UserId: 5}, nil, "5", 5, ""},
		"state only":  {nil, state, "6", 6, ""},
		"nothing":     {nil, nil, "", 0, ""},
	}
	for name, test := range tests {
		if got := fullUser(test.user, test.state); got.UserID != test.id || got.OriginUserID != test.origin || got.HeadURL != test.head {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestFansBadge(t *testing.T) {
	icon := func(path, text string) *kuaishou.LiveAudienceState_UserStateSegment {
		return &kuaishou.LiveAudienceState_UserStateSegment{Segment: &kuaishou.LiveAudienceState_UserStateSegment_IconSegment{
			IconSegment: &kuaishou.LiveAudienceState_IconSegment{IconPath: path, Text: text},
		}}
	}
	badge := &kuaishou.LiveAudienceState_UserStateSegment{Segment: &kuaishou.LiveAudienceState_UserStateSegment_BadgeSegment{}}
	state := &kuaishou.LiveAudienceState{UserStateSegment: []*kuaishou.LiveAudienceState_UserStateSegment{
		badge, icon("wealth/3", "富"), icon("fans/12", "小北"), icon("fans/13", "other"),
	}}
	if got := fansBadge(state); got != "小北" {
		t.Errorf("got %q", got)
	}
	if got := fansBadge(nil); got != "" {
		t.Errorf("without a state: got %q", got)
	}
}

// The words match the enums of the .proto; a number without a word stays one.
func TestWords(t *testing.T) {
	for name, test := range map[string]struct{ words, enum int }{
		"assistant": {len(assistantWords), len(kuaishou.AssistantType_name)},
		"show":      {len(showWords), len(kuaishou.WebCommentFeed_ShowType_name)},
		"style":     {len(styleWords), len(kuaishou.WebGiftFeed_StyleType_name)},
		"display":   {len(displayWords), len(kuaishou.WebSystemNoticeFeed_DisplayType_name)},
		"cover":     {len(coverWords), len(kuaishou.WebRedPackInfo_CoverType_name)},
	} {
		if test.words != test.enum {
			t.Errorf("%s: %d words, %d values", name, test.words, test.enum)
		}
	}
	for number, want := range map[int32]string{0: "unknown", 1: "normal", 2: "hidden", 3: "3", -1: "-1", 1 << 30: "1073741824"} {
		if got := word(showWords, number); got != want {
			t.Errorf("%d: got %q, want %q", number, got, want)
		}
	}
}

func TestAuthorName(t *testing.T) {
	for text, want := range map[string]string{
		"云梅ne:": "云梅ne", "云梅ne： ": "云梅ne", "云梅ne : ": "云梅ne", "云梅ne": "云梅ne", "a::": "a:", " a b: ": " a b", ":": "", "": "", "a:b": "a:b",
	} {
		if got := authorName(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Text that is not UTF-8 gets U+FFFD where it is broken; all else stays.
func TestTextColumns(t *testing.T) {
	sent := "cut \xE4\xBD here, \x00\x01\n kept"
	payload := encoded(t, &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{{
		Content: sent, User: &kuaishou.SimpleUserInfo{UserName: "n\xFF"}, ShowType: 9,
	}}})
	comments := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, payload)).Comments
	if len(comments) != 1 {
		t.Fatalf("%d comments", len(comments))
	}
	if got, want := comments[0].Content, "cut \uFFFD here, \x00\x01\n kept"; got != want {
		t.Errorf("content is %q, want %q", got, want)
	}
	if got := comments[0].UserName; got != "n\uFFFD" {
		t.Errorf("name is %q", got)
	}
	if got := comments[0].ShowType; got != "9" {
		t.Errorf("show type is %q", got)
	}
}

// Eight bytes at once say what one after the other says, wherever a character stands,
// whatever is before and behind it, and wherever it is cut.
func TestIsValid(t *testing.T) {
	characters := []string{
		"a", "é", "海", "，", "。", "ก", "한", "👍", "\u0800", "\uD7FF", "\uE000", "\uFFFD", "\U0010FFFF",
		"\x80", "\xBF", "\xC0\x80", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE4\xBD", "\xF0\x80\x80\x80", "\xF5\x80\x80\x80", "\xFF",
	}
	for _, character := range characters {
		for _, other := range characters {
			for before := range 10 {
				for behind := range 10 {
					text := strings.Repeat("x", before) + character + other + strings.Repeat("海", behind)
					for cut := range len(text) + 1 {
						if got, want := isValid(text[:cut]), utf8.ValidString(text[:cut]); got != want {
							t.Fatalf("%q: valid is %v", text[:cut], got)
						}
					}
				}
			}
		}
	}
	if isPlain("é") || !isPlain("海兰辰河赞了这个直播 666") {
		t.Error("what is plain is another")
	}
}
