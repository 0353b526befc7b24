// Package ingest is the pipeline from a row in Postgres to rows in ClickHouse.
// Everything in it flows one way:
//
//	lives ──Claim──> Ingester ──one goroutine a room──> Room.session ──Frame──> Spool.Append
//	(Postgres)                                             │ reads; heartbeats beside it       │ write; group fsync
//	                                                                                           ▼
//	                                                                       active ──size or age──> sealed
//	                                                                                           │ Spool.Next, oldest first
//	ClickHouse <──Insert(table, token, rows)── Loader.LoadNext <──rows by table── Decode <─────┘
//	                                              └── every table said yes ──> Segment.Done: archived for replay, later deleted
//
// Left of the spool is urgent: a late heartbeat gets a client disconnected. It
// keeps what arrives, byte for byte, and looks at no more of a frame than it
// must to stay connected. Right of the spool can wait: a frame is decoded only
// when it is safe on disk, so what the decoder cannot read today it can read
// again tomorrow. Nothing crosses but files, and after a crash the same loader
// reads the same files.
package ingest
