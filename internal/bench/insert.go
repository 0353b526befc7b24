package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"kslive/ingest"
	"kslive/internal/chdb"
	"kslive/internal/corpus"
	"kslive/internal/process"
	"kslive/migrations"
	"kslive/schema"
)

var insertBenchmark = benchmark{
	name: "insert",
	about: "The rows of decoded frames into ClickHouse, as the loader inserts them. Beside it the engine takes the same rows, in the same batches, " +
		"as bytes in its own format Native. Both merge everything to the end, and what that costs is counted.",
	run: runInsert,
}

// inserting is one engine, and the rows that go into it each round.
type inserting struct {
	engine    *chdb.Engine
	warehouse *ingest.ClickHouse
	batches   []schema.Batch
	rows      int
	native    map[string][]byte // of each table of each batch
	rounds    int
}

// insertCost is what all rows took once.
type insertCost struct {
	client, engine time.Duration // CPU, until they were accepted
	merged         time.Duration // CPU of the engine, until there was nothing to merge
	wall           time.Duration // until they were accepted
}

func runInsert(ctx context.Context, b *bench) (err error) {
	frames, rounds := 14_000, 5
	if b.full {
		frames = longForm
	}
	i := &inserting{native: make(map[string][]byte)}
	if i.batches, i.rows, err = batches(frames); err != nil {
		return err
	}
	if i.engine, err = b.startEngine(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.engine.Close()) }()
	if i.warehouse, err = ingest.OpenClickHouse(i.engine.DSN(), 0); err != nil {
		return err
	}
	defer i.warehouse.Close()
	var ours, engines []insertCost
	for round := range rounds + 1 {
		our, err := i.cost(ctx, i.insertOurs)
		if err != nil {
			return err
		}
		if round == 0 { // does not count
			continue
		}
		alone, err := i.cost(ctx, i.insertNative)
		if err != nil {
			return err
		}
		ours, engines = append(ours, our), append(engines, alone)
	}
	i.tell(b, ours, engines)
	return nil
}

func (i *inserting) tell(b *bench, ours, engines []insertCost) {
	perRow := func(all []insertCost, of func(insertCost) time.Duration) float64 {
		return float64(median(all, of).Nanoseconds()) / 1e3 / float64(i.rows)
	}
	client := func(c insertCost) time.Duration { return c.client }
	engine := func(c insertCost) time.Duration { return c.engine }
	merged := func(c insertCost) time.Duration { return c.merged }
	sum := func(c insertCost) time.Duration { return c.client + c.merged }
	const us, native = "us/row", "the engine, from Native"
	b.report(result{What: "columns, encoding and HTTP, CPU of the client", Value: perRow(ours, client), Unit: us, Note: fmt.Sprintf("%d rows, %d batches", i.rows, len(i.batches))})
	b.report(result{What: "inserting, CPU of the engine", Value: perRow(ours, engine), Unit: us, Against: native, Ratio: perRow(ours, engine) / perRow(engines, engine)})
	b.report(result{What: "inserting and merging, CPU of the engine", Value: perRow(ours, merged), Unit: us, Against: native, Ratio: perRow(ours, merged) / perRow(engines, merged)})
	b.report(result{
		What: "all of it, CPU", Value: perRow(ours, sum), Unit: us, Against: "the engine alone", Ratio: perRow(ours, sum) / perRow(engines, merged),
		Note: "end to end, with sockets, spool and decoding: at most 1.6",
	})
	wall := median(ours, func(c insertCost) time.Duration { return c.wall })
	b.report(result{What: "rows accepted", Value: float64(i.rows) / wall.Seconds(), Unit: "rows/s"})
}

// batches decodes frames as the loader does, into batches of its size.
func batches(frames int) (all []schema.Batch, rows int, err error) {
	const batchFrames = 7000
	made, err := corpus.Frames(frames)
	if err != nil {
		return nil, 0, err
	}
	decoder := ingest.NewDecoder(nil)
	for n, frame := range made {
		if n%batchFrames == 0 {
			all = append(all, schema.Batch{})
		}
		decoder.Decode(frame, int64(n), &all[len(all)-1])
	}
	for n := range all {
		rows += all[n].Len()
	}
	return all, rows, nil
}

// startEngine starts an engine with the tables. The caller closes it.
func (b *bench) startEngine(ctx context.Context) (*chdb.Engine, error) {
	engine, err := chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(b.dir, "clickhouse"), Logger: b.log})
	if err != nil {
		return nil, err
	}
	if err := migrations.ClickHouse(ctx, engine.DSN(), b.log); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	version, err := ask(ctx, engine, "SELECT version()", nil, nil)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	b.engine = strings.TrimSpace(string(version))
	return engine, nil
}

// cost empties the tables, inserts, and merges everything.
func (i *inserting) cost(ctx context.Context, insert func(context.Context, schema.Rows, string) error) (cost insertCost, err error) {
	i.rounds++
	if err := i.each(func(_ string, rows schema.Rows) error { return i.exec(ctx, "TRUNCATE TABLE "+rows.Name) }); err != nil {
		return cost, err
	}
	own, err := startMeter()
	if err != nil {
		return cost, err
	}
	before, err := process.CPU(i.engine.Pid())
	if err != nil {
		return cost, err
	}
	err = i.each(func(name string, rows schema.Rows) error { return insert(ctx, rows, name) })
	if err != nil {
		return cost, err
	}
	accepted, err := process.CPU(i.engine.Pid())
	if err != nil {
		return cost, err
	}
	used, err := own.stop()
	if err != nil {
		return cost, err
	}
	if err := i.each(func(_ string, rows schema.Rows) error { return i.exec(ctx, "OPTIMIZE TABLE "+rows.Name+" FINAL") }); err != nil {
		return cost, err
	}
	merged, err := process.CPU(i.engine.Pid())
	return insertCost{client: used.cpu, wall: used.wall, engine: accepted - before, merged: merged - before}, err
}

// each calls do with the rows of each table of each batch, and a name for them.
func (i *inserting) each(do func(name string, rows schema.Rows) error) error {
	for n := range i.batches {
		for rows := range i.batches[n].All() {
			if err := do(fmt.Sprintf("%d/%s", n, rows.Name), rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertOurs inserts as the loader does. The first time it keeps what the engine
// has in the end, for insertNative.
func (i *inserting) insertOurs(ctx context.Context, rows schema.Rows, name string) error {
	if err := i.warehouse.Insert(ctx, i.token(name), rows); err != nil || i.rounds > 1 {
		return err
	}
	var err error
	i.native[name], err = ask(ctx, i.engine, "SELECT "+strings.Join(rows.Columns, ", ")+" FROM "+rows.Name+" FORMAT Native", nil, nil)
	if err != nil {
		return err
	}
	return i.exec(ctx, "TRUNCATE TABLE "+rows.Name) // the next batch's alone are to be kept
}

func (i *inserting) insertNative(ctx context.Context, rows schema.Rows, name string) error {
	query := "INSERT INTO " + rows.Name + " (" + strings.Join(rows.Columns, ", ") + ") FORMAT Native"
	_, err := ask(ctx, i.engine, query, bytes.NewReader(i.native[name]), url.Values{"insert_deduplication_token": {i.token(name)}, "async_insert": {"0"}})
	return err
}

// token is another one each round, or the engine would take rows for repeats.
func (i *inserting) token(name string) string { return fmt.Sprintf("%d/%s", i.rounds, name) }

func (i *inserting) exec(ctx context.Context, query string) error {
	_, err := ask(ctx, i.engine, query, nil, nil)
	return err
}

// ask sends a query to the engine with nothing between: no driver, no encoding.
func ask(ctx context.Context, engine *chdb.Engine, query string, data io.Reader, settings url.Values) ([]byte, error) {
	parameters := url.Values{"query": {query}}
	for name, values := range settings {
		parameters[name] = values
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, engine.URL()+"/?"+parameters.Encode(), data)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", query, bytes.TrimSpace(body))
	}
	return body, err
}
