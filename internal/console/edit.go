package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kslive/ingest"
)

// add adds the rooms of a form.
func (c *Console) add(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		c.fail(w, r, http.StatusRequestEntityTooLarge, "This form is too large, or cannot be read. Add fewer rooms at a time.")
		return
	}
	form := addForm{Lives: r.PostForm.Get("lives"), Note: clean(r.PostForm.Get("note"), 500), Once: r.PostForm.Get("once") != ""}
	rows, err := c.parse(form)
	switch {
	case err != nil:
		form.Trouble = err.Error()
	case len(rows) == 0:
		form.Trouble = "Write at least one room."
	}
	if form.Trouble != "" {
		c.listRooms(w, r, http.StatusUnprocessableEntity, roomsPage{Form: form})
		return
	}
	added, err := c.o.Lives.Add(r.Context(), rows)
	if err != nil {
		form.Trouble = err.Error()
		c.listRooms(w, r, http.StatusServiceUnavailable, roomsPage{Form: form})
		return
	}
	c.done(w, r, "added", url.Values{"added": {strconv.Itoa(len(added))}, "there": {strconv.Itoa(len(rows) - len(added))}})
}

// parse reads the rooms of a form, one a line or word.
func (c *Console) parse(form addForm) ([]ingest.NewLive, error) {
	var rows []ingest.NewLive
	seen := make(map[string]bool)
	for _, word := range strings.Fields(form.Lives) {
		id, err := c.o.ParseLiveID(word)
		if errors.Is(err, ingest.ErrShortLink) {
			id, err = word, nil // the worker asks what it stands for
		}
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			rows = append(rows, ingest.NewLive{LiveID: id, Note: form.Note, Once: form.Once})
		}
	}
	return rows, nil
}

// change pauses, resumes or removes a room.
func (c *Console) change(w http.ResponseWriter, r *http.Request) {
	actions := map[string]func(context.Context, []string) ([]string, error){
		"pause": c.o.Lives.Disable, "resume": c.o.Lives.Enable, "remove": c.o.Lives.Remove,
	}
	action, known := actions[r.PathValue("action")]
	if !known {
		c.fail(w, r, http.StatusNotFound, "There is no such page.")
		return
	}
	live, ok := c.find(w, r)
	if !ok {
		return
	}
	if _, err := action(r.Context(), []string{live.LiveID}); err != nil {
		c.away(w, r, err)
		return
	}
	c.done(w, r, r.PathValue("action"), nil)
}

// askRemove asks whether a room is to be removed.
func (c *Console) askRemove(w http.ResponseWriter, r *http.Request) {
	if live, ok := c.find(w, r); ok {
		c.show(w, r, http.StatusOK, "remove", "Remove a room", c.roomOf(live))
	}
}

// done goes on to the list, which says what was done.
func (c *Console) done(w http.ResponseWriter, r *http.Request, what string, more url.Values) {
	c.changed()
	if more == nil {
		more = url.Values{}
	}
	more.Set("done", what)
	http.Redirect(w, r, "/?"+more.Encode(), http.StatusSeeOther)
}
