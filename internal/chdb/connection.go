//go:build (linux || darwin) && !noembed

package chdb

import (
	"fmt"
	"io"
	"runtime"
	"unsafe"
)

// connection is one session of the engine. It runs one statement at a time, so it must not be shared by goroutines.
type connection struct {
	lib    *library
	handle unsafe.Pointer // what chdb_connect returned, needed to close
	conn   unsafe.Pointer // what it points to, needed for everything else
}

// open connects to the engine. The first connection of the process starts it and decides its options; closing the last
// one stops it. The engine says why it refused on stderr only.
func (lib *library) open(args ...string) (*connection, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]*byte, 0, len(args)+2)
	for _, arg := range append([]string{"chdb"}, args...) {
		c := append([]byte(arg), 0)
		pin.Pin(&c[0])
		argv = append(argv, &c[0])
	}
	argv = append(argv, nil)
	handle := lib.connect(int32(len(argv)-1), &argv[0])
	runtime.KeepAlive(argv)
	if handle == nil {
		return nil, errEngineRefused
	}
	return &connection{lib: lib, handle: handle, conn: *(*unsafe.Pointer)(handle)}, nil
}

func (c *connection) close() { c.lib.closeConn(c.handle) }

// analysis is chdb_query_analysis_v1.
type analysis struct {
	size, statements, _, class uint32
}

// The classes of statements that the engine's parser tells apart.
const (
	classReadOnly = 0
	classControl  = 3 // outside the engine or the session only: USE, SET, SYSTEM, KILL, INTO OUTFILE
)

// classify parses query without running it. A query that does not parse has a class above classControl.
func (c *connection) classify(query, database string) (analysis, error) {
	out := analysis{size: uint32(unsafe.Sizeof(analysis{}))}
	if rc := c.lib.classify(c.conn, cBytes(query), uintptr(len(query)), cBytes(database), uintptr(len(database)), &out); rc != 0 {
		return analysis{}, fmt.Errorf("classifying a query: code %d", rc)
	}
	runtime.KeepAlive(query)
	runtime.KeepAlive(database)
	return out, nil
}

// parameter is a value for {name:Type} in a query. Value is escaped as in the TabSeparated format.
type parameter struct{ name, value string }

// start calls f with the arrays that the engine wants in place of Go strings. The engine copies them before it returns.
func (c *connection) start(f statementFunc, query, format string, params []parameter) unsafe.Pointer {
	var pin runtime.Pinner
	defer pin.Unpin()
	n := len(params)
	names, values := make([]*byte, n+1), make([]*byte, n+1)
	nameLens, valueLens := make([]uintptr, n+1), make([]uintptr, n+1)
	for i, p := range params {
		names[i], values[i] = cBytes(p.name), cBytes(p.value)
		nameLens[i], valueLens[i] = uintptr(len(p.name)), uintptr(len(p.value))
		pin.Pin(names[i])
		pin.Pin(values[i])
	}
	out := f(c.conn, cBytes(query), uintptr(len(query)), cBytes(format), uintptr(len(format)),
		&names[0], &nameLens[0], &values[0], &valueLens[0], uintptr(n))
	runtime.KeepAlive(query)
	runtime.KeepAlive(format)
	runtime.KeepAlive(params)
	return out
}

// query runs one statement to its end and returns its whole result, which the caller frees.
func (c *connection) query(query, format string, params []parameter) (*result, error) {
	return c.result(c.start(c.lib.query, query, format, params))
}

// exec runs a statement that returns nothing of interest.
func (c *connection) exec(query string) error {
	r, err := c.query(query, "Null", nil)
	if err != nil {
		return err
	}
	r.free()
	return nil
}

// text runs a query and returns its result in TabSeparated.
func (c *connection) text(query string) (string, error) {
	r, err := c.query(query, "TabSeparated", nil)
	if err != nil {
		return "", err
	}
	defer r.free()
	return string(r.data()), nil
}

// result is what a statement returned. Its data is the engine's memory.
type result struct {
	lib *library
	ptr unsafe.Pointer
}

// result takes ownership of ptr: it is freed here if it holds an error.
func (c *connection) result(ptr unsafe.Pointer) (*result, error) {
	if ptr == nil {
		return nil, newException(codeLogicalError, "LOGICAL_ERROR", "the engine returned no result")
	}
	r := &result{lib: c.lib, ptr: ptr}
	if text := c.lib.resultError(ptr); text != "" {
		r.free()
		return nil, parseException(text)
	}
	return r, nil
}

// data is valid until free.
func (r *result) data() []byte {
	n := r.lib.resultLength(r.ptr)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.lib.resultBuffer(r.ptr)), n)
}

func (r *result) free() { r.lib.freeResult(r.ptr) }

func (r *result) summary() summary {
	return summary{
		ReadRows:     r.lib.resultReadRows(r.ptr),
		ReadBytes:    r.lib.resultReadBytes(r.ptr),
		WrittenRows:  r.lib.resultWrittenRows(r.ptr),
		WrittenBytes: r.lib.resultWrittenBytes(r.ptr),
		ResultRows:   r.lib.resultRows(r.ptr),
		ResultBytes:  r.lib.resultBytes(r.ptr),
		ElapsedNS:    uint64(r.lib.resultElapsed(r.ptr) * 1e9),
	}
}

// stream is a SELECT whose result is fetched piece by piece. The caller closes it.
type stream struct {
	c     *connection
	ptr   unsafe.Pointer
	ended bool
}

func (c *connection) stream(query, format string, params []parameter) (*stream, error) {
	ptr := c.start(c.lib.streamQuery, query, format, params)
	if _, err := c.result(ptr); err != nil {
		return nil, err
	}
	return &stream{c: c, ptr: ptr}, nil
}

// next returns the next piece, which the caller frees, or io.EOF.
func (s *stream) next() (*result, error) {
	r, err := s.c.result(s.c.lib.fetchResult(s.c.conn, s.ptr))
	if err != nil {
		return nil, err
	}
	if s.c.lib.resultLength(r.ptr) == 0 {
		r.free()
		s.ended = true
		return nil, io.EOF
	}
	return r, nil
}

// close cancels what is left of the query.
func (s *stream) close() {
	if !s.ended {
		s.c.lib.cancelQuery(s.c.conn, s.ptr)
	}
	s.c.lib.freeResult(s.ptr)
}

// insert is an INSERT whose data is appended piece by piece. The caller closes it.
type insert struct {
	c   *connection
	ptr unsafe.Pointer
}

// insert begins an INSERT. query has neither FORMAT nor VALUES nor data.
func (c *connection) insert(query, format string, params []parameter) (*insert, error) {
	s := &insert{c: c, ptr: c.start(c.lib.streamInsert, query, format, params)}
	if err := s.err(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *insert) err() error {
	if text := s.c.lib.insertError(s.ptr); text != "" {
		return parseException(text)
	}
	return nil
}

// Write appends p, which the engine copies. It blocks while the engine is behind.
func (s *insert) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if rc := s.c.lib.insertAppend(s.ptr, &p[0], uintptr(len(p))); rc != 0 {
		if err := s.err(); err != nil {
			return 0, err
		}
		return 0, newException(codeLogicalError, "LOGICAL_ERROR", "the engine refused a piece of the insert (code %d)", rc)
	}
	return len(p), nil
}

// commit says that all data was appended, and waits until the engine has stored it.
func (s *insert) commit() (summary, error) {
	r, err := s.c.result(s.c.lib.insertDone(s.ptr))
	if err != nil {
		return summary{}, err
	}
	defer r.free()
	return r.summary(), nil
}

// close gives the insert up unless it was committed. Blocks that the engine has already flushed stay, as with a server.
func (s *insert) close() { s.c.lib.freeInsert(s.ptr) }

// cBytes points to the bytes of s, and to something readable when s is empty.
func cBytes(s string) *byte {
	if s == "" {
		s = "\x00"
	}
	return unsafe.StringData(s)
}
