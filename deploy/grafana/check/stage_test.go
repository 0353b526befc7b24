package check

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// stage is a simulated Kuaishou, a worker that watches it, and the engines that
// it writes to, each a process of the real binary.
type stage struct {
	binary    string
	dir       string
	simulator string // base URL
	metrics   string // URL of the worker's metrics
	db        *database
	postgres  *pgx.Conn // as the role grafana
	admin     *pgx.Conn
	now       time.Time
}

// theStage is made once: it takes most of a minute to play something of
// everything that dashboards show.
var theStage = sync.OnceValues(func() (*stage, error) {
	s := &stage{}
	return s, s.setUp(context.Background())
})

// children are ended by TestMain.
var children []*exec.Cmd

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "grafana-check-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("TMPDIR", dir)
	code := m.Run()
	for i := len(children) - 1; i >= 0; i-- { // the engines last
		_ = children[i].Process.Signal(syscall.SIGTERM)
		_ = children[i].Wait()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// playing answers the stage, on which the play has been given.
func playing(t *testing.T) *stage {
	t.Helper()
	s, err := theStage()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) setUp(ctx context.Context) error {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	s.dir = os.Getenv("TMPDIR")
	s.binary = filepath.Join(s.dir, "ingest")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/ingest")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building ingest: %w: %s", err, out)
	}
	// libchdb and Postgres are found in deploy/engines of the folder it runs in.
	lines, err := s.start(root, 2, "engines", "--data-dir="+filepath.Join(s.dir, "data"))
	if err != nil {
		return err
	}
	postgresURL, clickHouseURL := strings.TrimPrefix(lines[0], "INGEST_POSTGRES="), strings.TrimPrefix(lines[1], "INGEST_CLICKHOUSE=")
	const rooms = 5
	if lines, err = s.start(root, 1+rooms, "simulate", "--listen=127.0.0.1:0", fmt.Sprint("--rooms=", rooms), "--rate=20", "--push-every=250ms", "--heartbeat=2s"); err != nil {
		return err
	}
	s.simulator = strings.TrimPrefix(lines[0], "INGEST_KUAISHOU_URL=")
	ids := lines[1:]
	if s.db, err = open(clickHouseURL); err != nil {
		return err
	}
	if err := s.connectPostgres(ctx, postgresURL); err != nil {
		return err
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	s.metrics = "http://" + listen + "/metrics"
	if _, err := s.start(root, 0, "run", "--data-dir="+filepath.Join(s.dir, "worker"), "--postgres="+postgresURL, "--clickhouse="+clickHouseURL,
		"--kuaishou-url="+s.simulator, "--page-interval=-1s", "--http-listen="+listen); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := s.play(ctx, ids); err != nil {
		said, _ := os.ReadFile(filepath.Join(s.dir, "run.log"))
		return fmt.Errorf("the play: %w; the worker's log ends: %s", err, said[max(0, len(said)-2000):])
	}
	s.now = time.Now()
	return nil
}

// start runs a command of the binary and answers the first lines that it prints.
func (s *stage) start(dir string, lines int, args ...string) ([]string, error) {
	cmd := exec.Command(s.binary, args...)
	cmd.Dir, cmd.SysProcAttr = dir, dieWithParent()
	log, err := os.Create(filepath.Join(s.dir, args[0]+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	children = append(children, cmd)
	var printed []string
	for in := bufio.NewScanner(stdout); len(printed) < lines; {
		if !in.Scan() {
			said, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("ingest %s ended: %s", args[0], said)
		}
		printed = append(printed, in.Text())
	}
	return printed, nil
}

// connectPostgres makes the role that Grafana has, as an operator would.
func (s *stage) connectPostgres(ctx context.Context, address string) (err error) {
	if s.admin, err = pgx.Connect(ctx, address); err != nil {
		return err
	}
	script, err := os.ReadFile("../../postgres/grafana.sql")
	if err != nil {
		return err
	}
	if _, err := s.admin.Exec(ctx, "SELECT set_config('kslive.grafana_password', 'check', false)"); err != nil {
		return err
	}
	for range 2 { // it may be run again
		if _, err := s.admin.Exec(ctx, string(script)); err != nil {
			return fmt.Errorf("grafana.sql: %w", err)
		}
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return err
	}
	config.User, config.Password = "grafana", "check"
	s.postgres, err = pgx.ConnectConfig(ctx, config)
	return err
}

// play lets the rooms be heard, not heard, end and begin again.
func (s *stage) play(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if _, err := s.admin.Exec(ctx, "INSERT INTO lives (live_id) VALUES ($1)", id); err != nil {
			return err
		}
	}
	everyRoom := func(condition string) string {
		return fmt.Sprintf("SELECT countDistinct(live_id) = %d FROM %s", len(ids), condition)
	}
	steps := []func() error{
		func() error {
			return s.until(ctx, everyRoom("(SELECT live_id FROM room_events WHERE payload_type IN ('SC_AUTHOR_PAUSE', 'SC_LIVE_MULTI_PK_STATISTIC') GROUP BY live_id HAVING uniqExact(payload_type) = 2)"))
		},
		func() error { return s.steer(ctx, "faults", `{"dead_urls": true}`) },
		func() error { return s.steer(ctx, "cut", "") },
		func() error { return s.until(ctx, everyRoom("gaps WHERE seconds > 1")) },
		func() error { return s.steer(ctx, "faults", "{}") },
		func() error { return s.until(ctx, everyRoom("gaps WHERE gap_end IS NOT NULL")) },
		func() error { return s.steer(ctx, "end", "") },
		func() error { return s.until(ctx, everyRoom("coverage FINAL WHERE state = 'ended'")) },
		func() error { return s.nudge(ctx) },
		func() error { return s.until(ctx, everyRoom("coverage FINAL WHERE cause = 'refused'")) },
		func() error { return s.steer(ctx, "live", "") },
		func() error { return s.nudge(ctx) },
		func() error {
			return s.until(ctx, everyRoom("(SELECT live_id FROM gifts GROUP BY live_id HAVING uniqExact(live_stream_id) = 2)"))
		},
		func() error { return s.untilRolledUp(ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// until waits for a query to answer 1.
func (s *stage) until(ctx context.Context, sql string) error {
	for {
		answer, err := s.db.query(ctx, sql, nil)
		if err != nil {
			return err
		}
		if fmt.Sprint(answer.Rows[0][0]) == "1" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", sql, ctx.Err())
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// untilRolledUp has the rollups computed now; they are every minute.
func (s *stage) untilRolledUp(ctx context.Context) error {
	for _, table := range []string{"comments_rollup", "gifts_rollup", "watching_rollup"} {
		if err := s.db.do(ctx, "SYSTEM REFRESH VIEW "+table+"_refresh"); err != nil {
			return err
		}
		if err := s.until(ctx, "SELECT count() > 0 FROM "+table); err != nil {
			return err
		}
	}
	return nil
}

// nudge has the rooms looked up at once, by taking them out and in again.
func (s *stage) nudge(ctx context.Context) error {
	if _, err := s.admin.Exec(ctx, "UPDATE lives SET enabled = false"); err != nil {
		return err
	}
	for left := false; !left; time.Sleep(100 * time.Millisecond) {
		if err := s.admin.QueryRow(ctx, "SELECT count(*) = 0 FROM live_state WHERE owner IS NOT NULL").Scan(&left); err != nil {
			return err
		}
	}
	_, err := s.admin.Exec(ctx, "UPDATE lives SET enabled = true")
	return err
}

// steer has the simulator do something to all rooms.
func (s *stage) steer(ctx context.Context, act, settings string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.simulator+"/simulator/"+url.PathEscape(act), strings.NewReader(settings))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator's %s: %s", act, response.Status)
	}
	return nil
}
