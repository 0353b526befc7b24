//go:build !noembed

package chdb

import (
	"net/http"
	"strings"
	"testing"
)

// What SQL can still be made to try, the system refuses.
func TestConfined(t *testing.T) {
	if _, err := landlock(); err != nil {
		t.Skip("this system cannot confine a process:", err)
	}
	o := newOutside(t)
	// It opens the file before it asks for the right.
	got := ask(t, shared, http.MethodPost, "/", o.within("SELECT * FROM sqlite('@FOLDER/s.db', 't')"))
	if got.status == http.StatusOK || !strings.Contains(got.body, "unable to open database file") {
		t.Errorf("%d %q", got.status, got.body)
	}
}
