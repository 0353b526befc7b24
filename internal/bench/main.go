// Bench measures what ingest costs: `make bench`, and `make bench-full` for the
// long form.
//
// Every figure is compared with something that does the same work, measured in
// turn with it in the same run: other work on the machine then disturbs both.
// Figures are medians of at least five, CPU time (getrusage) beside wall time.
// Quote ratios; absolute figures are the machine's.
//
// To add a benchmark, add a file with a `var xyzBenchmark = benchmark{…}` and put
// it into benchmarks, which is also the order of docs/performance.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"kslive/internal/chdb"
)

// benchmarks are all there are.
var benchmarks = []benchmark{decodeBenchmark, spoolBenchmark, insertBenchmark, endToEndBenchmark, roomsBenchmark, claimsBenchmark, queriesBenchmark}

// benchmark is one line of the list: what it is called and how it is run.
type benchmark struct {
	name  string
	about string // a sentence or two, for docs/performance.md
	full  bool   // only in bench-full, or when named
	run   func(ctx context.Context, b *bench) error
}

// bench is what a benchmark is given, and takes its results.
type bench struct {
	full     bool   // the long form
	comments uint64 // in the database of the queries; 0: as many as the form has
	dir      string // a folder of its own, removed afterwards
	log      *slog.Logger
	engine   string // ClickHouse's version, when one took part; see startEngine
	results  []result

	benchmark
}

// result is a figure.
type result struct {
	Benchmark string  `json:"benchmark"` // its name, which report knows
	What      string  `json:"what"`      // was measured
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	// Against is what the same work was compared with, and Ratio Value by the
	// value of that; 0 when it was compared with nothing.
	Against string  `json:"against,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	// Target is what must be reached, such as "at most 0.45"; empty: nothing.
	Target string `json:"target,omitempty"`
	Note   string `json:"note,omitempty"`
}

// report adds a result.
func (b *bench) report(r result) {
	r.Benchmark = b.name
	b.results = append(b.results, r)
}

// options are the command line.
type options struct {
	Full     bool     `help:"All benchmarks, in their long form: an hour at most."`
	Comments uint64   `help:"How many comments the database of the queries has; 0: a million, or 100 million in the long form."`
	Only     []string `help:"Only these." placeholder:"NAME,…"`
	Runs     int      `help:"How often each is run; what is told is the median of each figure." default:"1"`
	List     bool     `help:"Tell the benchmarks and end."`
	JSON     bool     `name:"json" help:"Print the results as JSON, one a line."`
	Frames   string   `help:"Write the frames that are measured to a file, one a line in base64, for other programs to decode, and end: see peers." placeholder:"FILE"`
	CPU      string   `name:"cpuprofile" help:"Write a CPU profile of this process to a file." placeholder:"FILE"`
	Write    bool     `help:"Write the results to docs/performance.md; what was not measured stays as it is there."`
}

func main() {
	chdb.Child()
	var o options
	kong.Parse(&o, kong.Name("bench"), kong.Description("Measures what ingest costs."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	chosen, err := choose(o)
	if err != nil {
		return err
	}
	if o.List {
		for _, bm := range chosen {
			fmt.Printf("%-12s %s\n", bm.name, bm.about)
		}
		return nil
	}
	if o.Frames != "" {
		return writeFrames(o.Frames)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if o.CPU != "" {
		file, err := os.Create(o.CPU)
		if err != nil {
			return fmt.Errorf("making the profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("making the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	var done []*bench
	var failed error
	for _, bm := range chosen {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintln(os.Stderr, "measuring", bm.name)
		b := &bench{full: o.Full, comments: o.Comments, log: logger, benchmark: bm}
		if err := b.measureTimes(ctx, o.Runs); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", bm.name, err))
		}
		done = append(done, b)
	}
	return errors.Join(failed, publish(done, o))
}

// choose picks the benchmarks that the options ask for.
func choose(o *options) ([]benchmark, error) {
	var chosen []benchmark
	for _, bm := range benchmarks {
		if len(o.Only) == 0 && (o.Full || o.List || !bm.full) || slices.Contains(o.Only, bm.name) {
			chosen = append(chosen, bm)
		}
	}
	for _, name := range o.Only {
		if !slices.ContainsFunc(chosen, func(bm benchmark) bool { return bm.name == name }) {
			return nil, fmt.Errorf("there is no benchmark %q; --list tells them", name)
		}
	}
	return chosen, nil
}

// measureTimes runs the benchmark so often, and leaves the medians of the results
// that were found before an error.
func (b *bench) measureTimes(ctx context.Context, runs int) (err error) {
	var all [][]result
	for range max(1, runs) {
		b.results = nil
		err = b.measure(ctx)
		if all = append(all, b.results); err != nil {
			break
		}
	}
	b.results = medians(all)
	return err
}

// measure runs the benchmark in a folder of its own. An error leaves the results
// that were found before it.
func (b *bench) measure(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "bench-"+b.name+"-"); err != nil {
		return fmt.Errorf("making its folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	return b.run(ctx, b)
}

// publish prints the results and writes them where they were asked for.
func publish(done []*bench, o *options) error {
	if err := print(os.Stdout, done, o.JSON); err != nil {
		return fmt.Errorf("printing the results: %w", err)
	}
	if !o.Write {
		return nil
	}
	old, err := os.ReadFile(pageFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the page: %w", err)
	}
	command := strings.Join(append([]string{"bin/bench"}, os.Args[1:]...), " ")
	page := pageWith(string(old), done, command)
	if err := os.MkdirAll(filepath.Dir(pageFile), 0o755); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	if err := os.WriteFile(pageFile, []byte(page), 0o644); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}
