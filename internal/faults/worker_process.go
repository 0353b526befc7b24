package main

import (
	"context"
	"path/filepath"
	"time"

	"kslive/internal/process"
)

// worker is one `ingest run`, which may be killed and started again. It belongs
// to the goroutine of its scenario.
type worker struct {
	stage *stage
	name  string
	args  []string
	spool string
	child *process.Process // the present start, or the last one
}

// lease is how long a room stays a dead worker's.
const lease = 4 * time.Second

func newWorker(s *stage, name string, flags []string) *worker {
	dir := filepath.Join(s.program.Dir, name)
	w := &worker{stage: s, name: name, spool: filepath.Join(dir, "spool")}
	w.args = append([]string{
		"run", "--data-dir", dir, "--worker", name, "--kuaishou-url", s.kuaishou.URL,
		"--postgres", s.postgres(s.postgresProxy.address), "--clickhouse", s.clickhouse(s.clickhouseProxy.address),
		"--no-migrate", "--page-interval=-1s", "--http-listen=", "--lease=" + lease.String(), "--segment-bytes=65536", "--drain-timeout=8m",
	}, flags...)
	return w
}

// start starts the worker, again if it has run before.
func (w *worker) start(more ...string) (err error) {
	w.child, err = w.stage.program.Start(w.name, append(w.args[:len(w.args):len(w.args)], more...)...)
	return err
}

// kill ends the worker as kill -9 does, and counts what is then in its spool.
func (w *worker) kill() error {
	w.child.Kill()
	w.stage.silences = append(w.stage.silences, time.Now())
	_, err := w.stage.received.read(w.spool)
	return err
}

// end asks the worker to end and waits for it.
func (w *worker) end(ctx context.Context) error { return w.child.End(ctx) }
