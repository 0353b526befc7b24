package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// object is a JSON object.
type object map[string]any

// verdict is what a call is about to answer.
type verdict struct {
	code   int    // CodeOK, or why not
	answer Answer // how; its Code is already in code
}

// judge decides on a call that by the truth is answered with code, and notes
// it. room is nil when there is none; liveID may be of none.
func (s *Simulator) judge(r *http.Request, call, liveID string, room *room, truth int) verdict {
	now := time.Now()
	who := callerOf(r)
	answer, decided := s.policies.decide(who, call, liveID, now)
	if !decided && room != nil {
		answer = room.answerTo(call)
	}
	v := verdict{code: truth, answer: answer}
	if answer.Code != 0 {
		v.code = answer.Code
	}
	noted := v.code
	switch {
	case answer.Status != 0:
		noted = answer.Status
	case answer.Reset || answer.LoginPage || answer.CaptchaPage:
		noted = 0
	}
	s.calls.add(Call{At: now, Name: call, Account: who.account, Address: who.address, LiveID: liveID, Code: noted})
	return v
}

// answerTo is the room's own answer to a call.
func (r *room) answerTo(call string) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.answer.holds(call) {
		return Answer{}
	}
	return r.answer
}

// truth is the code that a call about the room is answered with when nobody is
// refused.
func (r *room) truth() int {
	if r == nil {
		return CodeNoAuthor
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.live {
		return CodeOffline
	}
	return CodeOK
}

// write answers body, in the way that the verdict says, and reports whether all
// of it was written.
func (v verdict) write(w http.ResponseWriter, r *http.Request, contentType string, body []byte) bool {
	if !v.wait(r) {
		return false
	}
	header := w.Header()
	switch {
	case v.answer.Reset:
		panic(http.ErrAbortHandler)
	case v.answer.Status != 0:
		if after := v.answer.RetryAfter; after > 0 {
			header.Set("Retry-After", strconv.Itoa(int(after/time.Second)))
		}
		http.Error(w, http.StatusText(v.answer.Status), v.answer.Status)
		return false
	}
	header.Set("Content-Type", contentType)
	switch {
	case v.answer.Empty:
		return false
	case v.answer.Cut:
		header.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case v.answer.Broken:
		_, _ = w.Write(body[:len(body)/2])
		return false
	}
	_, err := w.Write(body)
	return err == nil
}

// wait is the answer's delay; it reports false when the client gave up.
func (v verdict) wait(r *http.Request) bool {
	if v.answer.Delay <= 0 {
		return true
	}
	timer := time.NewTimer(v.answer.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (v verdict) writeJSON(w http.ResponseWriter, r *http.Request, answer any) bool {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return false
	}
	return v.write(w, r, "application/json; charset=utf-8", body.Bytes())
}

// data answers {"data":{"result":code,…}}: HTTP 200 whatever the code.
func (v verdict) data(w http.ResponseWriter, r *http.Request, fields object) bool {
	fields["result"] = v.code
	if v.code != CodeOK {
		fields["error_msg"] = title(v.code)
	}
	return v.writeJSON(w, r, object{"data": fields})
}
