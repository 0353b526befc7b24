package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"kslive/ingest"
	"kslive/migrations"
)

// longRound is how long a look at all rooms that are not on air may take before
// that is worth a warning: a live that begins is found in half of it.
const longRound = 5 * time.Minute

type accountsCommand struct {
	engineFlags
	storeFlags
	JSON     bool   `name:"json" help:"One JSON object; with --check a line an account."`
	Check    bool   `help:"Look at the accounts file only, and ask nobody: can it be read, are there cookies, is there a login, until when."`
	Accounts string `help:"File of accounts, for --check." type:"path" placeholder:"FILE"`
}

// Validate is called when the command line has been read.
func (c *accountsCommand) Validate() error {
	if c.Check && c.Accounts == "" {
		return errors.New("--check needs --accounts FILE")
	}
	return nil
}

// Run shows the accounts of the workers, or checks a file.
func (c *accountsCommand) Run(p *process) error {
	if c.Check {
		return c.check(p)
	}
	found, err := c.requirePostgres(c.DataDir)
	if err != nil {
		return err
	}
	if err := migrations.CheckPostgres(p.taking, found.Postgres); err != nil {
		return err
	}
	lives, err := ingest.OpenLives(p.taking, ingest.LivesOptions{URL: found.Postgres, Worker: "ingest accounts", Logger: p.logger})
	if err != nil {
		return err
	}
	defer lives.Close()
	return c.list(p.taking, p, lives)
}

// accountsReport is what --json prints.
type accountsReport struct {
	Accounts []ingest.AccountStatus `json:"accounts"`
	// Rooms are those to be looked up: wanted and not heard.
	Rooms int `json:"rooms"`
	// RoundSeconds is how long a look at each of them takes; null: no account can
	// be used, or no worker is running.
	RoundSeconds *float64 `json:"round_seconds"`
}

func (c *accountsCommand) list(ctx context.Context, p *process, lives *ingest.Lives) error {
	list, rooms, err := lives.Accounts(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		report := accountsReport{Accounts: list, Rooms: rooms}
		if round, _, never := ingest.RoundTime(rooms, list); !never {
			seconds := round.Seconds()
			report.RoundSeconds = &seconds
		}
		return json.NewEncoder(p.stdout).Encode(report)
	}
	if len(list) > 0 {
		if err := printAccounts(p.stdout, list); err != nil {
			return err
		}
	}
	for _, line := range roundInWords(rooms, list) {
		fmt.Fprintln(p.stdout, line)
	}
	return nil
}

func printAccounts(w io.Writer, list []ingest.AccountStatus) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKER\tACCOUNT\tEXIT\tSTATE\tUNTIL\tLOGIN\tROOMS\tCALLS\tREFUSED\tBUDGET USED\tREASON")
	for _, a := range list {
		state, until, login := a.State, "-", "no"
		if a.Stale {
			state += " (worker gone)"
		}
		if a.Until != nil {
			until = a.Until.Local().Format(time.DateTime)
		}
		if a.LoggedIn {
			login = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", a.Worker, a.Account, a.Exit, state, until, login,
			a.Rooms, a.Calls, a.Refusals, budgetUsed(a), printable(a.Reason))
	}
	return table.Flush()
}

// budgetUsed is what the exit has used of its budget in the last minute.
func budgetUsed(a ingest.AccountStatus) string {
	used := fmt.Sprintf("%d a minute", a.ExitCallsMinute)
	if a.ExitRate > 0 {
		used = fmt.Sprintf("%.0f%%", 100*float64(a.ExitCallsMinute)/(60*a.ExitRate))
	}
	if a.ExitWaiting > 0 {
		used += fmt.Sprintf(", %d wait", a.ExitWaiting)
	}
	return used
}

// roundInWords says how long a look at all rooms that are not heard takes, and
// what to do when that is long.
func roundInWords(rooms int, list []ingest.AccountStatus) []string {
	running := false
	for _, a := range list {
		running = running || !a.Stale
	}
	if !running {
		return []string{fmt.Sprintf("No worker is running; %d rooms wait to be looked up.", rooms)}
	}
	round, rate, never := ingest.RoundTime(rooms, list)
	switch {
	case never:
		return []string{
			fmt.Sprintf("No account can be used now: %d rooms are not looked up. Rooms that are heard stay so.", rooms),
			"The reasons are above: log in again and save the cookies, solve the captcha in that browser and save them anew, or wait until the time named.",
		}
	case rate == 0:
		return []string{fmt.Sprintf("%d rooms are not on air, and calls have no bound.", rooms)}
	}
	words := []string{fmt.Sprintf("%d rooms are not on air or not heard; at %.3g calls a second, looking at each once takes %s.", rooms, rate, roundDuration(round))}
	if round > longRound {
		words = append(words, fmt.Sprintf("That is longer than %v: lives that begin are found late. Add accounts with addresses of their own (proxy in the accounts file), "+
			"or disable rooms that you do not need. Asking faster from one address gets it refused.", longRound))
	}
	return words
}

// roundDuration is a duration as people say it.
func roundDuration(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	return d.Round(time.Second).String()
}

// check reads the accounts file and asks nobody.
func (c *accountsCommand) check(p *process) error {
	list, err := ingest.CheckAccounts(c.Accounts, "")
	if err != nil {
		return err
	}
	lines := json.NewEncoder(p.stdout)
	bad := 0
	for _, a := range list {
		if a.Problem != "" {
			bad++
		}
		if c.JSON && err == nil {
			err = lines.Encode(a)
		}
	}
	if !c.JSON {
		err = printChecks(p.stdout, list)
	}
	if err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d accounts cannot be used as they are", bad, len(list))
	}
	return nil
}

func printChecks(w io.Writer, list []ingest.AccountCheck) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tEXIT\tCALLS/S\tCOOKIES\tLOGIN\tUNTIL\tPROBLEM")
	for _, a := range list {
		login, until := "no: a guest", "-"
		if a.LoggedIn {
			login = "yes"
		}
		if a.Expires != nil {
			until = a.Expires.Local().Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%.3g\t%d\t%s\t%s\t%s\n", a.Account, a.Exit, a.Rate, a.Cookies, login, until, printable(a.Problem))
	}
	return table.Flush()
}
