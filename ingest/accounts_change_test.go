package ingest

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The operator changes the cookies while a look-up is between two of its calls:
// it goes on with the new ones.
func TestCookiesThatChangeDuringALookUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cookies.txt")
	accountsFile(t, file, "who=before", time.Hour)
	var client *Client
	changed := false
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if !changed {
			changed = true
			accountsFile(t, file, "who=after", time.Minute)
			client.accounts.look()
		}
		switch {
		case strings.HasPrefix(r.URL.Path, "/u/"):
			_, _ = w.Write(readPage(t, "live"))
		case strings.HasSuffix(r.URL.Path, "/recall"):
			_, _ = io.WriteString(w, `{"data":{"result":1}}`)
		case who(r) == "after":
			_, _ = io.WriteString(w, socketInfo)
		}
	})
	client = s.client(t, ClientOptions{CookieFile: file})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if found, err := client.Resolve(ctx, testLiveID, time.Minute); err != nil || found.State != StateLive {
		t.Errorf("%s: %s, %v", found.State, found.Reason, err)
	}
	// Another time while a call waits for its turn.
	budget := client.accounts.list[0].exit.budget
	budget.mu.Lock()
	budget.next = time.Now().Add(time.Second)
	budget.mu.Unlock()
	time.AfterFunc(0, func() {
		for budget.waitingNow() == 0 {
			runtime.Gosched()
		}
		accountsFile(t, file, "who=last", time.Second)
		client.accounts.look()
	})
	if answer, err := client.Recall(ctx, testLiveID, "stream", nil, time.Minute); err != nil || answer.State == StateRateLimited {
		t.Errorf("recall: %s: %s, %v", answer.State, answer.Reason, err)
	}
}
