package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// BenchmarkRecovery starts a worker on a full spool and tells when the first
// rows are in ClickHouse, when all are, and how much memory the worker needed.
// RECOVERY_BYTES is the size of the spool, 256 MiB if it is not set. Run it
// without the race detector, and with -benchtime 1x.
func BenchmarkRecovery(b *testing.B) {
	size := int64(256 << 20)
	if set := os.Getenv("RECOVERY_BYTES"); set != "" {
		var err error
		if size, err = strconv.ParseInt(set, 10, 64); err != nil {
			b.Fatal(err)
		}
	}
	logger := slog.New(slog.DiscardHandler)
	for b.Loop() {
		dir := b.TempDir()
		engines, err := startEngines(context.Background(), engineFlags{DataDir: dir}, logger)
		if err != nil {
			b.Fatal(err)
		}
		if err := prepareTables(b.Context(), engines.stores, true, logger); err != nil {
			b.Fatal(err)
		}
		fillSpool(b, filepath.Join(dir, "spool"), size)
		recoverSpool(b, dir, engines.stores)
		if err := engines.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// fillSpool leaves a spool as a crash would.
func fillSpool(b *testing.B, dir string, size int64) {
	b.Helper()
	s, err := spool.Open(dir, spool.Options{SyncEvery: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string { return fmt.Sprintf("示例%x", random.Uint32()) }
	for n := uint32(1); size > 0; n++ {
		push := &kuaishou.SCWebFeedPush{DisplayWatchingCount: "1.2万"}
		for range 10 {
			push.CommentFeeds = append(push.CommentFeeds, &kuaishou.WebCommentFeed{
				User: &kuaishou.SimpleUserInfo{PrincipalId: word(), UserName: word(), HeadUrl: word()}, Content: word() + word(), DeviceHash: word(),
			})
		}
		payload, err := proto.Marshal(push)
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now().UnixMilli()
		data, err := proto.Marshal(&kuaishou.SocketMessage{PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Payload: payload, Time: uint64(now)})
		if err != nil {
			b.Fatal(err)
		}
		record, err := proto.Marshal(&kuaishou.Frame{
			LiveId: fmt.Sprintf("3xroom%d", n%500), LiveStreamId: "stream", ReceivedAt: now, SessionId: uint64(n%500) + 1, FrameNumber: n/500 + 1, Data: data,
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Append(record); err != nil {
			b.Fatal(err)
		}
		size -= int64(len(record))
	}
}

// recoverSpool runs a worker until it has loaded everything.
func recoverSpool(b *testing.B, dir string, found stores) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	worker := exec.Command(os.Args[0], "run", "--data-dir", dir, "--postgres", found.Postgres, "--clickhouse", found.ClickHouse,
		"--kuaishou-url=http://127.0.0.1:1", "--http-listen", address, "--log-level=error")
	worker.Env = append(os.Environ(), binaryEnv+"=1")
	worker.Stderr = os.Stderr
	worker.SysProcAttr = dieWithParent()
	began := time.Now()
	if err := worker.Start(); err != nil {
		b.Fatal(err)
	}
	defer worker.Wait()
	defer worker.Process.Kill()
	var first, peak float64
	for deadline := began.Add(30 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("not recovered within half an hour")
		}
		rows, left, ok := spoolMetrics(address)
		if !ok {
			continue
		}
		if rows > 0 && first == 0 {
			first = time.Since(began).Seconds()
		}
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", worker.Process.Pid)); err == nil {
			if hwm := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); hwm != nil {
				kib, _ := strconv.ParseFloat(string(hwm[1]), 64)
				peak = kib / 1024
			}
		}
		if rows > 0 && left == 0 {
			b.ReportMetric(first, "s-to-first-rows")
			b.ReportMetric(peak, "MiB-peak")
			b.ReportMetric(rows/time.Since(began).Seconds(), "rows/s")
			return
		}
	}
}

// spoolMetrics asks a worker how many rows it has inserted, and how many
// segments are left.
func spoolMetrics(address string) (rows, left float64, ok bool) {
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, 0, false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.Lines(string(body)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch {
		case strings.HasPrefix(name, "ingest_rows_total{"):
			rows += n
		case name == "ingest_spool_segments":
			left, ok = n, true
		}
	}
	return rows, left, ok
}
