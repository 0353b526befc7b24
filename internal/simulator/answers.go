package simulator

import "time"

// Result codes of protocol.md 1.3 that a room can answer with.
const (
	CodeOK           = 1
	CodeTooFast      = 2
	CodeBadParameter = 22
	CodeNotLoggedIn  = 109
	CodeEnded        = 601
	CodeKicked       = 606
	CodeOffline      = 671
	CodeBanned       = 677
	CodeNoAuthor     = 999
	CodeBadToken     = 6001
	CodeLogin        = 60200
	CodePassword     = 67601
	CodeRoomBanned   = 69101
	CodeCaptcha      = 400002
)

// RoomOptions shape a room. The zero value is offline at the simulator's rate.
type RoomOptions struct {
	// Rate is feed events per second while live; 0 is the simulator's.
	Rate float64 `json:"rate"`
	// Live puts the room on air at once.
	Live bool `json:"live"`
}

// Answer is how a room's pages and calls answer. The zero value is the truth.
type Answer struct {
	// Code, when not 0, is a result code to refuse with.
	Code int `json:"code"`
	// Call limits the refusal to one call: "page", "livedetail",
	// "websocketinfo", "recall", "status" or "byUser". Empty is all.
	Call string `json:"call"`
	// Delay comes before every answer. In JSON it is nanoseconds.
	Delay time.Duration `json:"delay"`
	// Broken cuts the answer's body in the middle.
	Broken bool `json:"broken"`
}

// title is what the page says about a result code.
func title(code int) string {
	if title, ok := titles[code]; ok {
		return title
	}
	return "服务器繁忙，请稍后重试"
}

var titles = map[int]string{
	CodeTooFast:      "请求过快，请稍后重试",
	CodeBadParameter: "错误代码22",
	CodeNotLoggedIn:  "请先登录",
	CodeEnded:        "直播已结束",
	CodeKicked:       "你已被踢出直播间",
	CodeOffline:      "主播尚未开播",
	CodeBanned:       "该主播已被封禁",
	CodeNoAuthor:     "主播信息为空",
	CodeBadToken:     "token无效",
	CodeLogin:        "请登录后观看",
	CodePassword:     "请输入房间密码",
	CodeRoomBanned:   "你已被禁止进入该直播间",
	CodeCaptcha:      "请完成滑块验证",
}
