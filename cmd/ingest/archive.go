package main

import (
	"fmt"
	"path/filepath"
	"time"

	"kslive/ingest"
)

// archiveFlags say which of the frames that are kept a command is about.
type archiveFlags struct {
	Spool string   `help:"Folder of the spool; default: spool in the data folder." type:"path" placeholder:"DIR"`
	Since string   `help:"Only frames received from then on: a time such as 2026-01-31T20:00:00+08:00, or how long ago, such as 36h." placeholder:"TIME"`
	Until string   `help:"Only frames received until then." placeholder:"TIME"`
	Live  []string `help:"Only frames of this room: a live ID, or its address. Repeat it for more." sep:"none" placeholder:"LIVE"`
}

// frames are the frames that the flags are about.
type frames struct {
	spool        string
	since, until time.Time
	lives        []string
}

func (f archiveFlags) frames(dataDir string) (frames, error) {
	found := frames{spool: spoolFolder(f.Spool, dataDir)}
	now := time.Now()
	var err error
	if found.since, err = parseTime(now, f.Since); err != nil {
		return found, exitError{exitUsage, "--since: " + err.Error()}
	}
	if found.until, err = parseTime(now, f.Until); err != nil {
		return found, exitError{exitUsage, "--until: " + err.Error()}
	}
	if !found.until.IsZero() && found.until.Before(found.since) {
		return found, exitError{exitUsage, "--until is before --since"}
	}
	for _, live := range f.Live {
		id, err := ingest.ParseLiveID(live)
		if err != nil {
			return found, exitError{exitUsage, "--live: " + err.Error()}
		}
		found.lives = append(found.lives, id)
	}
	return found, nil
}

// parseTime reads a time, or how long before now it was; "" is the zero time.
func parseTime(now time.Time, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, fmt.Errorf("%q is neither a time such as 2026-01-31T20:00:00+08:00 nor a duration such as 36h", s)
	}
	return at, nil
}

// spoolFolder is where the spool is.
func spoolFolder(given, dataDir string) string {
	if given != "" {
		return given
	}
	return filepath.Join(dataDir, "spool")
}
