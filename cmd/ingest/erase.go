package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"kslive/ingest"
	"kslive/ingest/spool"
	"kslive/migrations"
	"kslive/schema"
)

type eraseCommand struct {
	engineFlags
	storeFlags
	pseudonymFlags
	User     []string      `help:"An ID of the person: the principalId, such as 3xabcdefgh23456, or the numeric one. The other one is found out; repeat it for more." sep:"none" required:"" placeholder:"ID"`
	SkipName []string      `help:"Do not look for this name in what others wrote: because it is also a common word." sep:"none" placeholder:"NAME"`
	Spool    string        `help:"Folder of the spool on this machine; default: spool in the data folder." type:"path" placeholder:"DIR"`
	DryRun   bool          `help:"Count what would be deleted, and change nothing."`
	Wait     time.Duration `help:"How long to wait for the workers to erase the person from the frames that they keep; 0: not at all." default:"15m"`
	JSON     bool          `name:"json" help:"End with the summary as one JSON line on standard output."`
}

// Help is what `ingest erase --help` adds.
func (c *eraseCommand) Help() string {
	return `Deletes what is stored of one person: the rows about them in every table, and those parts of the frames that the workers keep. Where others named them, the name becomes asterisks. The rollups are right again within two minutes.

It may run beside ingest run, be cut short, and be repeated. It ends with success only when every spool in the table spools has reported. What is received of the person later is stored like anybody's: docs/privacy.md says more.`
}

var userPattern = regexp.MustCompile(`^[0-9A-Za-z_.-]{4,64}$`)

// Validate is called when the command line has been read.
func (c *eraseCommand) Validate() error {
	for _, user := range c.User {
		if !userPattern.MatchString(user) {
			return errors.New("--user must be an ID: 4 to 64 letters, digits, _ . or -")
		}
	}
	if c.Wait < 0 {
		return errors.New("--wait must not be negative")
	}
	return nil
}

// erasure is one run of the command.
type erasure struct {
	*eraseCommand
	p         *process
	lives     *ingest.Lives
	warehouse *ingest.ClickHouse
	person    *ingest.Person
	key       *ingest.PseudonymKey // nil: the tables hold no pseudonyms
	said      eraseSummary
}

// eraseSummary is what --json prints. It does not say who it was.
type eraseSummary struct {
	DryRun   bool                         `json:"dry_run"`
	Finished bool                         `json:"finished"`
	Names    int                          `json:"names"`
	Tables   map[string]ingest.ErasedRows `json:"tables"`
	Spools   []ingest.SpoolErasure        `json:"spools"`
}

// Run erases, and prints what it deleted.
func (c *eraseCommand) Run(p *process) error {
	found, err := c.requireBoth(c.DataDir)
	if err != nil {
		return err
	}
	if err := migrations.Check(p.taking, found.Postgres, found.ClickHouse); err != nil {
		return err
	}
	e := &erasure{eraseCommand: c, p: p, person: ingest.PersonOf(c.User, c.SkipName), said: eraseSummary{DryRun: c.DryRun, Tables: make(map[string]ingest.ErasedRows)}}
	if e.lives, err = ingest.OpenLives(p.taking, ingest.LivesOptions{URL: found.Postgres, Worker: "ingest erase", Logger: p.logger}); err != nil {
		return err
	}
	defer e.lives.Close()
	if e.warehouse, err = ingest.OpenClickHouse(found.ClickHouse, 0); err != nil {
		return err
	}
	defer e.warehouse.Close()
	if e.key, err = c.key(p.logger); err != nil {
		return err
	}
	if err := e.warehouse.CheckPseudonyms(p.taking, e.key, false); err != nil {
		return err
	}
	if e.key == nil { // no pseudonym tells the other ID
		if err := e.warehouse.Identify(p.taking, e.person); err != nil {
			return err
		}
	}
	room, err := e.warehouse.IsRoom(p.taking, e.person)
	if err != nil {
		return err
	}
	if room {
		p.logger.Warn("the ID is also that of a room that was watched: live_id goes on naming it, see docs/privacy.md")
	}
	if c.DryRun {
		err = e.count(p.taking)
	} else {
		err = e.erase(p.taking)
	}
	if p.taking.Err() != nil {
		return exitError{exitFailed, "stopped; the same command goes on"}
	}
	return errors.Join(e.print(p.stdout), err)
}

// count is a dry run.
func (e *erasure) count(ctx context.Context) error {
	dir := spoolFolder(e.Spool, e.DataDir)
	if _, none := spool.OpenArchive(dir); none == nil {
		met, err := ingest.CountFrames(ctx, dir, e.person, e.p.logger)
		if err != nil {
			return err
		}
		e.said.Spools = []ingest.SpoolErasure{{Worker: "this machine", Frames: int64(met.Frames), Unread: int64(met.Unread), SetAside: int64(met.SetAside)}}
	}
	return e.rows(ctx)
}

// erase deletes the rows twice: at once, and when all spools have reported, since
// what they still had to load is stored by then.
func (e *erasure) erase(ctx context.Context) error {
	begun, err := e.lives.BeginErasure(ctx, e.person)
	if err != nil {
		return err
	}
	e.person = begun.Person()
	if err := e.rows(ctx); err != nil {
		return err
	}
	if err := e.own(ctx); err != nil {
		e.p.logger.Warn("the spool on this machine", "err", err)
	}
	view := newProgress(e.p.stderr, 10*time.Second)
	defer view.end()
	for began := time.Now(); ; {
		spools, now, err := e.lives.ErasureSpools(ctx, begun.ID)
		if err != nil {
			return err
		}
		e.said.Spools, e.person = spools, now.Person()
		waiting := slices.DeleteFunc(slices.Clone(spools), func(s ingest.SpoolErasure) bool { return s.Done })
		if len(waiting) == 0 {
			break
		}
		waited := time.Since(began)
		view.show(func(time.Time) string {
			return fmt.Sprintf("%s  %d of %d spools have reported, after %v of %v",
				bar(1-float64(len(waiting))/float64(len(spools))), len(spools)-len(waiting), len(spools), waited.Round(time.Second), e.Wait)
		})
		if waited > e.Wait {
			return fmt.Errorf("%d of %d spools have not reported yet: let their workers run, and give the same command again; delete the row of one that is no more from the table spools", len(waiting), len(spools))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	if err := e.rows(ctx); err != nil {
		return err
	}
	e.said.Finished = true
	return e.lives.FinishErasure(ctx, begun.ID)
}

// rows erases the person from the tables.
func (e *erasure) rows(ctx context.Context) error {
	person := e.person
	if e.key != nil {
		person = e.key.Person(person)
		if err := e.warehouse.Identify(ctx, person); err != nil {
			return err
		}
	}
	e.said.Names = len(person.Names)
	met, err := e.warehouse.EraseRows(ctx, person, e.DryRun)
	for table, rows := range met {
		before := e.said.Tables[table]
		e.said.Tables[table] = ingest.ErasedRows{Deleted: before.Deleted + rows.Deleted, Masked: before.Masked + rows.Masked}
	}
	return err
}

// own does for the spool on this machine what its worker would do, when none
// runs.
func (e *erasure) own(ctx context.Context) error {
	dir := spoolFolder(e.Spool, e.DataDir)
	if _, none := spool.OpenArchive(dir); none != nil {
		return nil // there is none
	}
	s, err := spool.Open(dir, spool.Options{KeepBytes: math.MaxInt64, Logger: e.p.logger})
	if errors.Is(err, spool.ErrLocked) {
		return nil // its worker does
	}
	if err != nil {
		return err
	}
	defer s.Close()
	eraser := ingest.NewEraser(e.lives, s, dir, e.p.logger)
	eraser.Pseudonymize(e.key)
	return eraser.Once(ctx)
}

func (e *erasure) print(w io.Writer) error {
	if e.JSON {
		return json.NewEncoder(w).Encode(e.said)
	}
	deleted, masked, changed := "DELETED", "MASKED", "CHANGED"
	if e.DryRun {
		deleted, masked, changed = "TO DELETE", "TO MASK", "TO CHANGE"
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "TABLE\t%s\t%s\n", deleted, masked)
	names := []string{}
	for _, t := range schema.Tables {
		names = append(names, t.Name)
	}
	for _, name := range append(names, "dead_letters") {
		if met, ok := e.said.Tables[name]; ok {
			fmt.Fprintf(table, "%s\t%d\t%d\n", name, met.Deleted, met.Masked)
		}
	}
	fmt.Fprintf(table, "\nSPOOL\tWORKER\tDONE\tFRAMES %s\tCANNOT BE OPENED\tFILES SET ASIDE\n", changed)
	for _, s := range e.said.Spools {
		fmt.Fprintf(table, "%s\t%s\t%t\t%d\t%d\t%d\n", s.Spool, s.Worker, s.Done, s.Frames, s.Unread, s.SetAside)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if slices.ContainsFunc(e.said.Spools, func(s ingest.SpoolErasure) bool { return s.Unread+s.SetAside > 0 }) {
		fmt.Fprintln(w, "What cannot be opened or is set aside (.bad, .torn) is not looked into: delete it if it may hold the person.")
	}
	_, err := fmt.Fprintf(w, "%d names were looked for in what others wrote\n", e.said.Names)
	return err
}
