package ingest

import (
	"testing"
	"time"
)

func TestRetryDelays(t *testing.T) {
	delays := DefaultRetryDelays().With(RetryDelays{StateCaptcha: 10 * time.Second})
	seen := map[time.Duration]bool{}
	for range 100 {
		delay := delays.After(StateCaptcha)
		if delay < 8*time.Second || delay > 12*time.Second {
			t.Fatalf("captcha: %v, want 10s give or take a fifth", delay)
		}
		seen[delay] = true
	}
	if len(seen) < 2 {
		t.Error("all delays are equal: rooms refused together come back together")
	}
	if delays[StateOffline] != DefaultRetryDelays()[StateOffline] {
		t.Error("With changed what it was not told to change")
	}
	for _, state := range []State{
		StateOffline, StateEnded, StateRateLimited, StateCaptcha, StateLoginRequired, StatePassword,
		StateBanned, StateNotFound, StateUnreachable, StateInvalid, StateFailed,
	} {
		if delays.After(state) <= 0 {
			t.Errorf("%s has no delay: it would be tried in a loop", state)
		}
	}
}

func TestStatesHaveSentences(t *testing.T) {
	for _, state := range []State{
		StateQueued, StateResolving, StateConnecting, StateLive, StateOffline, StateEnded, StateRateLimited, StateCaptcha,
		StateLoginRequired, StatePassword, StateBanned, StateNotFound, StateUnreachable, StateInvalid, StateFailed, StateStopped,
	} {
		if s := state.Sentence(); s == "" || s == string(state) {
			t.Errorf("%s has no sentence", state)
		}
	}
}

func TestStateOfCode(t *testing.T) {
	for code, want := range map[int]State{
		1: StateLive, 2: StateRateLimited, 10: StateUnreachable, 11: StateUnreachable, 15: StateRateLimited,
		16: StateRateLimited, 22: StateNotFound, 109: StateLoginRequired, 601: StateEnded, 606: StateBanned,
		671: StateOffline, 672: StateBanned, 677: StateBanned, 705: StateLoginRequired, 999: StateNotFound,
		6001: StateUnreachable, 60200: StateLoginRequired, 67601: StatePassword, 67606: StateBanned,
		69101: StateBanned, 400002: StateCaptcha, 123456: StateUnreachable,
	} {
		if got := stateOfCode(code); got != want {
			t.Errorf("code %d: %s, want %s", code, got, want)
		}
	}
}
