package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// The states of a finding.
const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "fail"
)

// finding is what a check has found.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	Found string `json:"found"`
	// Cure is what to do about it; empty when it is well.
	Cure string `json:"cure,omitempty"`
}

type doctorCommand struct {
	allFlags
	JSON bool `name:"json" help:"One JSON line a check." env:"-"`
}

// Help is what `ingest doctor --help` adds.
func (c *doctorCommand) Help() string {
	return `Give it the flags, the environment and the config file of ingest run. It changes nothing, makes one call to Kuaishou for each way out (directly, and each proxy), and starts the embedded engines in a temporary folder when they do not run.

Each line says ok, warn or fail, and what to do. The exit code is 1 when something fails.`
}

// examination is one run of the command. Its checks may leave something for those
// after them.
type examination struct {
	*doctorCommand
	p       *process
	stores  stores // empty: not to be asked
	rooms   int    // in lives, -1: not known
	ahead   []clock
	config  string // path
	known   []option
	tell    func(finding)
	printed error
}

// clock is another clock, and by how much it is ahead of ours.
type clock struct {
	whose string
	by    time.Duration
}

// Run checks one thing after the other, and prints each as it is known.
func (c *doctorCommand) Run(p *process, ctx *kong.Context) error {
	x := &examination{doctorCommand: c, p: p, rooms: -1, known: options(ctx.Model.Node)}
	x.config = string(ctx.FlagValue(flagNamed(ctx, "config")).(configFlag))
	show := findingPrinter(p.stdout, c.JSON)
	count := make(map[string]int)
	x.tell = func(f finding) {
		count[f.State]++
		if err := show(f); err != nil {
			x.printed = err
		}
	}
	for _, check := range []func(){
		x.settings, x.folder, x.disk, x.listen, x.certificate, x.engines, x.postgres, x.clickHouse, x.files,
		x.cookies, x.kuaishou, x.clocks, x.pseudonyms,
	} {
		check()
		if p.taking.Err() != nil {
			return exitError{exitFailed, "stopped"}
		}
		if x.printed != nil {
			return x.printed
		}
	}
	if count[stateFail] > 0 {
		return fmt.Errorf("%d of %d checks fail, %d warn", count[stateFail], count[stateOK]+count[stateWarn]+count[stateFail], count[stateWarn])
	}
	return nil
}

func (x *examination) ok(check, format string, args ...any) {
	x.tell(finding{Check: check, State: stateOK, Found: fmt.Sprintf(format, args...)})
}

func (x *examination) warn(check, found, cure string) {
	x.tell(finding{check, stateWarn, found, cure})
}

func (x *examination) fail(check, found, cure string) {
	x.tell(finding{check, stateFail, found, cure})
}

// findingPrinter prints a line a finding.
func findingPrinter(w io.Writer, asJSON bool) func(finding) error {
	if asJSON {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		return func(f finding) error { return lines.Encode(f) }
	}
	colours := map[string]string{}
	if coloured(w) {
		colours = map[string]string{stateOK: green, stateWarn: yellow, stateFail: red}
	}
	return func(f finding) error {
		text := f.Found
		if f.Cure != "" {
			text += ": " + f.Cure
		}
		state := fmt.Sprintf("%-5s", f.State)
		if colour := colours[f.State]; colour != "" {
			state = colour + state + normal
		}
		text = printable(strings.ReplaceAll(text, "\n", "; "))
		_, err := fmt.Fprintf(w, "%s %-17s %s\n", state, f.Check, text)
		return err
	}
}
