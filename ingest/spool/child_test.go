package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childRole is the environment variable that makes the test binary a child.
const childRole = "SPOOL_TEST_CHILD"

func child(ctx context.Context, role string, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

func runChild(role string, args []string) error {
	switch role {
	case "write":
		return childWrite(args[0], args[1:])
	case "limit":
		return childLimit(args[0])
	}
	return fmt.Errorf("unknown role %s", role)
}

var killOptions = Options{SegmentBytes: 4 << 10, KeepBytes: 1 << 40}

// childWrite appends until it is killed. It has one writer for each number in
// from, and prints "writer number" as soon as that record is acknowledged. A
// reader settles segments at the same time.
func childWrite(dir string, from []string) error {
	s, err := Open(dir, killOptions)
	if err != nil {
		return err
	}
	defer s.Close()
	var wg sync.WaitGroup
	for w, first := range from {
		n, err := strconv.Atoi(first)
		if err != nil {
			return err
		}
		wg.Go(func() {
			for ; ; n++ {
				ack := fmt.Sprintf("%d %d\n", w, n)
				record := ack + strings.Repeat("x", n%777)
				if err := s.Append([]byte(record)); err != nil {
					panic(err)
				}
				if _, err := os.Stdout.WriteString(ack); err != nil {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for {
			g, err := s.Next(context.Background())
			if err == nil {
				err = g.Done()
			}
			if err != nil {
				panic(err)
			}
		}
	})
	wg.Wait()
	return nil
}

// Every record that a process acknowledged before kill -9 is there once and in
// order, whatever the moment.
func TestKill(t *testing.T) {
	const writers, rounds = 3, 25
	seed := uint64(os.Getpid())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	next := make([]int, writers) // the number each writer begins with
	acked := make([]int, writers)
	total := 0
	for range rounds {
		args := []string{dir}
		for _, n := range next {
			args = append(args, strconv.Itoa(n))
		}
		for w, n := range ackedUntilKilled(t, rnd.IntN(400), args) {
			acked[w] = max(acked[w], n+1)
		}
		next = verify(t, dir, writers)
		for w := range writers {
			if next[w] < acked[w] {
				t.Fatalf("writer %d: %d records acknowledged, %d found", w, acked[w], next[w])
			}
		}
	}
	for _, n := range next {
		total += n
	}
	t.Logf("%d records in %d rounds", total, rounds)
	if total < 100*rounds {
		t.Errorf("only %d records: the children did not get far enough to prove anything", total)
	}
}

// ackedUntilKilled starts a child, kills it after some acknowledgements, and
// returns the last number each writer had acknowledged by then.
func ackedUntilKilled(t *testing.T, after int, args []string) map[int]int {
	t.Helper()
	cmd, err := child(t.Context(), "write", args...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[int]int{}
	lines := bufio.NewReader(out)
	for i := 0; ; i++ {
		if i == after {
			cmd.Process.Kill() // what it printed before is still in the pipe
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		var w, n int
		if _, err := fmt.Sscanf(line, "%d %d", &w, &n); err != nil {
			t.Fatalf("child printed %q", line)
		}
		acked[w] = n
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("child ended with %v, want killed", err)
	}
	return acked
}

// verify opens the spool as the next process would, and requires of every
// writer the numbers 0, 1, 2 and so on. It returns how many there are.
func verify(t *testing.T, dir string, writers int) []int {
	t.Helper()
	s, err := Open(dir, killOptions)
	if err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.TornFiles != 0 {
		t.Fatalf("Stats = %+v: a kill tore more than one record", st)
	}
	if err := s.Close(); err != nil { // so that nothing is packed while it is read
		t.Fatal(err)
	}
	var files []string
	for _, state := range []string{done, packed, sealed} {
		fs, err := filepath.Glob(filepath.Join(dir, "*"+state))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fs...)
	}
	slices.Sort(files)
	next := make([]int, writers)
	for _, f := range files {
		c, err := ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if gaps, lost := c.Damage(); gaps > 0 {
			t.Fatalf("%s: %d bytes damaged", f, lost)
		}
		for _, r := range c.Records() {
			var w, n int
			if _, err := fmt.Sscanf(string(r), "%d %d", &w, &n); err != nil {
				t.Fatalf("record %q", r)
			}
			if n != next[w] {
				t.Fatalf("%s: writer %d: record %d where %d belongs", f, w, n, next[w])
			}
			next[w]++
		}
	}
	return next
}

// The kernel writes a part of a record and then no more, as on a full disk.
// That record is refused; later ones are taken when there is room again.
func TestDiskFull(t *testing.T) {
	cmd, err := child(t.Context(), "limit", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

func childLimit(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	small := limit
	small.Cur = 10_000
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
		return err
	}
	record := func(n int) []byte { return fmt.Appendf(nil, "%01000d", n) }
	taken := 0
	for taken < 100 {
		if err = s.Append(record(taken)); err != nil {
			break
		}
		taken++
	}
	if taken != 9 || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("took %d records, then %w; want 9 and EFBIG", taken, err)
	}
	if err := s.Append(record(taken)); !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("still full: %w, want EFBIG", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for ; taken < 15; taken++ {
		if err := s.Append(record(taken)); err != nil {
			return err
		}
	}
	if err := s.Drain(); err != nil {
		return err
	}
	g, err := s.Next(context.Background())
	if err != nil {
		return err
	}
	n := 0
	for _, r := range g.Records() {
		if string(r) != string(record(n)) {
			return fmt.Errorf("record %d is %.30q", n, r)
		}
		n++
	}
	if gaps, _ := g.Damage(); gaps != 0 || n != 15 {
		return fmt.Errorf("read %d records and %d damaged places, want 15 and none", n, gaps)
	}
	return g.Done()
}
