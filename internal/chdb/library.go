//go:build (linux || darwin) && !noembed

package chdb

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libraryFile is the library's name in every package that ships it, on macOS too.
const libraryFile = "libchdb.so"

// The first release with chdb_stream_insert and chdb_classify_query.
const minMajor, minMinor = 26, 7

// FindLibrary returns the path of libchdb: explicit if not empty, else what INGEST_CHDB_LIBRARY names, else the one that
// `make engines` installed, looked up from the working directory and from the executable's directory upward, else the
// one in the usual library directories. It looks at the file only; Start finds out whether it can be loaded.
func FindLibrary(explicit string) (string, error) {
	for _, named := range []struct{ path, from string }{
		{explicit, "--chdb-library"},
		{os.Getenv(LibraryEnv), LibraryEnv},
	} {
		if named.path == "" {
			continue
		}
		if !isFile(named.path) {
			return "", fmt.Errorf("libchdb not found: %s names %s, which is not a file", named.from, named.path)
		}
		return filepath.Abs(named.path)
	}
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		if path, ok := findUpward(start); ok {
			return path, nil
		}
	}
	for _, dir := range []string{"/usr/local/lib", "/usr/lib"} {
		if path := filepath.Join(dir, libraryFile); isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("libchdb not found: run `make engines` or set --chdb-library / %s", LibraryEnv)
}

// findUpward looks for the pinned npm package of this platform below dir and each of its parents.
func findUpward(dir string) (string, bool) {
	for {
		pattern := filepath.Join(dir, "deploy", "engines", "node_modules", "@chdb", "lib-"+platformName()+"*", libraryFile)
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0], true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// platformName is this platform as npm packages spell it.
func platformName() string {
	if runtime.GOARCH == "amd64" {
		return runtime.GOOS + "-x64"
	}
	return runtime.GOOS + "-" + runtime.GOARCH
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// statementFunc starts a statement with named parameters: connection, query, format, then parallel arrays of names and
// values with their lengths. It returns a result, a stream or an insert stream.
type statementFunc func(conn unsafe.Pointer, query *byte, queryLen uintptr, format *byte, formatLen uintptr,
	names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer

// library holds the entry points of a loaded libchdb. They take C pointers and are safe for concurrent use, except that
// a connection runs one statement at a time.
type library struct {
	version                  func() string
	setSignalHandlersEnabled func(int32)
	connect                  func(argc int32, argv **byte) unsafe.Pointer
	closeConn                func(unsafe.Pointer)
	classify                 func(conn unsafe.Pointer, query *byte, queryLen uintptr, db *byte, dbLen uintptr, out *analysis) int32

	query        statementFunc
	streamQuery  statementFunc
	fetchResult  func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancelQuery  func(conn, stream unsafe.Pointer)
	streamInsert statementFunc
	insertAppend func(stream unsafe.Pointer, data *byte, n uintptr) int32
	insertDone   func(stream unsafe.Pointer) unsafe.Pointer
	insertError  func(stream unsafe.Pointer) string
	freeInsert   func(stream unsafe.Pointer)

	resultBuffer       func(unsafe.Pointer) unsafe.Pointer
	resultLength       func(unsafe.Pointer) uintptr
	resultError        func(unsafe.Pointer) string
	resultElapsed      func(unsafe.Pointer) float64
	resultRows         func(unsafe.Pointer) uint64
	resultBytes        func(unsafe.Pointer) uint64
	resultReadRows     func(unsafe.Pointer) uint64
	resultReadBytes    func(unsafe.Pointer) uint64
	resultWrittenRows  func(unsafe.Pointer) uint64
	resultWrittenBytes func(unsafe.Pointer) uint64
	freeResult         func(unsafe.Pointer)
}

// loadLibrary loads libchdb from path, which must not be empty: dlopen takes that for the program itself.
func loadLibrary(path string) (*library, error) {
	if path == "" {
		return nil, fmt.Errorf("loading libchdb: no path given")
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading libchdb: %w", err)
	}
	lib := new(library)
	for _, symbol := range []struct {
		name string
		fn   any
	}{
		{"chdb_version", &lib.version},
		{"chdb_set_signal_handlers_enabled", &lib.setSignalHandlersEnabled},
		{"chdb_connect", &lib.connect},
		{"chdb_close_conn", &lib.closeConn},
		{"chdb_classify_query_n", &lib.classify},
		{"chdb_query_with_params_n", &lib.query},
		{"chdb_stream_query_with_params_n", &lib.streamQuery},
		{"chdb_stream_fetch_result", &lib.fetchResult},
		{"chdb_stream_cancel_query", &lib.cancelQuery},
		{"chdb_stream_insert_with_params_n", &lib.streamInsert},
		{"chdb_stream_append", &lib.insertAppend},
		{"chdb_stream_done", &lib.insertDone},
		{"chdb_stream_insert_error", &lib.insertError},
		{"chdb_destroy_insert_stream", &lib.freeInsert},
		{"chdb_result_buffer", &lib.resultBuffer},
		{"chdb_result_length", &lib.resultLength},
		{"chdb_result_error", &lib.resultError},
		{"chdb_result_elapsed", &lib.resultElapsed},
		{"chdb_result_rows_read", &lib.resultRows},
		{"chdb_result_bytes_read", &lib.resultBytes},
		{"chdb_result_storage_rows_read", &lib.resultReadRows},
		{"chdb_result_storage_bytes_read", &lib.resultReadBytes},
		{"chdb_result_rows_written", &lib.resultWrittenRows},
		{"chdb_result_bytes_written", &lib.resultWrittenBytes},
		{"chdb_destroy_query_result", &lib.freeResult},
	} {
		address, err := purego.Dlsym(handle, symbol.name)
		if err != nil {
			return nil, fmt.Errorf("%s is too old or not libchdb: it has no %s; version %d.%d or later is needed",
				path, symbol.name, minMajor, minMinor)
		}
		purego.RegisterFunc(symbol.fn, address)
	}
	if version := lib.version(); !recentEnough(version) {
		return nil, fmt.Errorf("%s is too old: it is version %s, %d.%d or later is needed", path, version, minMajor, minMinor)
	}
	// The engine's handlers would replace Go's, and a nil dereference in Go would then hang instead of panicking.
	lib.setSignalHandlersEnabled(0)
	return lib, nil
}

// recentEnough reports whether version ("26.7.3-stable.1") is at least the first one with the functions used here.
func recentEnough(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil {
		return false
	}
	return a > minMajor || a == minMajor && b >= minMinor
}
