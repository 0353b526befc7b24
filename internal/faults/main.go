// Faults breaks ingest on purpose and counts what is lost: `make faults`.
//
// It starts `ingest engines`, and for each scenario a simulated Kuaishou and
// one or several `ingest run`, all as processes of their own. While rooms push
// it injects faults; then it lets everything end in order and compares the
// simulator's ledger, and what was seen in the spools, with what ClickHouse
// holds. The exit code is 1 when anything was lost, doubled or altered, or an
// expectation of a scenario was not met.
//
// To add a fault, add a scenario to one of the lists in worker.go, spool.go,
// clickhouse.go, postgres.go, rooms.go and several.go: a name, what it breaks,
// and a function that breaks it, mends it and calls stage.recover. What is
// judged, and how, is the same for all; see scenario and stage.compare.
// Databases are reached through two proxies that play tricks to order; add one
// to proxy_clickhouse.go or proxy_postgres.go when the real engine cannot be
// brought to do what is wanted.
//
// Everything random follows from the seed, which is printed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"kslive/internal/process"
)

// fullRun is the minutes that a whole run takes.
const fullRun = 20

// reportFile is what --write writes, in the root of the checkout.
const reportFile = "docs/reliability.md"

// options are the command line.
type options struct {
	Minutes float64       `help:"About how long the whole list takes; longer means more faults." default:"20" env:"FAULTS_MINUTES"`
	Seed    uint64        `help:"What every random choice follows from; 0: another one each time." default:"0" env:"FAULTS_SEED"`
	Only    []string      `help:"Only these faults." placeholder:"NAME,…"`
	Short   bool          `help:"Only the short selection."`
	List    bool          `help:"Tell the faults and end."`
	Write   bool          `help:"Write the table to docs/reliability.md."`
	JSON    bool          `name:"json" help:"Print the results as JSON."`
	AtOnce  int           `help:"How many faults are played at the same time; those that break an engine itself are played alone." default:"3"`
	Soak    time.Duration `help:"Instead of the list: 500 rooms and one fault after the other for so long, and then whether memory and goroutines have grown." placeholder:"30m"`
	Keep    bool          `help:"Keep the folder with logs and spools, also when all is well."`

	dir     string // of this run
	program process.Program
}

// randomOf is where a scenario's random choices come from.
func (o *options) randomOf(name string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	return rand.New(rand.NewPCG(o.Seed, hash.Sum64()))
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("faults"), kong.Description("Breaks ingest on purpose and counts what is lost."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	chosen, err := choose(o)
	if err != nil {
		return err
	}
	if o.List {
		for _, sc := range chosen {
			fmt.Printf("%-28s %s\n", sc.name, sc.breaks)
		}
		return nil
	}
	if o.Write && (o.Short || len(o.Only) > 0 || o.Soak > 0) {
		return errors.New("--write writes the page of the whole list: leave --short, --only and --soak out")
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano()) >> 20
	}
	fmt.Fprintf(os.Stderr, "FAULTS_MINUTES=%v FAULTS_SEED=%d, %d faults\n", o.Minutes, o.Seed, len(chosen))
	if o.dir, err = os.MkdirTemp("", "faults-"); err != nil {
		return fmt.Errorf("making the folder of the run: %w", err)
	}
	results, err := playAll(ctx, chosen, o)
	if results != nil {
		err = errors.Join(report(results, o), err)
	}
	if o.Keep || err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "logs and spools are kept in", o.dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(o.dir))
}

// playAll builds ingest and plays the scenarios.
func playAll(ctx context.Context, chosen []*scenario, o *options) (results []*result, err error) {
	if o.program, err = process.Build(ctx, o.dir); err != nil {
		return nil, err
	}
	e, err := startEngines(ctx, o.program, filepath.Join(o.dir, "data"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.child.End(context.WithoutCancel(ctx))) }()
	results = make([]*result, len(chosen))
	laters := make([]func(context.Context), len(chosen))
	one := func(i int) {
		results[i], laters[i] = play(ctx, e, chosen[i], o)
		fmt.Fprintf(os.Stderr, "%s: %s, %.0f s %v\n", chosen[i].name, results[i].verdict(), results[i].Seconds, results[i].Failures)
	}
	var going errgroup.Group
	going.SetLimit(o.AtOnce)
	for i, sc := range chosen {
		if !sc.alone {
			going.Go(func() error { one(i); return ctx.Err() })
		}
	}
	_ = going.Wait() // it is ctx's error, see below
	for i, sc := range chosen {
		if sc.alone && ctx.Err() == nil {
			one(i)
		}
	}
	for _, later := range laters {
		if later != nil {
			later(ctx)
		}
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	return results, nil
}

// report prints and writes the results; it answers an error when one failed.
func report(results []*result, o *options) error {
	if o.JSON {
		lines := json.NewEncoder(os.Stdout)
		lines.SetEscapeHTML(false)
		for _, r := range results {
			if err := lines.Encode(r); err != nil {
				return fmt.Errorf("printing the results: %w", err)
			}
		}
	} else if err := printTable(os.Stdout, results); err != nil {
		return fmt.Errorf("printing the results: %w", err)
	}
	if o.Write {
		if err := os.MkdirAll(filepath.Dir(reportFile), 0o755); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		if err := os.WriteFile(reportFile, []byte(markdown(results, o)), 0o644); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	failed := 0
	for _, r := range results {
		if len(r.Failures) > 0 {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d faults broke something (FAULTS_MINUTES=%v FAULTS_SEED=%d)", failed, len(results), o.Minutes, o.Seed)
	}
	return nil
}
