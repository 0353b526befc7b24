// Conformance examines implementations of the protocol between Kuaishou's live
// rooms and those who watch them, from outside: over HTTP and websockets.
//
// For clients, it is a simulated Kuaishou that plays scripted scenarios and
// judges by nothing but what it sees on the wire:
//
//	go run ./internal/conformance -- my-client --base-url {url} {live_id}
//
// For servers, it is a client that sends raw bytes and judges what comes back:
//
//	go run ./internal/conformance --server ws://… --stream ID --token TOKEN
//
// The scenarios are tables: clients_*.go and server_table.go. docs/conformance.md
// is made of them. The exit code is 1 when a scenario failed.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"
)

// options are the command line.
type options struct {
	Only   []string `help:"Only these scenarios, or families of them." placeholder:"NAME,…"`
	AtOnce int      `help:"How many scenarios are played at the same time." default:"6"`
	List   bool     `help:"Print docs/conformance.md and end."`

	Server      string `help:"Examine a server instead of a client: the ws:// or wss:// URL of a room." placeholder:"URL"`
	Stream      string `help:"The liveStreamId of the room's broadcast." placeholder:"ID"`
	Token       string `help:"A token that opens it." env:"CONFORMANCE_TOKEN" placeholder:"TOKEN"`
	MobileToken string `help:"A token from byUser that opens it; without, its scenario is left out." env:"CONFORMANCE_MOBILE_TOKEN" placeholder:"TOKEN"`

	Command []string `arg:"" optional:"" passthrough:"" help:"The client and its arguments, in which {url} is Kuaishou's address and {live_id} the room. No shell reads it."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("conformance"), kong.Description("Examines clients and servers of Kuaishou's live rooms. See docs/conformance.md."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed, err := o.run(ctx, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// run does what the options say, and answers how many scenarios failed.
func (o *options) run(ctx context.Context, out io.Writer) (failed int, err error) {
	command := o.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	switch {
	case o.List:
		_, err := io.WriteString(out, document())
		return 0, err
	case o.Server != "" && len(command) > 0:
		return 0, fmt.Errorf("give --server or the command of a client, not both")
	case o.Server != "":
		return o.examineServer(ctx, out)
	case len(command) == 0:
		return 0, fmt.Errorf("say how the client is started, with {url} and {live_id} where they belong: conformance -- my-client --base-url {url} {live_id}")
	case !strings.Contains(strings.Join(command, " "), "{url}"):
		return 0, fmt.Errorf("the command of the client has no {url}, so it would not find the simulated Kuaishou")
	}
	chosen := choose(scenarios(), o.Only)
	if len(chosen) == 0 {
		return 0, fmt.Errorf("there is no such scenario; --list names them")
	}
	for _, v := range playAll(ctx, chosen, command, o.AtOnce, func(v verdict) { report(out, v.scenario.name, v.err, v.took) }) {
		if v.err != nil {
			failed++
		}
	}
	fmt.Fprintf(out, "%d of %d scenarios ok\n", len(chosen)-failed, len(chosen))
	return failed, ctx.Err()
}

// choose takes the scenarios whose name or family is in only; all when it is
// empty.
func choose(all []scenario, only []string) []scenario {
	if len(only) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool {
		return !slices.Contains(only, s.name) && !slices.Contains(only, s.family)
	})
}

// playAll plays scenarios, some at the same time, and tells of each as it ends.
func playAll(ctx context.Context, chosen []scenario, command []string, atOnce int, tell func(verdict)) []verdict {
	verdicts := make([]verdict, len(chosen))
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(max(1, atOnce))
	for i, s := range chosen {
		group.Go(func() error {
			verdicts[i] = play(ctx, s, command)
			mu.Lock()
			defer mu.Unlock()
			tell(verdicts[i])
			return nil
		})
	}
	_ = group.Wait() // no function has an error: verdicts do
	return verdicts
}

func report(out io.Writer, name string, err error, took time.Duration) {
	if err != nil {
		fmt.Fprintf(out, "FAILED %-22s %6.1fs  %v\n", name, took.Seconds(), err)
		return
	}
	fmt.Fprintf(out, "ok     %-22s %6.1fs\n", name, took.Seconds())
}
