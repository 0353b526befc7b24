package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/internal/console"
	"kslive/internal/simulator"
	kuaishou "kslive/proto"
)

// hostile is a comment that tries to be markup and a script.
const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"'&{{.}}`

// playHostile puts a room on air in which the same hostile comment comes again
// and again, from somebody of a hostile name.
func playHostile(t *testing.T, s *setting, liveID string) {
	t.Helper()
	push, err := proto.Marshal(&kuaishou.SCWebFeedPush{
		DisplayWatchingCount: "<b>9</b>",
		CommentFeeds: []*kuaishou.WebCommentFeed{{
			User: &kuaishou.SimpleUserInfo{PrincipalId: "3xhostilehostil", UserName: "<i>\u202eevil"}, Content: hostile, ShowType: kuaishou.WebCommentFeed_FEED_SHOW_NORMAL,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.simulator.PlayRoom(liveID, simulator.Playback{Speed: 1, Frames: func() iter.Seq2[*kuaishou.Frame, error] {
		return func(yield func(*kuaishou.Frame, error) bool) {
			for at := int64(1000); at < 600_000; at += 500 {
				data, err := proto.Marshal(&kuaishou.SocketMessage{PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Payload: push, Time: uint64(time.Now().UnixMilli())})
				if !yield(&kuaishou.Frame{ReceivedAt: at, Data: data}, err) {
					return
				}
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// openConsole serves the console of an ingester that does not run; with another
// ClickHouse than the setting's when one is named.
func openConsole(t *testing.T, s *setting, clickHouse, token string) (address string, p *pipeline) {
	t.Helper()
	client, err := ingest.NewClient(ingest.ClientOptions{BaseURL: s.simulator.URL(), MinInterval: -1, Logger: s.logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	stores := s.engines.stores
	if clickHouse != "" {
		stores.ClickHouse = clickHouse
	}
	log := console.NewLog(s.logger.Handler())
	registry := newRegistry()
	flags := ingestFlags{Worker: "w", MaxRooms: 2000, PollEvery: 100 * time.Millisecond, Lease: 10 * time.Second}
	p, err = openPipeline(t.Context(), flags, t.TempDir(), stores, client, nil, registry, s.logger)
	if err != nil {
		t.Fatal(err)
	}
	server, address, err := consoleFlags{Console: true}.serve("127.0.0.1:0", token, nil, shown{p, registry, "w", 1 << 30, log, s.logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + address, p
}

// startConsole is openConsole with the ingester at work.
func startConsole(t *testing.T, s *setting) (address string, p *pipeline) {
	t.Helper()
	address, p = openConsole(t, s, "", "")
	taking, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.ingester.Run(taking, context.Background()) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return address, p
}

// visitor asks a console for pages.
type visitor struct {
	*testing.T
	http.Client
	base string
}

func (v visitor) ask(method, path, body string, change func(*http.Request)) (*http.Response, string) {
	v.Helper()
	request, err := http.NewRequestWithContext(v.Context(), method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if change != nil {
		change(request)
	}
	response, err := v.Do(request)
	if err != nil {
		v.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		v.Fatal(err)
	}
	return response, string(page)
}

func (v visitor) get(path string) string {
	v.Helper()
	response, page := v.ask(http.MethodGet, path, "", nil)
	if response.StatusCode != http.StatusOK {
		v.Fatalf("GET %s: %d\n%s", path, response.StatusCode, page)
	}
	return page
}

// post sends a form, and answers the status and the page that follows.
func (v visitor) post(path string, form url.Values) (int, string) {
	v.Helper()
	response, page := v.ask(http.MethodPost, path, form.Encode(), nil)
	return response.StatusCode, page
}

func wants(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%q is not in\n%s", text, page)
		}
	}
}

// Rooms are added, heard, shown, paused and removed in the console.
func TestConsole(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 1, Rate: 20, PushEvery: 200 * time.Millisecond})
	ids := s.rooms(t, 2)
	const evil = "3xhostileroom22"
	playHostile(t, s, evil)
	base, p := startConsole(t, s)
	v := visitor{T: t, base: base}

	wants(t, v.get("/"), "No rooms yet")
	status, page := v.post("/rooms", url.Values{"lives": {ids[0] + "\nhttps://live.kuaishou.com/u/" + evil + " " + ids[0]}, "note": {"<u>mine"}})
	if status != http.StatusOK {
		t.Fatal(status, page)
	}
	wants(t, page, "Added: 2. There already: 0.", ids[0], `role="status"`)
	if _, page = v.post("/rooms", url.Values{"lives": {ids[0]}}); !strings.Contains(page, "Added: 0. There already: 1.") {
		t.Error(page)
	}
	status, page = v.post("/rooms", url.Values{"lives": {`https://example.com/"><b>`}})
	if status != http.StatusUnprocessableEntity {
		t.Error(status)
	}
	wants(t, page, "not an address of Kuaishou", `&#34;&gt;&lt;b&gt;</textarea>`, `aria-invalid="true"`)
	if status, page = v.post("/rooms", url.Values{"lives": {"  \n"}}); status != http.StatusUnprocessableEntity {
		t.Error(status, page)
	}

	eventually(t, "both rooms are heard", func() bool { return strings.Count(v.get("/?kind=good"), `<tr id="room-`) == 2 })
	list, err := p.lives.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	room := func(liveID string) string {
		for _, live := range list {
			if live.LiveID == liveID {
				return fmt.Sprintf("/rooms/%d", live.ID)
			}
		}
		t.Fatalf("%s is not in lives", liveID)
		return ""
	}
	silence := regexp.MustCompile(`<td class="num">\d+ s</td>`)
	if page = v.get("/"); len(silence.FindAllString(page, -1)) != 2 || strings.Count(page, "<polyline") != 2 {
		t.Error(page)
	}
	if page = v.get("/?q=" + ids[0]); strings.Count(page, `<tr id="room-`) != 1 {
		t.Error(page)
	}
	wants(t, v.get(room(evil)), "&lt;u&gt;mine", `<span class="state good">live</span>`)

	t.Run("as it happens", func(t *testing.T) {
		s.execute(t, "INSERT INTO gift_catalogue (gift_id, seen_at, source, name) SELECT number, now64(3), 'gift/all', concat('礼物', toString(number)) FROM numbers(20000)")
		follow(t, http.DefaultClient, base+room(evil)+"/live", func(news heardNews) bool {
			if len(news.Items) == 0 || news.Items[0].Kind != "comment" || news.Items[0].Name != "<i>evil" || news.Items[0].Text != hostile || news.Watching != "<b>9</b>" {
				t.Errorf("%+v", news)
			}
			return true
		})
		follow(t, http.DefaultClient, base+room(ids[0])+"/live", func(news heardNews) bool {
			return slices.ContainsFunc(news.Items, func(i heardItem) bool { return i.Kind == "gift" && strings.HasPrefix(i.Text, "礼物") })
		})
	})
	t.Run("what is stored", func(t *testing.T) {
		eventually(t, "the comments are stored", func() bool { return strings.Contains(v.get("/search?q=onerror"), "onerror=") })
		page := v.get("/search?q=" + url.QueryEscape(hostile) + "&room=" + evil)
		wants(t, page, "&lt;img src=x onerror=", "&lt;i&gt;evil")
		wants(t, v.get("/search?q=nobody-says-so"), "Found: 0")
		eventually(t, "ClickHouse answers in time", func() bool {
			page = v.get(room(evil) + "/history?hours=1")
			return strings.Contains(page, "<tr data-at=")
		})
		wants(t, page, "&lt;i&gt;evil", "None: all of it was heard.")
		for _, page := range []string{page, v.get("/search?q=onerror"), v.get("/")} {
			if strings.Contains(page, "<img") || strings.Contains(page, "<i>") || strings.Contains(page, "\u202e") || strings.Contains(page, "<u>") {
				t.Error("markup of a stranger's is in", page)
			}
		}
	})
	t.Run("missed", func(t *testing.T) { missedIsCounted(t, s, p) })
	t.Run("worker", func(t *testing.T) {
		wants(t, v.get("/worker"), "the worker w", "It claims rooms.", `<th scope="row">comments</th>`, "guest")
	})
	t.Run("Chinese", func(t *testing.T) {
		_, page := v.ask(http.MethodGet, "/worker", "", func(r *http.Request) { r.Header.Set("Accept-Language", "fr, zh-TW;q=0.9, en;q=0.5") })
		wants(t, page, `<html lang="zh-CN">`, "正在认领直播间")
	})

	for _, change := range []struct {
		action, said string
		done         func(ingest.LiveStatus) bool
	}{
		{"pause", "The room is paused", func(live ingest.LiveStatus) bool { return !live.Enabled }},
		{"resume", "watched again", func(live ingest.LiveStatus) bool { return live.Enabled }},
	} {
		if status, page := v.post(room(ids[0])+"/"+change.action, nil); status != http.StatusOK || !strings.Contains(page, change.said) {
			t.Error(status, page)
		}
		if list, err = p.lives.List(t.Context()); err != nil || !change.done(list[0]) {
			t.Errorf("after %s: %+v %v", change.action, list, err)
		}
	}
	wants(t, v.get(room(ids[0])+"/remove"), "Remove", "What was recorded of it stays")
	if status, page := v.post(room(ids[0])+"/remove", nil); status != http.StatusOK || strings.Contains(page, ids[0]) {
		t.Error(status, page)
	}
	if response, page := v.ask(http.MethodGet, room(ids[0]), "", nil); response.StatusCode != http.StatusNotFound || !strings.Contains(page, "it was removed") {
		t.Error(response.Status, page)
	}
	t.Run("ClickHouse is away", func(t *testing.T) { withoutClickHouse(t, s, evil) })
	t.Run("guarded", func(t *testing.T) { isGuarded(t, s, room(evil)) })
	t.Run("token", func(t *testing.T) { asksForToken(t, s) })
	t.Run("over TLS", func(t *testing.T) { showsOverTLS(t, s, p, room(evil)) })
}

// heardNews is what the stream of a room tells.
type heardNews struct {
	Items    []heardItem
	Watching string
}

type heardItem struct{ Kind, Name, Text string }

// follow reads the stream of a room until enough says so.
func follow(t *testing.T, client *http.Client, address string, enough func(heardNews) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") != "text/event-stream" || response.Header.Get("X-Accel-Buffering") != "no" || response.Header.Get("Content-Encoding") != "" {
		t.Errorf("a proxy would hold it back: %v", response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		said, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var news heardNews
		if err := json.Unmarshal([]byte(said), &news); err != nil {
			t.Fatal(err)
		}
		if enough(news) {
			return
		}
	}
	t.Error("what was looked for did not come", lines.Err())
}

// withoutClickHouse looks at a worker whose ClickHouse does not answer: its pages
// say so, and show the rest.
func withoutClickHouse(t *testing.T, s *setting, liveID string) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	base, p := openConsole(t, s, "http://"+address+"/kslive", "")
	v := visitor{T: t, base: base}
	list, err := p.lives.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	wants(t, v.get("/"), liveID)
	wants(t, v.get(fmt.Sprintf("/rooms/%d/history", list[0].ID)), "What is stored cannot be read now.", "nothing is lost")
	page := v.get("/search?q=x")
	wants(t, page, "This cannot be shown now.", "ClickHouse cannot be asked")
	if strings.Contains(page, "http://") {
		t.Error("an address is told:", page)
	}
	wants(t, v.get("/worker"), "ClickHouse is away.")
}

// What is asked from elsewhere is not done, and pages load nothing from there.
func isGuarded(t *testing.T, s *setting, room string) {
	base, p := openConsole(t, s, "", "")
	v := visitor{T: t, base: base}
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for name, c := range map[string]struct {
		method, path, body string
		change             func(*http.Request)
		status             int
	}{
		"a page":                    {"GET", "/", "", nil, 200},
		"an unknown page":           {"GET", "/nothing", "", nil, 404},
		"an unknown room":           {"GET", "/rooms/999", "", nil, 404},
		"a room of a silly number":  {"GET", "/rooms/1;DROP", "", nil, 404},
		"an unknown action":         {"POST", room + "/burn", "", nil, 404},
		"a removal by a link":       {"GET", room + "/pause", "", nil, 404},
		"a name that is rebound":    {"GET", "/", "", func(r *http.Request) { r.Host = "evil.example:9110" }, 421},
		"localhost":                 {"GET", "/", "", func(r *http.Request) { r.Host = "localhost:1" }, 200},
		"a form of another site":    {"POST", room + "/remove", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"a form of an older one":    {"POST", room + "/remove", "", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403},
		"a form that is too large":  {"POST", "/rooms", "lives=" + strings.Repeat("a", 200_000), nil, 413},
		"a static file":             {"GET", regexp.MustCompile(`/static/[^"]*\.css`).FindString(v.get("/")), "", nil, 200},
		"no listing of files":       {"GET", "/static/x/", "", nil, 404},
		"a file outside of static":  {"GET", "/static/x/..%2fzh.json", "", nil, 404},
		"metrics, under any name":   {"GET", "/metrics", "", func(r *http.Request) { r.Host = "ingest:9110" }, 200},
		"a redirect out":            {"POST", "/language", "language=zh&back=//evil.example", nil, 303},
		"a redirect out by escapes": {"POST", "/language", `language=zh&back=/%5Cevil.example`, nil, 303},
	} {
		response, page := v.ask(c.method, c.path, c.body, c.change)
		if response.StatusCode != c.status {
			t.Errorf("%s: %d, want %d\n%s", name, response.StatusCode, c.status, page)
		}
		policy := response.Header.Get("Content-Security-Policy")
		if c.path != "/metrics" && (!strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || response.Header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: policy %q", name, policy)
		}
		if to := response.Header.Get("Location"); c.status == 303 && to != "/" {
			t.Errorf("%s leads to %q", name, to)
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "style=") || regexp.MustCompile(` on[a-z]+="`).MatchString(page) {
			t.Errorf("%s has something inline:\n%s", name, page)
		}
	}
	if list, err := p.lives.List(t.Context()); err != nil || len(list) != 1 || !list[0].Enabled {
		t.Error("something was done:", list, err)
	}
}
