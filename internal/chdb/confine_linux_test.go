//go:build !noembed

package chdb

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// What SQL can still be made to try, the system refuses, where it can.
func TestConfined(t *testing.T) {
	if _, err := landlock(); err != nil {
		// Older than Linux 5.13: the engine runs without, and its log says so.
		if err := confine(childConfig{}, ""); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a system that cannot confine a process: %v", err)
		}
		return
	}
	o := newOutside(t)
	// It opens the file before it asks for the right.
	got := ask(t, shared, http.MethodPost, "/", o.within("SELECT * FROM sqlite('@FOLDER/s.db', 't')"))
	if got.status == http.StatusOK || !strings.Contains(got.body, "unable to open database file") {
		t.Errorf("%d %q", got.status, got.body)
	}
}
