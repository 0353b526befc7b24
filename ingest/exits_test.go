package ingest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Workers that ask from the same address divide its budget, and the one that is
// left has it all again.
func TestExitsAreDivided(t *testing.T) {
	database, dir := newDatabase(t), t.TempDir()
	worker := func(name, accounts string) *Ingester {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(accounts), 0o600); err != nil {
			t.Fatal(err)
		}
		client, err := NewClient(ClientOptions{Accounts: file, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return &Ingester{o: Options{Lives: openLives(t, database, name), Client: client}}
	}
	const direct, proxied = "[[account]]\nname = \"a\"\n", "[[account]]\nname = \"b\"\nproxy = \"http://user:" + secretToken + "@10.0.0.1:8080\"\n"
	both, other := worker("both", direct+proxied), worker("other", direct)
	poll := func(i *Ingester) map[string]int {
		load, err := i.o.Lives.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := i.divideExits(t.Context(), load); err != nil {
			t.Fatal(err)
		}
		parts := make(map[string]int)
		for name, budget := range i.o.Client.accounts.budgets() {
			parts[name] = budget.parts
		}
		return parts
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := func(i *Ingester, here, there int) {
		t.Helper()
		parts := poll(i)
		if parts["direct@"+machine] != here || parts["10.0.0.1:8080"] != there {
			t.Errorf("parts of %s: %v, want %d and %d", i.o.Lives.worker, parts, here, there)
		}
	}
	want(both, 1, 1)
	want(other, 2, 0)
	want(both, 2, 1)
	if err := other.o.Lives.Unregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(both, 1, 1)
}

// Workers on several machines that leave by one address can say so.
func TestExitName(t *testing.T) {
	client, err := NewClient(ClientOptions{ExitName: "the gateway", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if exits := client.Exits(); !slices.Equal(exits, []string{"direct@the gateway"}) {
		t.Errorf("%q", exits)
	}
}

// Two workers that each take every second turn ask no more than one that takes
// them all.
func TestDividedBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const turns, slower = 4, 3 * time.Second
		for _, test := range []struct {
			parts    int
			rate     time.Duration // of the account
			interval time.Duration // between two turns
		}{{0, 0, time.Second}, {1, 0, time.Second}, {2, 0, 2 * time.Second}, {2, slower, 2 * slower}} {
			b := newBudget(time.Second)
			b.divide(test.parts)
			line := b.open(test.rate)
			began := time.Now()
			for range turns {
				if !line.wait(t.Context(), began) {
					t.Fatal("sent away")
				}
			}
			if took := time.Since(began); took != (turns-1)*test.interval {
				t.Errorf("%d turns of one in %d parts took %v", turns, test.parts, took)
			}
			line.close()
		}
	})
}

// The rooms of an account whose exit has much more to do than another's go to
// that one for as long as it is so.
func TestBusyExitLeavesRoomsToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "accounts.toml")
		accounts := "[[account]]\nname = \"a\"\n[[account]]\nname = \"b\"\nproxy = \"http://10.0.0.1:8080\"\n"
		if err := os.WriteFile(file, []byte(accounts), 0o600); err != nil {
			t.Fatal(err)
		}
		client, err := NewClient(ClientOptions{Accounts: file, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		own := client.accounts.choose(testLiveID, nil)
		ctx, leave := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for n := range uneven + 3 {
			asking.Go(func() { own.line.wait(ctx, time.Now()) })
			synctest.Wait()
			// The first has its turn at once.
			if busy, got := n > uneven, client.accounts.choose(testLiveID, nil); busy != (got != own) {
				t.Errorf("with %d calls waiting the room goes to %v, its own is %v", n, got, own)
			}
		}
		leave()
		asking.Wait()
		if got := client.accounts.choose(testLiveID, nil); got != own {
			t.Errorf("when nobody waits any more the room goes to %v, its own is %v", got, own)
		}
	})
}
