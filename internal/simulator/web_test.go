package simulator

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	kuaishou "kslive/proto"
)

var stateScript = regexp.MustCompile(`(?s)<script>window\.__INITIAL_STATE__=(\{.*?\});\(function\(\)`)

type pageState struct {
	Liveroom struct {
		ActiveIndex int
		PlayList    []struct {
			LiveStream struct{ ID string }
			Author     struct{ ID, Name string }
			IsLiving   bool
			AuthToken  *string
			Status     struct{ ForbiddenState int }
			ErrorType  *struct {
				Type  int
				Title string
			}
		}
	}
}

// stateOf parses a page as a visitor does. No text on it holds "undefined".
func stateOf(t *testing.T, page string) pageState {
	t.Helper()
	match := stateScript.FindStringSubmatch(page)
	if match == nil {
		t.Fatalf("no state in %s", page)
	}
	if !strings.Contains(match[1], `"authToken":undefined`) {
		t.Error("the state is JSON, the real one is not")
	}
	return parse[pageState](t, strings.ReplaceAll(match[1], "undefined", "null"))
}

func TestPage(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	if err := s.AddRoom("KPL704668133", RoomOptions{}); err != nil {
		t.Fatal(err)
	}
	room, _ := s.Room(liveID)

	state := stateOf(t, get(t, s.URL()+"/u/"+liveID))
	if len(state.Liveroom.PlayList) < 2 {
		t.Fatal("no recommendations")
	}
	first := state.Liveroom.PlayList[0]
	if !first.IsLiving || first.LiveStream.ID != room.LiveStreamID || first.Author.ID != liveID || first.Author.Name == "" {
		t.Errorf("live room shown as %+v", first)
	}
	if state.Liveroom.PlayList[1].Author.ID == liveID {
		t.Error("the recommendation is the room itself")
	}
	offline := stateOf(t, get(t, s.URL()+"/u/KPL704668133")).Liveroom.PlayList[0]
	if offline.IsLiving || offline.LiveStream.ID != "" || offline.Author.ID != "KPL704668133" || offline.Status.ForbiddenState != CodeOffline {
		t.Errorf("offline room shown as %+v", offline)
	}
	unknown := stateOf(t, get(t, s.URL()+"/u/nobody")).Liveroom.PlayList[0]
	if unknown.ErrorType == nil || unknown.ErrorType.Type != CodeNoAuthor {
		t.Errorf("unknown room shown as %+v", unknown)
	}

	response, err := http.Get(s.URL() + "/u/" + liveID)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var names []string
	for _, cookie := range response.Cookies() {
		names = append(names, cookie.Name)
	}
	if want := []string{"did", "clientid", "client_key", "kpn", "kuaishou.live.bfb1s"}; !slices.Equal(names, want) {
		t.Errorf("cookies %v, want %v", names, want)
	}
}

func TestPageRefuses(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	for _, code := range []int{
		CodeTooFast, CodeBadParameter, CodeNotLoggedIn, CodeBanned, CodeNoAuthor, CodeLogin, CodePassword, CodeRoomBanned, CodeCaptcha,
	} {
		if err := s.SetAnswer(liveID, Answer{Code: code}); err != nil {
			t.Fatal(err)
		}
		page := get(t, s.URL()+"/u/"+liveID)
		entry := stateOf(t, page).Liveroom.PlayList[0]
		if entry.IsLiving || entry.LiveStream.ID != "" || entry.ErrorType == nil || entry.ErrorType.Type != code || entry.ErrorType.Title == "" {
			t.Errorf("%d shown as %+v", code, entry)
		}
		if strings.Contains(page, "__CAPTCHA_INFO__") != (code == CodeCaptcha) {
			t.Errorf("captcha on the page of %d", code)
		}
		detail := parse[struct{ Data struct{ Result int } }](t, get(t, s.URL()+"/live_api/liveroom/livedetail?principalId="+liveID))
		if detail.Data.Result != code {
			t.Errorf("livedetail answers %d, want %d", detail.Data.Result, code)
		}
	}
	if err := s.SetAnswer(liveID, Answer{Code: CodeOffline}); err != nil {
		t.Fatal(err)
	}
	if entry := stateOf(t, get(t, s.URL()+"/u/"+liveID)).Liveroom.PlayList[0]; entry.IsLiving || entry.Status.ForbiddenState != CodeOffline {
		t.Errorf("offline shown as %+v", entry)
	}
}

func TestAnswerSlowAndBroken(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	url := s.URL() + "/live_api/liveroom/livedetail?principalId=" + liveID
	whole := get(t, url)
	if err := s.SetAnswer(liveID, Answer{Delay: 50 * time.Millisecond, Broken: true}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	broken := get(t, url)
	if time.Since(began) < 50*time.Millisecond || broken == "" || !strings.HasPrefix(whole, broken) || broken == whole {
		t.Errorf("after %v: %s", time.Since(began), broken)
	}
	if err := s.SetAnswer(liveID, Answer{Code: CodeTooFast, Call: "websocketinfo"}); err != nil {
		t.Fatal(err)
	}
	if get(t, url) != whole {
		t.Error("a refusal of websocketinfo changed livedetail")
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	api := s.URL() + "/live_api/liveroom/"
	socket := "ws" + s.URL()[len("http"):] + "/websocket/"
	urls := []string{socket + "group1/" + shortCode(liveID), socket + "group2/" + shortCode(liveID)}

	type info struct {
		Data struct {
			Result        int
			Token         string
			WebsocketUrls []string
			Living        bool
			GiftList      []struct{ ID, UnitPrice int }
			WebsocketInfo struct {
				Token              string
				WebSocketAddresses []string
			}
		}
	}
	got := parse[info](t, get(t, api+"websocketinfo?caver=2&liveStreamId="+room.LiveStreamID)).Data
	if got.Result != 1 || got.Token != room.Token || !slices.Equal(got.WebsocketUrls, urls) || len(got.Token) != 172 {
		t.Errorf("websocketinfo %+v", got)
	}
	if got := parse[info](t, get(t, api+"websocketinfo?liveStreamId=unknown")).Data; got.Result != CodeBadParameter || got.Token != "" {
		t.Errorf("websocketinfo of an unknown stream %+v", got)
	}
	if got := parse[info](t, get(t, api+"livedetail?principalId="+liveID)).Data; got.Result != 1 ||
		got.WebsocketInfo.Token != room.Token || !slices.Equal(got.WebsocketInfo.WebSocketAddresses, urls) {
		t.Errorf("livedetail %+v", got)
	}
	if !parse[info](t, get(t, api+"status?liveStreamId="+room.LiveStreamID)).Data.Living {
		t.Error("status says not living")
	}
	gifts := parse[info](t, get(t, s.URL()+"/live_api/emoji/gift-list?liveStreamId="+room.LiveStreamID)).Data.GiftList
	if len(gifts) != len(catalogue)+1 || gifts[1].UnitPrice == 0 {
		t.Errorf("gift-list %v", gifts)
	}
	all := parse[struct {
		Data map[string]struct{ GiftName string }
	}](t, get(t, s.URL()+"/live_api/emoji/allgifts"))
	if all.Data["114"].GiftName != "玫瑰" {
		t.Errorf("allgifts %v", all)
	}
	if !strings.Contains(get(t, s.URL()+"/live_api/emoji/icon"), "[笑哭]") {
		t.Error("no icons")
	}

	if err := s.EndLive(liveID); err != nil {
		t.Fatal(err)
	}
	if parse[info](t, get(t, api+"status?liveStreamId="+room.LiveStreamID)).Data.Living {
		t.Error("status says living after the end")
	}
	if got := parse[info](t, get(t, api+"websocketinfo?liveStreamId="+room.LiveStreamID)).Data.Result; got != CodeOffline {
		t.Errorf("websocketinfo after the end: %d", got)
	}
}

func TestMobileCalls(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	socket := "ws" + s.URL()[len("http"):] + "/websocket/"
	urls := []string{socket + "group1/" + shortCode(liveID), socket + "group2/" + shortCode(liveID)}
	if n := strings.Count(post(t, s.URL()+"/rest/wd/live/gift/all", ""), "unitPrice"); n != len(catalogue)+1 {
		t.Errorf("%d gifts in the mobile catalogue", n)
	}

	type byUser struct {
		Result             int
		Token              string
		WebSocketAddresses []string
		LiveStream         struct {
			LiveStreamID string
			Living       bool
		}
	}
	mobile := parse[byUser](t, post(t, s.URL()+"/rest/k/live/byUser?kpn=GAME_ZONE", `{"source":5,"eid":"`+liveID+`"}`))
	if mobile.Token == room.Token || len(mobile.Token) != 152 {
		t.Errorf("the token of byUser is %q", mobile.Token)
	}
	want := byUser{Result: 1, Token: mobile.Token, WebSocketAddresses: urls}
	want.LiveStream.LiveStreamID, want.LiveStream.Living = room.LiveStreamID, true
	if diff := cmp.Diff(want, mobile); diff != "" {
		t.Errorf("byUser (-want, +got):\n%s", diff)
	}

	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(s.ShortLink(liveID))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusFound || !strings.HasPrefix(response.Header.Get("Location"), s.URL()+"/u/"+liveID+"?") {
		t.Errorf("short link: %s to %s", response.Status, response.Header.Get("Location"))
	}
}

func TestRecall(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Rate: 2000, PushEvery: 10 * time.Millisecond})
	c := enter(t, s, liveID)
	for range 3 {
		c.until(kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, &kuaishou.SCCommentZoneRichText{})
	}
	s.StopPushing()
	room, _ := s.Room(liveID)
	type answer struct {
		Data struct {
			Result            int
			FeedTypeCursorMap map[string]int64
			BackTraceFeedMap  map[string]struct{ HistoryFeedList []string }
		}
	}
	ask := func(cursor string) answer {
		return parse[answer](t, post(t, s.URL()+"/live_api/liveroom/recall",
			`{"liveStreamId":"`+room.LiveStreamID+`","feedTypeCursorMap":`+cursor+`}`))
	}
	got := ask(`{"1":0,"2":0}`).Data
	feeds := got.BackTraceFeedMap["1"].HistoryFeedList
	if got.Result != 1 || len(feeds) == 0 || len(got.BackTraceFeedMap["2"].HistoryFeedList) == 0 {
		t.Fatalf("recall %+v", got)
	}
	raw, err := base64.StdEncoding.DecodeString(feeds[0])
	if err != nil {
		t.Fatal(err)
	}
	if feed := unmarshal(t, raw, &kuaishou.WebCommentFeed{}); feed.Id == "" || feed.Time == 0 || feed.Content == "" {
		t.Errorf("recalled %v", feed)
	}
	last := post(t, s.URL()+"/live_api/liveroom/recall", `{"liveStreamId":"`+room.LiveStreamID+`","feedTypeCursorMap":{"1":9999999999999,"2":9999999999999}}`)
	if feeds := parse[answer](t, last).Data.BackTraceFeedMap["1"].HistoryFeedList; len(feeds) != 0 {
		t.Errorf("%d feeds after the last cursor", len(feeds))
	}
}

// A token is an account's or a device's, and always the same for it; several of
// them open a room at the same time.
func TestTokensAreThoseOfAccounts(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	ask := func(cookies string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/live_api/liveroom/websocketinfo?liveStreamId="+room.LiveStreamID, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Cookie", cookies)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return parse[struct{ Data struct{ Token string } }](t, bodyOf(t, response)).Data.Token
	}
	tokens := make(map[string]bool)
	for _, cookies := range []string{"", "did=web_1", "did=web_2", "userId=7; kuaishou.live.web_st=x", "userId=8; kuaishou.live.web_st=x", "userId=8; kuaishou.live.web_st=y; did=web_3"} {
		token := ask(cookies)
		if ask(cookies) != token {
			t.Errorf("%q is told another token each time", cookies)
		}
		tokens[token] = true
		request := &kuaishou.CSWebEnterRoom{Token: token, LiveStreamId: room.LiveStreamID}
		if _, got, err := answerTo(t, s, liveID, request); got != kuaishou.PayloadType_SC_ENTER_ROOM_ACK {
			t.Errorf("%q: %v, %v", cookies, got, err)
		}
	}
	if len(tokens) != 5 {
		t.Errorf("%d tokens for five visitors", len(tokens))
	}
}
