package simulator

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTraffic(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var calls []Call
	for _, ms := range []int{0, 400, 1000, 1001, 1300, 5000} {
		calls = append(calls, Call{At: began.Add(time.Duration(ms) * time.Millisecond), Name: CallPage, Address: "a"})
	}
	calls = append(calls, Call{At: began, Name: CallSocket, Address: "a"}, Call{At: began, Name: CallRecall, Address: "b", Account: "user 1"})
	got := Report(calls, time.Second)
	want := TrafficReport{
		Addresses: map[string]Traffic{"a": {6, 4, time.Millisecond}, "b": {1, 1, 0}},
		Accounts:  map[string]Traffic{"": {6, 4, time.Millisecond}, "user 1": {1, 1, 0}},
		Calls:     map[string]Traffic{CallPage: {6, 4, time.Millisecond}, CallSocket: {1, 1, 0}, CallRecall: {1, 1, 0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
}

func TestCallLogForgetsTheOldest(t *testing.T) {
	t.Parallel()
	var log callLog
	for i := range maxCalls + 3 {
		log.add(Call{Code: i})
	}
	all := log.all()
	if len(all) != maxCalls || all[0].Code != 3 || all[maxCalls-1].Code != maxCalls+2 {
		t.Errorf("%d calls from %d to %d", len(all), all[0].Code, all[len(all)-1].Code)
	}
}

// TestRemoteCallers sees and refuses callers from outside.
func TestRemoteCallers(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Trace: true})
	remote, ctx := Client{URL: s.URL()}, t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	detail := s.URL() + "/live_api/liveroom/livedetail?principalId=" + liveID
	visit(t, "127.0.0.3", loggedIn).result(detail)
	policy := Policy{Name: "captcha", Address: "127.0.0.4", Answer: Answer{Code: CodeCaptcha}}
	must(remote.SetPolicy(ctx, policy))
	if got := visit(t, "127.0.0.4", "").result(detail); got != CodeCaptcha {
		t.Errorf("result %d", got)
	}
	list, err := remote.Policies(ctx)
	must(err)
	if diff := cmp.Diff([]Policy{policy}, list); diff != "" {
		t.Errorf("policies (-set, +got):\n%s", diff)
	}
	must(remote.LiftPolicy(ctx, ""))
	if len(s.Policies()) != 0 {
		t.Error("the policy was not lifted")
	}

	calls, err := remote.Calls(ctx)
	must(err)
	var seen []Call
	for _, call := range calls {
		if call.At.IsZero() {
			t.Errorf("%+v has no time", call)
		}
		call.At = time.Time{}
		seen = append(seen, call)
	}
	want := []Call{
		{Name: CallDetail, Account: "user 42", Address: "127.0.0.3", LiveID: liveID, Code: CodeOK},
		{Name: CallDetail, Account: "guest", Address: "127.0.0.4", LiveID: liveID, Code: CodeCaptcha},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("calls (-want, +got):\n%s", diff)
	}
	report, err := remote.Traffic(ctx, time.Hour)
	must(err)
	if report.Accounts["user 42"].Calls != 1 || report.Calls[CallDetail].Busiest != 2 {
		t.Errorf("traffic %+v", report)
	}
	must(remote.SetPage(ctx, liveID, PageStyle{Old: true}))
	must(remote.Push(ctx, liveID, 301))
	must(remote.EndQuietly(ctx, liveID))
	if state, _ := s.Room(liveID); state.State != "offline" || !state.Page.Old {
		t.Errorf("room %+v", state)
	}
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	remote := Client{URL: s.URL()}
	if err := remote.RefuseConnections(t.Context(), 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	page := s.URL() + "/u/" + liveID
	eventually(t, "connections are refused", func() bool { return !reachable(page) })
	eventually(t, "the outage is over", func() bool { return reachable(page) })
	if s.RefuseConnections(0) == nil {
		t.Error("an outage of no time")
	}
}

func reachable(url string) bool {
	response, err := http.Get(url)
	if err == nil {
		_ = response.Body.Close()
	}
	return err == nil
}
