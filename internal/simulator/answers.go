package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result codes: what pages, calls and 103 can answer with.
const (
	CodeOK           = 1
	CodeTooFast      = 2
	CodeBusy         = 10
	CodeServerError  = 11
	CodeThrottled    = 15
	CodeRepeated     = 16
	CodeBadParameter = 22
	CodeNotLoggedIn  = 109
	CodeEnded        = 601
	CodeKicked       = 606
	CodeOffline      = 671
	CodeSocialBanned = 672
	CodeBanned       = 677
	CodeLoginCode    = 705
	CodeNoAuthor     = 999
	CodeBadToken     = 6001
	CodeLogin        = 60200
	CodePassword     = 67601
	CodeRegion       = 67606
	CodeRoomBanned   = 69101
	CodeCaptcha      = 400002
)

// Codes are all result codes but CodeOK.
func Codes() []int {
	codes := make([]int, 0, len(titles))
	for code := range titles {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// title is what is said for people about a result code.
func title(code int) string {
	if title, ok := titles[code]; ok {
		return title
	}
	return titles[CodeBusy]
}

var titles = map[int]string{
	CodeTooFast:      "请求过快，请稍后重试",
	CodeBusy:         "服务器繁忙，请稍后重试",
	CodeServerError:  "服务器错误",
	CodeThrottled:    "操作太频繁，请稍后重试",
	CodeRepeated:     "请勿重复请求",
	CodeBadParameter: "错误代码22",
	CodeNotLoggedIn:  "请先登录",
	CodeEnded:        "直播已结束",
	CodeKicked:       "你已被踢出直播间",
	CodeOffline:      "主播尚未开播",
	CodeSocialBanned: "该主播已被社交封禁",
	CodeBanned:       "该主播已被封禁",
	CodeLoginCode:    "登录需要验证码",
	CodeNoAuthor:     "主播信息为空",
	CodeBadToken:     "token无效",
	CodeLogin:        "请登录后观看",
	CodePassword:     "请输入房间密码",
	CodeRegion:       "当前地区无法观看该直播",
	CodeRoomBanned:   "你已被禁止进入该直播间",
	CodeCaptcha:      "请完成滑块验证",
}

// The names of the calls that Answer and Call name.
const (
	CallPage          = "page"
	CallDetail        = "livedetail"
	CallWebsocketInfo = "websocketinfo"
	CallRecall        = "recall"
	CallStatus        = "status"
	CallByUser        = "byUser"
	CallGiftList      = "gift-list"
	CallAllGifts      = "allgifts"
	CallIcons         = "icon"
	CallCatalogue     = "gift/all"
	CallShortLink     = "shortlink"
	CallSocket        = "socket" // the handshake
)

var calls = []string{
	CallPage, CallDetail, CallWebsocketInfo, CallRecall, CallStatus, CallByUser,
	CallGiftList, CallAllGifts, CallIcons, CallCatalogue, CallShortLink, CallSocket,
}

// Answer is how pages and calls answer. The zero value is the truth.
type Answer struct {
	// Call limits the answer to some calls: their names, separated by commas.
	// Empty is all of HTTP, and not the sockets.
	Call string `json:"call"`
	// Code, when not 0, is a result code to refuse with.
	Code int `json:"code"`
	// NoEndpoint leaves token and URLs out of an answer that is otherwise good.
	NoEndpoint bool `json:"no_endpoint"`
	// CaptchaPage makes the page nothing but a captcha: it has no state.
	CaptchaPage bool `json:"captcha_page"`
	// LoginPage redirects to a login page on another host.
	LoginPage bool `json:"login_page"`

	// Delay comes before the answer: from 0 to an hour, which is to hang. In
	// JSON it is nanoseconds.
	Delay time.Duration `json:"delay"`
	// Status, when not 0, is an HTTP status from 400 to 599 instead of an answer,
	// with RetryAfter (whole seconds; 0: none) as its header.
	Status     int           `json:"status"`
	RetryAfter time.Duration `json:"retry_after"`
	// Broken ends the answer's body in the middle as if that were all of it, Cut
	// ends the connection there, Empty sends no body, and Reset ends the
	// connection before any answer.
	Broken bool `json:"broken"`
	Cut    bool `json:"cut"`
	Empty  bool `json:"empty"`
	Reset  bool `json:"reset"`
}

func (a Answer) validate() error {
	if a.Delay < 0 || a.Delay > time.Hour {
		return errors.New("the delay of an answer is not between 0 and an hour")
	}
	if a.Status != 0 && (a.Status < 400 || a.Status > 599) {
		return errors.New("the HTTP status of an answer is not between 400 and 599")
	}
	if a.RetryAfter < 0 || a.RetryAfter%time.Second != 0 {
		return errors.New("what an answer says of when to retry is not whole seconds")
	}
	for _, call := range a.calls() {
		if !slices.Contains(calls, call) {
			return fmt.Errorf("there is no call %q: want some of %s", call, strings.Join(calls, ","))
		}
	}
	return nil
}

// calls is the calls that the answer is limited to, nil when it is not.
func (a Answer) calls() []string {
	if a.Call == "" {
		return nil
	}
	return strings.Split(a.Call, ",")
}

// holds is whether the answer is for a call.
func (a Answer) holds(call string) bool {
	if a.Call == "" {
		return call != CallSocket
	}
	return slices.Contains(a.calls(), call)
}
