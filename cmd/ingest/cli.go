package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// The exit codes, as --help tells them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const description = `Watches Kuaishou (快手) live rooms: one websocket a room, every frame kept on disk, decoded into ClickHouse, one table per kind of event.

Try it on this machine, with a simulated Kuaishou:

    ingest demo

Watch real rooms:

    ingest run --embedded --cookie-file cookie.txt
    ingest lives add https://live.kuaishou.com/u/<id>

With your own servers:

    ingest run --postgres URL --clickhouse URL

When something does not work:

    ingest doctor

Every flag can be set by an environment variable, named behind it, and every setting in a file: see ingest config --help.

Exit codes:

    0 done, 1 failed (one line says why), 2 wrong usage`

// cli is the command line.
type cli struct {
	ConfigFile configFlag `name:"config" help:"TOML file of settings; ingest config example prints one. Flags and environment variables are stronger." placeholder:"FILE"`
	LogLevel   slog.Level `help:"Least level of what is logged: debug, info, warn or error." default:"info" placeholder:"LEVEL"`
	LogFormat  string     `help:"text, json, or auto: text on a terminal." enum:"auto,text,json" default:"auto"`

	Run       runCommand       `cmd:"" help:"Watch the rooms in lives until stopped."`
	Demo      demoCommand      `cmd:"" help:"Show the main job end to end on this machine, against a simulated Kuaishou."`
	Lives     livesCommand     `cmd:"" help:"List and change the rooms to watch."`
	Accounts  accountsCommand  `cmd:"" help:"Show how it stands with the accounts that look rooms up, and how long a look at all rooms takes."`
	Query     queryCommand     `cmd:"" help:"Ask ClickHouse in SQL, for a table, CSV or JSON."`
	Doctor    doctorCommand    `cmd:"" help:"Check all that ingest run needs, and say what to do about what is wrong."`
	Config    configCommand    `cmd:"" help:"Check and print the settings."`
	Watch     watchCommand     `cmd:"" help:"Print one room as it happens; needs no databases."`
	Decode    decodeCommand    `cmd:"" help:"Decode captured frames to rows, one JSON line a row."`
	Anonymize anonymizeCommand `cmd:"" help:"Replace everybody in a recording by nobody, for a bug report."`
	Replay    replayCommand    `cmd:"" help:"Decode the frames that are kept with today's decoder, and put the tables right."`
	Drift     driftCommand     `cmd:"" help:"Tell how what is sent differs from what the decoder knows."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the tables of Postgres and ClickHouse up to date."`
	Export    exportCommand    `cmd:"" help:"Write a room or a time to files, as JSON lines or Parquet."`
	Erase     eraseCommand     `cmd:"" help:"Delete what is stored of one person, in all tables and kept frames."`
	Engines   enginesCommand   `cmd:"" help:"Run only the embedded Postgres and ClickHouse, for other processes."`
	Simulate  simulateCommand  `cmd:"" help:"Run only the simulated Kuaishou."`
	Ready     readyCommand     `cmd:"" help:"Ask a worker on this machine whether it claims rooms; for health checks."`
	Version   versionCommand   `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print what completes ingest's commands and flags in your shell."`
	Complete   completeCommand   `cmd:"" hidden:""`
}

// process is what a command may use of the process it runs in.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	logger         *slog.Logger
	logLevel       slog.Level
	// taking is done at the first SIGINT or SIGTERM: stop taking, finish what
	// was taken. working is done at the second: stop.
	taking, working context.Context
}

// exitError is an error with its exit code; an empty message is not printed.
type exitError struct {
	code    int
	message string
}

func (e exitError) Error() string { return e.message }

// run runs the command line and answers the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	help, none := false, len(args) == 0
	if none { // what there is, but it is not what a script can have meant
		args, stdout = []string{"--help"}, stderr
	}
	if len(args) == 1 && args[0] == "--version" { // what people try first
		args = []string{"version"}
	}
	parser, err := newParser(&c, kong.Writers(stdout, stderr), kong.Exit(func(int) { help = true }))
	if err != nil {
		fmt.Fprintln(stderr, "ingest:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if none {
		return exitUsage
	}
	if help {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "ingest: %s\nSee: %s --help\n", inPlainWords(err), commandOf(err))
		return exitUsage
	}
	p := &process{stdin: stdin, stdout: stdout, stderr: stderr, logLevel: c.LogLevel, logger: newLogger(stderr, c.LogLevel, c.LogFormat)}
	var stop func()
	p.taking, p.working, stop = signalContexts(ctx)
	defer stop()
	err = parsed.Run(p)
	var exit exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.message != "" {
			fmt.Fprintln(stderr, "ingest:", exit.message)
		}
		return exit.code
	case errors.Is(err, context.Canceled) && p.taking.Err() != nil:
		return exitOK // stopped while it started
	default:
		fmt.Fprintln(stderr, "ingest:", err)
		return exitFailed
	}
}

func newParser(c *cli, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(more,
		kong.Name("ingest"), kong.Description(description), kong.DefaultEnvars("INGEST"), kong.AutoGroup(groupFlags),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}), kong.NamedMapper("path", kong.MapperFunc(decodePath)),
	)...)
}

// libraryWords are what libraries say of wrong values, and how a person would.
var libraryWords = []struct {
	theirs *regexp.Regexp
	ours   string
}{
	{regexp.MustCompile(`expected \w+ value but got "EOL" \(<EOL>\)`), "a value is missing behind it"},
	{regexp.MustCompile(`expected duration but got ("[^"]*"): .*$`), "$1 is no duration: write it like 90s, 5m or 2h"},
	{regexp.MustCompile(`expected a (?:valid 64 bit int|float) but got ("[^"]*").*$`), "$1 is no number"},
	{regexp.MustCompile(`slog: level string ("[^"]*"): unknown name`), "$1 is none of debug, info, warn and error"},
	{regexp.MustCompile(`expected \w+ value but got ("[^"]*") \(short flag\); perhaps try (\S+)\?`), "$1 looks like a flag: write $2"},
}

// inPlainWords is an error in the command line in the words of this program.
func inPlainWords(err error) string {
	said := err.Error()
	for _, words := range libraryWords {
		said = words.theirs.ReplaceAllString(said, words.ours)
	}
	return said
}

// commandOf is the command that an error in the command line is about.
func commandOf(err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context.Selected() != nil {
		return wrong.Context.Selected().FullPath()
	}
	return "ingest"
}

// decodePath reads a path. An empty one, of a variable that is set to nothing, is
// none; kong's own would make it the current folder.
func decodePath(ctx *kong.DecodeContext, target reflect.Value) error {
	var path string
	if err := ctx.Scan.PopValueInto("file", &path); err != nil {
		return err
	}
	if path != "" && path != "-" {
		path = kong.ExpandPath(path)
	}
	target.SetString(path)
	return nil
}

// signalContexts makes the two contexts of process. stop ends both and must be
// called.
func signalContexts(ctx context.Context) (taking, working context.Context, stop func()) {
	working, stopWorking := context.WithCancel(ctx)
	taking, stopTaking := context.WithCancel(working)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // stop waits for it
		defer close(done)
		select {
		case <-signals:
			stopTaking()
		case <-working.Done():
			return
		}
		select {
		case <-signals:
			stopWorking()
		case <-working.Done():
		}
	}()
	return taking, working, func() {
		signal.Stop(signals)
		stopWorking()
		stopTaking()
		<-done
	}
}

func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" || format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// isTerminal says whether w, a reader or a writer, is where a person sits.
func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
