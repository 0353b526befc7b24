-- +goose Up

-- Workers look every second whether a live of theirs is to stop.

CREATE INDEX lives_stop ON lives (stop_at) WHERE stop_at IS NOT NULL;
