package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"kslive/ingest"
	"kslive/migrations"
)

// spareFiles are the open files of a worker that are no rooms: databases, the
// spool, HTTP.
const spareFiles = 512

// leastFree is the space in bytes below which nothing should be begun.
const leastFree = 1 << 30

// settings looks at what the command line, the environment and the file say.
func (x *examination) settings() {
	if err := errors.Join(x.wrong(), migrations.ParseURLs("", x.HTTP)); err != nil {
		x.fail("settings", err.Error(), "correct it; ingest config print shows where each is from")
		return
	}
	if secret := readableSecrets(x.config, x.known); secret != "" {
		x.warn("settings", fmt.Sprintf("everybody on this machine can read %s in %s", secret, x.config), "chmod 600 "+x.config)
		return
	}
	if x.config == "" {
		x.ok("settings", "from flags and environment; no config file is named")
		return
	}
	x.ok("settings", "%s can be used", x.config)
}

// existing is the folder itself, or the one above it in which it would be made.
func existing(folder string) string {
	for {
		if _, err := os.Stat(folder); err == nil {
			return folder
		}
		above := filepath.Dir(folder)
		if above == folder {
			return folder
		}
		folder = above
	}
}

// folder looks whether the data folder can be written to.
func (x *examination) folder() {
	at := existing(x.DataDir)
	probe, err := os.CreateTemp(at, ".ingest-doctor-*")
	if err != nil {
		x.fail("data folder", fmt.Sprintf("nothing can be written in %s (%v)", at, errors.Unwrap(err)), "give this user the right to, or name another by --data-dir")
		return
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		x.fail("data folder", err.Error(), "look at the disk")
		return
	}
	if at != x.DataDir {
		x.ok("data folder", "%s will be made", x.DataDir)
		return
	}
	x.ok("data folder", "%s can be written to", x.DataDir)
}

// disk looks whether the spool fits on the disk.
func (x *examination) disk() {
	folder := existing(spoolFolder(x.Spool, x.DataDir))
	free, err := freeBytes(folder)
	if err != nil {
		x.warn("disk", fmt.Sprintf("the free space at %s is not known (%v)", folder, err), "look at it yourself")
		return
	}
	need := x.SpoolMax + x.KeepBytes
	found := fmt.Sprintf("%s free at %s; the spool may take %s", size(free), folder, size(need))
	switch {
	case free < leastFree:
		x.fail("disk", found, "make room, or name a folder on another disk by --data-dir")
	case free < need:
		x.warn("disk", found, "lower --spool-max and --keep-bytes, or use a larger disk; docs/sizing.md says how large")
	default:
		x.ok("disk", "%s", found)
	}
}

// size is a number of bytes as people say it.
func size(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// listen looks whether --http-listen is free, or a worker is there already.
func (x *examination) listen() {
	if x.HTTPListen == "" {
		return
	}
	listener, err := net.Listen("tcp", x.HTTPListen)
	if err == nil {
		listener.Close()
		x.ok("http", "%s is free", x.HTTPListen)
		return
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		x.fail("http", fmt.Sprintf("--http-listen %s cannot be listened on (%v)", x.HTTPListen, err), "name an address of this machine, such as 127.0.0.1:9110")
		return
	}
	status, _, err := askWorker(x.p.taking, x.HTTPListen, "/healthz", x.HTTPTLSCert != "")
	if err == nil && status == http.StatusOK {
		x.ok("http", "a worker answers on %s", x.HTTPListen)
		return
	}
	x.fail("http", "another program listens on "+x.HTTPListen, "name another address by --http-listen")
}

// renewBy is how long before its end a certificate should have been renewed; one
// that lasts for less than four times that, when a quarter of its time is left.
const renewBy = 14 * 24 * time.Hour

// certificate looks at what --http-listen is served with.
func (x *examination) certificate() {
	c, err := x.tlsFlags.certificate(slog.New(slog.DiscardHandler))
	if err != nil {
		x.fail("certificate", err.Error(), "docs/security.md says what is needed")
		return
	}
	if c == nil {
		return
	}
	const cure = "renew it; the worker takes the new files by itself"
	leaf, now := c.pair.Leaf, time.Now()
	left := leaf.NotAfter.Sub(now)
	found := fmt.Sprintf("that of --http-listen ends in %d days, on %s", int(left.Hours()/24), leaf.NotAfter.UTC().Format(time.DateOnly))
	switch {
	case left <= 0:
		x.fail("certificate", "that of --http-listen has ended on "+leaf.NotAfter.UTC().Format(time.DateOnly), cure)
	case now.Before(leaf.NotBefore):
		x.fail("certificate", "that of --http-listen begins only on "+leaf.NotBefore.UTC().Format(time.DateOnly), "use one that is in force, and look at this machine's clock")
	case left < min(renewBy, leaf.NotAfter.Sub(leaf.NotBefore)/4):
		x.warn("certificate", found, cure)
	default:
		x.ok("certificate", "%s", found)
	}
}

// engines finds the databases: yours, the embedded ones that run, or whether the
// embedded ones would start.
func (x *examination) engines() {
	if !x.Embedded && (x.Postgres != "" || x.Clickhouse != "" || x.ClickhouseCluster != "") {
		found, err := x.requireBoth(x.DataDir)
		if err != nil {
			x.fail("databases", err.Error(), "ingest run needs both")
		}
		x.stores = found
		return
	}
	if found, err := (storeFlags{}).locate(x.DataDir); err == nil && found.Postgres != "" {
		if err := migrations.CheckPostgres(x.p.taking, found.Postgres); err == nil || errors.Is(err, migrations.ErrNotApplied) {
			x.ok("engines", "the embedded ones run on %s", x.DataDir)
			x.stores = found
			return
		}
	}
	folder, err := os.MkdirTemp("", "ingest-doctor-")
	if err != nil {
		x.fail("engines", err.Error(), "make room for temporary files, or name a folder by TMPDIR")
		return
	}
	defer os.RemoveAll(folder)
	flags := x.engineFlags
	flags.DataDir = folder
	began := time.Now()
	started, err := startEngines(x.p.taking, flags, slog.New(slog.DiscardHandler))
	if err != nil {
		x.fail("engines", err.Error(), "or use your own servers: --postgres URL and --clickhouse URL")
		return
	}
	took := time.Since(began)
	if err := started.Close(); err != nil {
		x.fail("engines", err.Error(), "look at the memory and the disk of this machine")
		return
	}
	x.ok("engines", "the embedded Postgres and ClickHouse start, in %.1f s; they do not run now", took.Seconds())
}

// files looks whether every room can have its socket.
func (x *examination) files() {
	limit, ok := openFiles()
	if !ok {
		return
	}
	found := fmt.Sprintf("%d open files are allowed; --max-rooms %d needs about %d", limit, x.MaxRooms, x.MaxRooms+spareFiles)
	const cure = "raise it (ulimit -n, or LimitNOFILE= in the systemd unit), or lower --max-rooms"
	switch {
	case int64(x.rooms)+spareFiles > limit && limit < int64(x.MaxRooms)+spareFiles:
		x.fail("open files", fmt.Sprintf("%s, and there are %d rooms in lives", found, x.rooms), cure)
	case limit < int64(x.MaxRooms)+spareFiles:
		x.warn("open files", found, cure)
	default:
		x.ok("open files", "%s", found)
	}
}

// pseudonyms looks whether the key is the one that the tables were filled with.
func (x *examination) pseudonyms() {
	if x.PseudonymizeKeyFile == "" {
		return
	}
	key, err := x.key(slog.New(slog.DiscardHandler))
	if err == nil && x.stores.ClickHouse != "" {
		err = x.samePseudonyms(key)
	}
	if err != nil {
		x.fail("pseudonyms", err.Error(), "see docs/privacy.md")
		return
	}
	x.ok("pseudonyms", "the key in %s can be used", x.PseudonymizeKeyFile)
}

func (x *examination) samePseudonyms(key *ingest.PseudonymKey) error {
	warehouse, err := ingest.OpenClickHouse(x.stores.ClickHouse, 0)
	if err != nil {
		return err
	}
	defer warehouse.Close()
	ctx, cancel := context.WithTimeout(x.p.taking, examineTimeout)
	defer cancel()
	if err := warehouse.CheckPseudonyms(ctx, key, false); errors.Is(err, ingest.ErrPseudonyms) {
		return err
	}
	return nil // what else there may be was said of ClickHouse
}
