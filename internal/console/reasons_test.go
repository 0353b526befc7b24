package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// What a room can say of itself is said in Chinese, to the parts that others wrote.
func TestReasonsInChinese(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ state, reason, want string }{
		{"live", "the room is being heard", "正在接收"},
		{"captcha", "Kuaishou asks for a captcha; solve it in the browser that the cookie is from (code 400002: 请完成滑块验证)", "快手要求验证码；请在 cookie 所属的浏览器中完成（代码 400002：请完成滑块验证）"},
		{
			"login_required", "Kuaishou wants a login; supply a logged-in cookie (with kuaishou.live.web_st) or the room's endpoint (code 109); page says captcha (code 400002), livedetail says rate_limited",
			"快手要求登录；请提供已登录的 cookie（含 kuaishou.live.web_st）或直播间的入口（代码 109）；page 称：需要验证码（代码 400002）；livedetail 称：请求过快",
		},
		{
			"rate_limited", `account "main" (by direct) is not used until 2026-11-30 08:00:00 UTC: Kuaishou says that requests come too fast; asking less often, and a logged-in cookie may help (HTTP status 429); none of the other 2 accounts can be used either`,
			`账号 "main"（经 direct）暂停使用，直到 2026-11-30 08:00:00 UTC：快手提示请求过快；降低频率并使用已登录的 cookie 可能有帮助（HTTP 状态 429）；其余 2 个账号也都不可用`,
		},
		{"connecting", "connecting again: the server sent nothing for 50s", "正在重新连接：服务器在 50s 内没有发送任何内容"},
		{"connecting", "connecting again: connecting to ws.example: refused with HTTP status 502", "正在重新连接：连接 ws.example 被拒绝，HTTP 状态 502"},
		{"lost", "nobody has heard it since worker w-1 stopped renewing its lease, at the latest 2026-11-30 08:00:00+00", "工作进程 w-1 停止续租后无人接收，最迟自 2026-11-30 08:00:00+00 起"},
		{"recall", "comments only, by polling; since 2026-11-30 08:00:00 UTC", "仅评论（轮询）；自 2026-11-30 08:00:00 UTC 起"},
		{"unreachable", "dial tcp: no such host", "无法访问快手，或无法读取其回答：dial tcp: no such host"},
		{"", `live ID "x y": neither an ID nor an address: want an ID such as 3xabcdefgh23456 or KPL704668133, or an address such as https://live.kuaishou.com/u/<id> or https://www.kuaishou.com/profile/<id>`, `直播间 ID "x y"：既不是 ID 也不是网址：应为 3xabcdefgh23456 或 KPL704668133 这样的 ID，或 https://live.kuaishou.com/u/<id>、https://www.kuaishou.com/profile/<id> 这样的网址`},
		{"", "anything else", "anything else"},
		{"ok", "", ""},
	} {
		if got := p.why(1, c.state, c.reason); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.state, c.reason, got, c.want)
		}
		if got := p.why(0, c.state, c.reason); got != c.reason {
			t.Errorf("in English %q is %q", c.reason, got)
		}
	}
}

// What strangers wrote is looked at in a bounded number of steps.
func TestHostileReasons(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"; , ", "a says ", "connecting again: ", "x (code ", ": ", "asking a: reading b: "} {
		reason := strings.Repeat(part, 300/len(part))
		if said := p.why(1, "captcha", reason); said == "" {
			t.Errorf("%q is nothing", reason)
		}
	}
}

// A reason that the ingester has learnt to give needs its Chinese.
func TestEveryReasonIsTranslated(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	_, reasons := saidByRooms(t)
	if len(reasons) < 30 {
		t.Fatalf("only %d reasons were found in the source: %q", len(reasons), reasons)
	}
	for _, reason := range reasons {
		example := strings.ReplaceAll(reason, "%s", "x")
		if said, known := p.explain(example); !known || !strings.ContainsFunc(said, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("zh.json has nothing for %q", reason)
		}
	}
}

var verbs = regexp.MustCompile(`%[a-z]`)

// saidByRooms are all texts in the source of the ingester and in Postgres's views,
// and of these the reasons of states. Places in them are %s.
func saidByRooms(t *testing.T) (all, reasons []string) {
	t.Helper()
	files, err := filepath.Glob("../../ingest/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(of ast.Node) { reasons = append(reasons, literals(of)...) }
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit, *ast.BinaryExpr:
				for _, text := range literal(n.(ast.Expr)) {
					text = strings.TrimPrefix(text, "; ") // to what was said before
					all = append(all, text, text+"%s")
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Reason" {
					add(n.Value)
				}
			case *ast.CallExpr:
				if called, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"refuse", "unread"}, called.Name) {
					for _, argument := range n.Args {
						add(argument)
					}
				}
			case *ast.ValueSpec:
				if n.Names[0].Name == "resultCodes" {
					for _, code := range n.Values[0].(*ast.CompositeLit).Elts {
						add(code.(*ast.CompositeLit).Elts[3])
					}
				}
				if strings.HasSuffix(name, "/ingester.go") { // why a room is left
					for _, value := range n.Values {
						add(value)
					}
				}
			}
			return true
		})
	}
	views, err := filepath.Glob("../../migrations/*/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(views, "../../ingest/lives_release.go", "../../ingest/lives_claim.go") {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range regexp.MustCompile(`'([^'\n]+)'`).FindAllSubmatch(source, -1) {
			all = append(all, string(quoted[1]))
		}
	}
	// Of these a view puts the name between two texts.
	return append(all, "worker %s was not heard of any more"), slices.DeleteFunc(reasons, func(text string) bool { return !strings.Contains(strings.ReplaceAll(text, "%s: %s", ""), " ") })
}

// literals are the texts anywhere in a node.
func literals(of ast.Node) (found []string) {
	ast.Inspect(of, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if text := literal(e); text != nil {
				found = append(found, text...)
				return false
			}
		}
		return true
	})
	return found
}

// literal is the text that an expression begins with, such as "a" + "b" or
// "a: " + err.Error(); nil when it begins with none.
func literal(e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return []string{verbs.ReplaceAllString(text, "%s")}
		}
	case *ast.BinaryExpr:
		first, second := literal(e.X), literal(e.Y)
		switch {
		case first != nil && second != nil:
			return []string{first[0] + second[0]}
		case first != nil:
			return []string{first[0] + "%s"}
		}
	}
	return nil
}
