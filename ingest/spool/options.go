package spool

import (
	"fmt"
	"log/slog"
	"time"
)

// Options tune a Spool. The zero value is usable.
type Options struct {
	// SegmentBytes is the size at which the active segment is sealed, at most
	// 256 MiB. Default 16 MiB.
	SegmentBytes int64
	// SyncEvery is how long an appended record may stay without an fsync.
	// Default 200 ms.
	SyncEvery time.Duration
	// SealAge is the age at which the active segment is sealed although it is
	// not full, provided a reader waits in Next and nothing else is sealed:
	// while the reader is behind, segments grow. Default 1 s.
	SealAge time.Duration
	// MaxBytes bounds the bytes that are active or sealed; Append returns
	// ErrFull rather than pass it. At least SegmentBytes, or 0 for no bound.
	MaxBytes int64
	// Keep and KeepBytes bound what is kept after Done, by the age of a
	// segment's last record and by the bytes of all files: the oldest segments
	// are deleted until both hold. 0 leaves that bound out; when both are 0, Done
	// deletes. A full disk takes the oldest, too.
	Keep      time.Duration
	KeepBytes int64
	// Slim answers what the archive keeps of a record: the record itself, or
	// another that says the same and, among others like it, compresses better. It
	// is called by one goroutine at a time, must not write to the record or hold on
	// to it, and what it answers is used until it is called again. Offsets in an
	// archived file are then its own. Default: records are kept as they are.
	Slim func(record []byte) []byte
	// MaxRecord is the length in bytes of the longest record Append takes, at
	// most 256 MiB. Default 16 MiB. Reading does not depend on it.
	MaxRecord int
	// Logger takes what a person should know. Default: nothing is logged.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = 200 * time.Millisecond
	}
	if o.SealAge == 0 {
		o.SealAge = time.Second
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.SegmentBytes < 0 || o.SegmentBytes > maxOption:
		return o, fmt.Errorf("segment size %d is not between 1 and %d bytes", o.SegmentBytes, maxOption)
	case o.MaxRecord < 0 || o.MaxRecord > maxOption:
		return o, fmt.Errorf("record limit %d is not between 1 and %d bytes", o.MaxRecord, maxOption)
	case o.SyncEvery < 0 || o.SealAge < 0 || o.Keep < 0 || o.KeepBytes < 0:
		return o, fmt.Errorf("sync interval %v, seal age %v, time %v or size %d to keep is negative",
			o.SyncEvery, o.SealAge, o.Keep, o.KeepBytes)
	case o.MaxBytes != 0 && o.MaxBytes < o.SegmentBytes:
		return o, fmt.Errorf("spool size %d is less than one segment of %d bytes: raise it, or make segments smaller",
			o.MaxBytes, o.SegmentBytes)
	}
	if o.MaxBytes != 0 {
		// A record that cannot fit into an empty spool is too large, not early.
		o.MaxRecord = int(max(0, min(int64(o.MaxRecord), o.MaxBytes-headerSize-recordHeader)))
	}
	return o, nil
}
