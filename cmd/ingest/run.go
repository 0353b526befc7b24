package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kslive/ingest"
	"kslive/ingest/spool"
	"kslive/internal/console"
	"kslive/migrations"
)

// kuaishouFlags say how Kuaishou is asked.
type kuaishouFlags struct {
	KuaishouURL     string        `help:"Where Kuaishou's pages are." default:"https://live.kuaishou.com" placeholder:"URL"`
	Accounts        string        `help:"File of accounts, each with cookies, and if you like a proxy and a rate; rooms are spread over them. Reread when it changes." type:"path" placeholder:"FILE" xor:"accounts"`
	CookieFile      string        `help:"Instead, for one account: file with the cookies of your own browser: a Cookie header line, or cookies.txt. Reread when it changes." type:"path" placeholder:"FILE" xor:"accounts"`
	Resolvers       []string      `help:"Ways to learn how a room is entered, in the order in which they are tried." default:"endpoint,page,livedetail,byuser,recall" placeholder:"NAME"`
	MobileURL       string        `name:"mobile-url" help:"Where the resolver byuser and the list of all gifts are; default: Kuaishou's mobile pages, or --kuaishou-url if that is another." placeholder:"URL"`
	EndpointCommand string        `help:"Program, with arguments, that is given a live ID and prints how its room is entered, at the place of endpoint among the resolvers; see docs/kuaishou.md. It is run without a shell; quotes keep spaces together." placeholder:"COMMAND" secret:""`
	EndpointTimeout time.Duration `help:"How long that program may take." default:"15s"`
	PageInterval    time.Duration `help:"Least time between the starts of two HTTP calls to Kuaishou from one address, whatever they ask (pages, their redirects, websocketinfo, comments that are recalled, gifts), for all rooms, accounts and workers behind it; sockets are not counted. Below 0: none. Faster gets an address refused." default:"1s"`
	ExitName        string        `help:"Name of the address that calls without a proxy come from. Workers of the same name, wherever they run, divide what may be asked from it. Default: host name." placeholder:"NAME"`
}

// client makes the HTTP client that looks rooms up.
func (f kuaishouFlags) client(logger *slog.Logger) (*ingest.Client, error) {
	for _, file := range []struct{ flag, path, cure string }{
		{"--cookie-file", f.CookieFile, "save what your browser sends to live.kuaishou.com into it, as docs/kuaishou.md says"},
		{"--accounts", f.Accounts, "write it as README.md says, with a cookie file for each account"},
	} {
		if _, err := os.Stat(file.path); file.path != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no file %s, which %s names: %s", file.path, file.flag, file.cure)
		}
	}
	command, err := splitCommand(f.EndpointCommand)
	if err != nil {
		return nil, fmt.Errorf("--endpoint-command: %w", err)
	}
	return ingest.NewClient(ingest.ClientOptions{
		BaseURL: f.KuaishouURL, Accounts: f.Accounts, CookieFile: f.CookieFile, MinInterval: f.PageInterval, Logger: logger,
		Resolvers: f.Resolvers, MobileURL: f.MobileURL, EndpointCommand: command, EndpointTimeout: f.EndpointTimeout,
		ExitName: f.ExitName,
	})
}

// ingestFlags tune the ingester.
type ingestFlags struct {
	Worker          string        `help:"Name of this worker; a second one of the same name refuses to start. Default: host name and process." placeholder:"NAME"`
	MaxRooms        int           `help:"Rooms that this worker holds at most. Workers share the rooms in proportion to it." default:"5000"`
	PollEvery       time.Duration `help:"How often lives is looked at; a notification from Postgres makes it sooner." default:"1s"`
	Lease           time.Duration `help:"How long a claimed room stays this worker's when it dies; then the others take it over." default:"30s"`
	Spool           string        `help:"Folder of the spool; default: spool in the data folder." type:"path" placeholder:"DIR"`
	SpoolMax        int64         `help:"Bytes that may wait in the spool; near it, rooms are closed until ClickHouse has caught up." default:"21474836480" placeholder:"BYTES"`
	SegmentBytes    int64         `help:"Size at which a segment of the spool is sealed, and so the largest batch." default:"16777216" placeholder:"BYTES"`
	Keep            time.Duration `help:"How long frames are kept, compressed, after they were loaded, so that they can be decoded again; 0: however old. With both this and --keep-bytes 0, none are." default:"168h"`
	KeepBytes       int64         `help:"Bytes that those frames may take; the oldest go first. 0: no limit." default:"10737418240" placeholder:"BYTES"`
	InsertTimeout   time.Duration `help:"How long one insert may take before it is given up and tried again; nothing is stored twice." default:"4m"`
	HandoverTimeout time.Duration `help:"How long a stop waits for other workers to take over the rooms that are heard; 0: not at all." default:"20s"`
	DrainTimeout    time.Duration `help:"How long a stop waits for ClickHouse to take what is in the spool." default:"30s"`
}

type runCommand struct {
	engineFlags
	storeFlags
	kuaishouFlags
	ingestFlags
	pseudonymFlags
	consoleFlags
	tlsFlags
	Embedded   bool     `help:"Keep Postgres and ClickHouse in the data folder; no servers needed."`
	Retain     []string `help:"How many days rows are kept in ClickHouse: 90d for all tables of events, comments=30d or gifts=forever for one; separated by commas. Default: for ever. A room's own days are in lives.retain_days." placeholder:"DAYS"`
	Migrate    bool     `help:"Bring the tables up to date at the start." default:"true" negatable:""`
	HTTPListen string   `help:"Address of the console, /metrics, /healthz and /readyz; empty: none." default:"127.0.0.1:9110" placeholder:"ADDR"`
}

var errPostgresEnded = errors.New("the embedded Postgres has ended by itself; its log is in the data folder, under postgres. Start ingest again: nothing is lost")

// Run watches lives until the process is told to stop.
func (c *runCommand) Run(p *process) (err error) {
	if err := c.wrong(); err != nil {
		return exitError{exitUsage, err.Error()}
	}
	if err := canListen(c.HTTPListen); err != nil {
		return err
	}
	token, err := c.token(c.HTTPListen)
	if err != nil {
		return err
	}
	log := console.NewLog(p.logger.Handler())
	p.logger = slog.New(log)
	certificate, err := c.certificate(p.logger)
	if err != nil {
		return err
	}
	retention, err := c.retention()
	if err != nil {
		return err
	}
	key, err := c.key(p.logger)
	if err != nil {
		return err
	}
	client, err := c.client(p.logger)
	if err != nil {
		return err
	}
	defer client.Close()
	found := stores{}
	taking, stopTaking := context.WithCancelCause(p.taking)
	defer stopTaking(nil)
	if c.Embedded {
		engines, err := startEngines(p.taking, c.engineFlags, p.logger)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, engines.Close()) }()
		go func() { // ends with this function
			select {
			case <-engines.failed():
				stopTaking(errPostgresEnded)
			case <-taking.Done():
			}
		}()
		found = engines.stores
		p.logger.Info("embedded engines are up; `ingest lives add` on the same data folder finds them", "data_dir", c.DataDir, "clickhouse", engines.clickhouse.URL())
	} else if found, err = c.requireBoth(c.DataDir); err != nil {
		return err
	}
	later, err := c.prepareNowOrLater(p, found)
	if err != nil {
		return err
	}
	defer later()
	registry := newRegistry()
	pipeline, err := openPipeline(p.taking, c.ingestFlags, c.DataDir, found, client, key, registry, p.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pipeline.Close()) }()
	// While ClickHouse is away, or hangs, the loader asks.
	asking, cancel := context.WithTimeout(p.taking, 10*time.Second)
	err = pipeline.clickhouse.CheckPseudonyms(asking, key, true)
	cancel()
	if errors.Is(err, ingest.ErrPseudonyms) {
		return err
	}
	server, _, err := c.serve(c.HTTPListen, token, certificate, shown{pipeline, registry, c.workerName(), c.SpoolMax, log, p.logger})
	if err != nil {
		return err
	}
	if server != nil {
		defer server.Close()
	}
	chores, stopChores := context.WithCancel(p.working)
	var doing sync.WaitGroup
	defer doing.Wait()
	defer stopChores()
	keeper := ingest.Keeper{Lives: pipeline.lives, Warehouse: pipeline.clickhouse, Retention: retention, Logger: p.logger}
	doing.Go(func() { keeper.Run(chores) })
	eraser := ingest.NewEraser(pipeline.lives, pipeline.spool, spoolFolder(c.Spool, c.DataDir), p.logger)
	eraser.Pseudonymize(key)
	doing.Go(func() { eraser.Run(chores) })
	if err := pipeline.ingester.Run(taking, p.working); err != nil {
		return err
	}
	if cause := context.Cause(taking); errors.Is(cause, errPostgresEnded) {
		return cause
	}
	return nil
}

// retention is what --retain says, nil when the tables are not to be altered.
func (c *runCommand) retention() (ingest.Retention, error) {
	if !c.Migrate && len(c.Retain) == 0 {
		return nil, nil
	}
	if !c.Migrate {
		return nil, exitError{exitUsage, "--retain alters tables, and --no-migrate says not to: leave one out, or let their owner run ALTER TABLE … MODIFY TTL"}
	}
	retention, err := ingest.ParseRetention(c.Retain)
	if err != nil {
		return nil, exitError{exitUsage, "--retain: " + err.Error()}
	}
	return retention, nil
}

// prepareNowOrLater is prepareTables, but for a worker that has a spool already
// it waits for a ClickHouse that is away beside everything else: what is heard
// meanwhile is kept in the spool. stop ends the wait. (A worker that is new is
// told at once that the address may be wrong.)
func (c *runCommand) prepareNowOrLater(p *process, s stores) (stop func(), err error) {
	err = prepareTables(p.taking, s, c.Migrate, p.logger)
	if err == nil {
		return func() {}, nil
	}
	if _, none := spool.OpenArchive(spoolFolder(c.Spool, c.DataDir)); none != nil || !errors.Is(err, migrations.ErrClickHouseAway) {
		return nil, err
	}
	p.logger.Error("ClickHouse is away; what is heard waits in the spool", "err", err)
	if c.Migrate {
		err = migrations.Postgres(p.taking, s.Postgres, p.logger)
	} else {
		err = migrations.CheckPostgres(p.taking, s.Postgres)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(p.taking)
	var waiting sync.WaitGroup
	waiting.Go(func() { c.prepareLater(ctx, s, p.logger) })
	return func() { cancel(); waiting.Wait() }, nil
}

// prepareLater tries until ClickHouse is there and its tables are as they should
// be, or ctx is done.
func (c *runCommand) prepareLater(ctx context.Context, s stores, logger *slog.Logger) {
	const every = 5 * time.Second
	for told := ""; ; {
		err := prepareTables(ctx, s, c.Migrate, logger)
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != told {
			told = err.Error()
			logger.Error("the tables cannot be looked at; rows wait in the spool", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// prepareTables migrates both databases, or checks that somebody has.
func prepareTables(ctx context.Context, s stores, migrate bool, logger *slog.Logger) error {
	if migrate {
		return migrations.Run(ctx, s.Postgres, s.ClickHouse, logger)
	}
	return migrations.Check(ctx, s.Postgres, s.ClickHouse)
}

// pipeline is an ingester with the parts that it works with.
type pipeline struct {
	ingester   *ingest.Ingester
	lives      *ingest.Lives
	spool      *spool.Spool
	clickhouse *ingest.ClickHouse
	client     *ingest.Client // the caller's
}

// openPipeline opens the parts; the caller must close them.
func openPipeline(ctx context.Context, f ingestFlags, dataDir string, s stores, client *ingest.Client, key *ingest.PseudonymKey, registry *prometheus.Registry, logger *slog.Logger) (_ *pipeline, err error) {
	p := &pipeline{client: client}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	p.spool, err = spool.Open(spoolFolder(f.Spool, dataDir), spool.Options{
		SegmentBytes: f.SegmentBytes, MaxBytes: f.SpoolMax, Keep: f.Keep, KeepBytes: f.KeepBytes, Slim: ingest.Slim(), Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	p.lives, err = ingest.OpenLives(ctx, ingest.LivesOptions{URL: s.Postgres, Worker: f.workerName(), Lease: f.Lease, Logger: logger})
	if err != nil {
		return nil, err
	}
	p.clickhouse, err = ingest.OpenClickHouse(s.ClickHouse, f.InsertTimeout)
	if err != nil {
		return nil, err
	}
	p.clickhouse.Pseudonymize(key)
	p.ingester = ingest.NewIngester(ingest.Options{
		Lives: p.lives, Spool: p.spool, Warehouse: p.clickhouse, Gifts: p.clickhouse, Client: client,
		MaxRooms: f.MaxRooms, PollEvery: f.PollEvery, SpoolBytes: f.SpoolMax, HandoverTimeout: f.HandoverTimeout, DrainTimeout: f.DrainTimeout,
		Pseudonyms: key, Registerer: registry, Logger: logger,
	})
	return p, nil
}

// Close closes what was opened.
func (p *pipeline) Close() error {
	var errs []error
	if p.lives != nil {
		p.lives.Close()
	}
	if p.clickhouse != nil {
		errs = append(errs, p.clickhouse.Close())
	}
	if p.spool != nil {
		errs = append(errs, p.spool.Close())
	}
	return errors.Join(errs...)
}

func (f ingestFlags) workerName() string {
	if f.Worker != "" {
		return f.Worker
	}
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// newRegistry makes a registry with the process's own metrics.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}
