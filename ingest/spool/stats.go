package spool

import "time"

// Usage is a number of segments and their size on disk in bytes.
type Usage struct {
	Segments int
	Bytes    int64
}

func (u *Usage) add(size int64) {
	u.Segments++
	u.Bytes += size
}

// Stats is the state of a spool. What is counted is counted since Open.
type Stats struct {
	Active Usage // at most one segment
	Sealed Usage // also those that a caller of Next holds
	Done   Usage // archived
	Bad    Usage // kept for a person

	// OldestUndone is the age of the oldest record that is not done, 0 only when
	// there is none.
	OldestUndone time.Duration

	Appended      int64 // records
	AppendedBytes int64 // in those records
	TornTails     int64 // active segments cut by Open
	TornFiles     int64 // .torn copies made, because more than one record may have been cut
	Corrupt       int64 // damaged places in sealed segments, each of one record or more
	CorruptBytes  int64 // in those places
	Failures      int64 // segments given up early because an fsync or another step failed
}

// counts is what Stats needs and nothing else does. mu of the Spool covers it.
type counts struct {
	appended, appendedBytes int64
	torn, tornFiles         int64
	corrupt, corruptBytes   int64
	failures                int64
	bad                     Usage
}

// Stats returns the state of the spool at this moment.
func (s *Spool) Stats() Stats {
	archived := s.archive.usage()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Done: archived, Bad: s.counts.bad,
		Appended: s.counts.appended, AppendedBytes: s.counts.appendedBytes,
		TornTails: s.counts.torn, TornFiles: s.counts.tornFiles,
		Corrupt: s.counts.corrupt, CorruptBytes: s.counts.corruptBytes,
		Failures: s.counts.failures,
	}
	var oldest time.Time
	if a := s.active; a != nil {
		st.Active.add(a.size)
		oldest = a.first
	}
	for _, seg := range s.sealed {
		st.Sealed.add(seg.size)
	}
	if len(s.sealed) > 0 {
		oldest = s.sealed[0].first
	}
	if !oldest.IsZero() {
		st.OldestUndone = max(1, time.Since(oldest))
	}
	return st
}
