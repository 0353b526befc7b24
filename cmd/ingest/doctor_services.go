package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"kslive/ingest"
	"kslive/migrations"
)

// examineTimeout bounds what is asked of a database.
const examineTimeout = 10 * time.Second

// The oldest versions that ingest works with.
const (
	leastPostgres        = 14
	leastClickHouseMajor = 25
	leastClickHouseMinor = 8
)

// tables says what a look at the migrations of a database has shown. It answers
// whether the database was there at all.
func (x *examination) tables(database string, err error) (there bool) {
	check := database + " tables"
	switch {
	case err == nil:
		x.ok(check, "they are up to date")
		return true
	case !errors.Is(err, migrations.ErrNotApplied):
		x.fail(database, err.Error(), "or give --embedded, which needs no servers")
		return false
	case x.Migrate:
		x.ok(check, "they are to be made or updated; ingest run does that at its start")
	default:
		x.fail(check, err.Error(), "--no-migrate says that ingest run must not")
	}
	return true
}

// postgres looks at Postgres.
func (x *examination) postgres() {
	if x.stores.Postgres == "" {
		return
	}
	if !x.tables("Postgres", migrations.CheckPostgres(x.p.taking, x.stores.Postgres)) {
		return
	}
	ctx, cancel := context.WithTimeout(x.p.taking, examineTimeout)
	defer cancel()
	facts, err := ingest.ExaminePostgres(ctx, x.stores.Postgres)
	switch {
	case err != nil:
		x.fail("Postgres", err.Error(), "look at its log")
		return
	case facts.Major < leastPostgres:
		x.fail("Postgres", "version "+facts.Version+" is too old", fmt.Sprintf("use %d or later", leastPostgres))
	case facts.ReadOnly:
		x.fail("Postgres", "nothing can be written: it is a standby, or read-only by default", "name the primary by --postgres")
	default:
		x.ok("Postgres", "version %s", facts.Version)
	}
	x.rooms = facts.Rooms
	x.ahead = append(x.ahead, clock{"Postgres", facts.Ahead})
	switch {
	case facts.Rooms == 0:
		x.warn("rooms", "there is none to watch", "ingest lives add https://live.kuaishou.com/u/<id>")
	case facts.Rooms > 0:
		x.ok("rooms", "%d to watch, %d workers run", facts.Rooms, facts.Workers)
	}
}

// clickHouse looks at ClickHouse.
func (x *examination) clickHouse() {
	if x.stores.ClickHouse == "" {
		return
	}
	if !x.tables("ClickHouse", migrations.CheckClickHouse(x.p.taking, x.stores.ClickHouse)) {
		return
	}
	ctx, cancel := context.WithTimeout(x.p.taking, examineTimeout)
	defer cancel()
	facts, err := ingest.ExamineClickHouse(ctx, x.stores.ClickHouse)
	switch {
	case err != nil:
		x.fail("ClickHouse", err.Error(), "look at its log")
		return
	case facts.Major < leastClickHouseMajor || facts.Major == leastClickHouseMajor && facts.Minor < leastClickHouseMinor:
		x.fail("ClickHouse", "version "+facts.Version+" is too old", fmt.Sprintf("use %d.%d or later", leastClickHouseMajor, leastClickHouseMinor))
	case facts.ReadOnly > 0:
		x.fail("ClickHouse", fmt.Sprintf("the user may only read (readonly = %d)", facts.ReadOnly), "name one who may insert in the URL, or change its settings profile")
	case facts.MaxExecutionTime > 0 && facts.MaxExecutionTime < x.InsertTimeout:
		x.warn("ClickHouse", fmt.Sprintf("max_execution_time %v of the user ends an insert before --insert-timeout %v does", facts.MaxExecutionTime, x.InsertTimeout),
			"raise it in the settings profile of the user: large batches would be tried again and again")
	case facts.FreeBytes >= 0 && facts.FreeBytes < leastFree:
		x.fail("ClickHouse", "only "+size(facts.FreeBytes)+" are free on a disk of it", "make room, or keep rows for less long with --retain")
	default:
		x.ok("ClickHouse", "version %s", facts.Version)
	}
	x.ahead = append(x.ahead, clock{"ClickHouse", facts.Ahead})
}

// oldCookies is the age from which cookies are worth a look; they expire in days.
const oldCookies = 7 * 24 * time.Hour

// cookies looks at the accounts, and asks nobody.
func (x *examination) cookies() {
	var list []ingest.AccountCheck
	var err error
	switch {
	case x.Accounts != "":
		list, err = ingest.CheckAccounts(x.Accounts, x.KuaishouURL)
	case x.CookieFile != "":
		list, err = ingest.CheckCookieFile(x.CookieFile, x.KuaishouURL)
	default:
		x.warn("cookies", "there are none; Kuaishou lets guests look at few rooms or none", "give --cookie-file FILE, as README.md says")
		return
	}
	if err != nil {
		x.fail("cookies", err.Error(), "correct the file")
	}
	for _, account := range list {
		x.account(account, time.Now())
	}
}

// account says how it stands with one.
func (x *examination) account(a ingest.AccountCheck, now time.Time) {
	const again = "log in with your browser and save the cookies anew"
	check := "account"
	about := func(text string) string { return a.Account + ": " + text }
	switch {
	case a.Problem != "":
		x.fail(check, about(a.Problem), "see docs/kuaishou.md")
	case !a.LoggedIn:
		x.warn(check, about("its cookies have no login (kuaishou.live.web_st)"), again)
	case a.Expires != nil && a.Expires.Before(now):
		x.fail(check, about("its login has expired on "+a.Expires.Local().Format(time.DateTime)), again)
	case a.Expires != nil && a.Expires.Before(now.Add(2*24*time.Hour)):
		x.warn(check, about("its login expires on "+a.Expires.Local().Format(time.DateTime)), again)
	case readableByAll(a.File):
		x.warn(check, about(fmt.Sprintf("everybody on this machine can read %s", a.File)), "chmod 600 "+a.File)
	case a.Expires == nil && a.Saved != nil && now.Sub(*a.Saved) > oldCookies:
		x.warn(check, about(fmt.Sprintf("its cookies were saved %d days ago, and may have expired", int(now.Sub(*a.Saved).Hours()/24))), "when Kuaishou wants a login, "+again)
	case a.Expires != nil:
		x.ok(check, "%s: %d cookies with a login, until %s", a.Account, a.Cookies, a.Expires.Local().Format(time.DateTime))
	default:
		x.ok(check, "%s: %d cookies with a login", a.Account, a.Cookies)
	}
}

// readableByAll says whether everybody on this machine can read a file.
func readableByAll(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// kuaishou calls Kuaishou once by each exit.
func (x *examination) kuaishou() {
	client, err := x.client(slog.New(slog.DiscardHandler))
	if err != nil {
		x.fail("Kuaishou", err.Error(), "correct the setting or the file")
		return
	}
	defer client.Close()
	for _, r := range client.Reach(x.p.taking) {
		by := x.KuaishouURL + ", " + r.Exit
		switch {
		case r.Err != nil:
			x.fail("Kuaishou", fmt.Sprintf("%s: %v", by, r.Err), "look at the network, the proxy and --kuaishou-url; rooms cannot be looked up")
			continue
		case r.Status == http.StatusForbidden || r.Status == http.StatusTooManyRequests:
			x.warn("Kuaishou", fmt.Sprintf("%s: HTTP status %d", by, r.Status), "the address is refused: wait, or use another; see docs/kuaishou.md")
		case r.Status >= 500:
			x.warn("Kuaishou", fmt.Sprintf("%s: HTTP status %d", by, r.Status), "it may be out of order; try again later")
		default:
			x.ok("Kuaishou", "%s: answers in %d ms", by, r.Took.Milliseconds())
		}
		if r.Ahead != 0 {
			x.ahead = append(x.ahead, clock{"Kuaishou", r.Ahead})
		}
	}
}

// The differences of clocks that are worth a word, and that make event times wrong.
const (
	wrongClock   = 3 * time.Second
	uselessClock = 5 * time.Minute
)

// clocks compares this machine's clock with those of the others.
func (x *examination) clocks() {
	if len(x.ahead) == 0 {
		return
	}
	worst := x.ahead[0]
	for _, c := range x.ahead {
		if c.by.Abs() > worst.by.Abs() {
			worst = c
		}
	}
	found := fmt.Sprintf("that of %s differs by %v", worst.whose, worst.by.Abs().Round(100*time.Millisecond))
	const cure = "set the clocks by NTP, such as with timedatectl set-ntp true"
	switch {
	case worst.by.Abs() > uselessClock:
		x.fail("clock", found, cure+": event times would be wrong")
	case worst.by.Abs() > wrongClock:
		x.warn("clock", found, cure)
	default:
		x.ok("clock", "no other differs by more than %v", wrongClock)
	}
}
