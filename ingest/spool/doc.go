// Package spool keeps records on disk between the one who receives them and
// the one who hands them on: bytes in, bytes out, in the order they came, safe
// against crashes. It does not look inside a record.
//
// Records are appended to the active segment. A segment that is full, or old
// while a reader waits, is sealed and from then on never written again. A
// reader takes the oldest sealed segment, passes its records on, and gives the
// copy up only afterwards:
//
//	Append ─> .active ──full, or old and a reader waits──> .sealed ──Segment.Done──> .done ──> .done.zst ──Keep──> deleted
//	             │                                            │
//	       Open after a crash:                         Segment.Bad, or Done of a
//	       torn tail cut, then sealed                  damaged segment ──> .bad, kept for a person
//
// The file name is the state, so `ls` shows it, and every change of state is a
// rename followed by an fsync of the directory. What is done is compressed in the
// background, into a file beside it that replaces it when it is durable, with its
// records as Options.Slim has them; what is smaller than a block of the disk is
// left as it is. Beside the segments a directory holds `id` (see [Spool.ID]),
// `lock` (one process a directory), and `last` (the newest segment name, written
// when that segment is deleted, so that no name is ever used again). A file
// `.torn` is the copy of a segment as a crash left it, made when cutting its tail
// may have cost more than one record.
//
// A segment that a person renames from .done, .done.zst or .bad to .sealed is read
// again after the next Open.
package spool
