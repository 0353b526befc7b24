//go:build (linux || darwin) && !noembed

package chdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	maxInsertHead = 1 << 20  // an INSERT up to where its data begins
	maxQuery      = 16 << 20 // any other statement
)

// statement is a request's SQL, and for an INSERT with data what is to be fed to it.
type statement struct {
	text   string
	format string    // of the data
	data   io.Reader // nil unless the statement is an INSERT followed by data
}

// readStatement reads SQL from r. Of an INSERT that carries data it reads no more than a few pieces; the rest stays in
// the statement's data.
func readStatement(r io.Reader) (statement, error) {
	var src []byte
	for want := 4 << 10; ; want *= 4 {
		piece, err := io.ReadAll(io.LimitReader(r, int64(want-len(src))))
		src = append(src, piece...)
		if err != nil {
			return statement{}, fmt.Errorf("reading the query: %w", err)
		}
		complete := len(src) < want
		head, kind := parseInsertHead(string(src), complete)
		switch kind {
		case insertInfile:
			return statement{}, newException(codeAccessDenied, "ACCESS_DENIED", "FROM INFILE is not allowed: send the data in the request")
		case insertData:
			return statement{head.text, head.format, io.MultiReader(bytes.NewReader(src[head.end:]), r)}, nil
		case insertUnsure:
			if len(src) < maxInsertHead {
				continue
			}
			return statement{}, newException(codeQueryTooLarge, "QUERY_IS_TOO_LARGE", "the INSERT has no data within %d bytes", maxInsertHead)
		}
		if complete {
			return statement{text: string(src)}, nil
		}
		rest, err := io.ReadAll(io.LimitReader(r, int64(maxQuery-len(src))))
		if err != nil {
			return statement{}, fmt.Errorf("reading the query: %w", err)
		}
		src = append(src, rest...)
		if _, err := io.ReadFull(r, make([]byte, 1)); !errors.Is(err, io.EOF) {
			return statement{}, newException(codeQueryTooLarge, "QUERY_IS_TOO_LARGE", "the query is larger than %d bytes", maxQuery)
		}
		return statement{text: string(src)}, nil
	}
}

// insertKind is what a text turned out to be.
type insertKind int

const (
	insertNone   insertKind = iota // no INSERT, or one without data: INSERT ... SELECT
	insertUnsure                   // more text is needed to say
	insertData                     // data follows
	insertInfile                   // the data would come from a file of the server's machine
)

type insertHead struct {
	text   string // the statement without its FORMAT or VALUES clause
	format string
	end    int // where the data begins
}

// parseInsertHead looks for the place where an INSERT ends and its data begins. complete says that nothing follows src.
func parseInsertHead(src string, complete bool) (insertHead, insertKind) {
	l := lexer{src: src}
	next := func() (token, bool) { // false when more text could change the token
		t := l.next()
		return t, complete || t.end < len(src)
	}
	first, sure := next()
	switch {
	case !sure:
		return insertHead{}, insertUnsure
	case !first.is("INSERT"):
		return insertHead{}, insertNone
	}
	if !skipInsertTarget(next) {
		return insertHead{}, unsureUnless(complete)
	}
	for depth := 0; ; {
		t, sure := next()
		if sure && t.isSymbol('.') { // what follows is the table's name, whatever it is
			t, sure = next()
			if sure && t.kind != tokenEnd && t.kind != tokenOpen {
				continue
			}
		}
		switch {
		case !sure, t.kind == tokenOpen, t.kind == tokenEnd:
			return insertHead{}, unsureUnless(complete)
		case t.isSymbol('('):
			depth++
		case t.isSymbol(')'):
			depth--
		case depth > 0:
		case t.isSymbol(';'), t.is("SELECT"), t.is("WITH"):
			return insertHead{}, insertNone
		case t.is("VALUES"):
			return insertHead{src[:t.start], "Values", t.end}, insertData
		case t.is("FORMAT"):
			return formatClause(src, t.start, next, complete)
		case t.is("FROM"):
			source, sure := next()
			switch {
			case !sure:
				return insertHead{}, insertUnsure
			case source.is("INFILE"):
				return insertHead{}, insertInfile
			}
			return insertHead{}, insertNone
		}
	}
}

// skipInsertTarget passes the name of a table, so that one called "values" or "format" is not taken for a clause.
func skipInsertTarget(next func() (token, bool)) bool {
	for {
		t, sure := next()
		switch {
		case !sure, t.kind == tokenEnd, t.kind == tokenOpen:
			return false
		case t.is("INTO"), t.is("TABLE"), t.is("FUNCTION"):
			continue
		case t.isSymbol('{'): // {name:Identifier}
			for !t.isSymbol('}') {
				if t, sure = next(); !sure || t.kind == tokenEnd || t.kind == tokenOpen {
					return false
				}
			}
		}
		return true
	}
}

// formatClause reads the name after FORMAT, and the blanks up to the data: at most one line break.
func formatClause(src string, start int, next func() (token, bool), complete bool) (insertHead, insertKind) {
	name, sure := next()
	if !sure || name.kind != tokenWord {
		return insertHead{}, unsureUnless(complete)
	}
	end := name.end
	for end < len(src) && strings.IndexByte(" \t\f", src[end]) >= 0 {
		end++
	}
	if !complete && len(src)-end < len("\r\n") {
		return insertHead{}, insertUnsure
	}
	if end < len(src) && src[end] == '\r' {
		end++
	}
	if end < len(src) && src[end] == '\n' {
		end++
	}
	return insertHead{src[:start], name.text, end}, insertData
}

func unsureUnless(complete bool) insertKind {
	if complete {
		return insertNone
	}
	return insertUnsure
}

// outline is what can be said of a statement without the engine.
type outline struct {
	first   string // the first word, in upper case
	format  string // of its FORMAT clause, as ClickHouse spells it; "" without one
	totals  bool   // WITH TOTALS
	outfile bool   // INTO OUTFILE
	reach   string // what in it would reach files, programs or other servers, and asks for no right; "" nothing
}

// outlineOf reads a statement. formats maps the names of formats in lower case to their spelling: only a known name makes
// a FORMAT clause, since format is also a common name of columns.
func outlineOf(text string, formats map[string]string) outline {
	var out outline
	l := lexer{src: text}
	var previous, before token
	for {
		t := l.next()
		if t.kind == tokenEnd || t.kind == tokenOpen {
			return out
		}
		if out.first == "" {
			out.first = strings.ToUpper(t.text)
		}
		if out.reach == "" {
			out.reach = reaching(before, previous, t, out.first)
		}
		switch {
		case previous.is("INTO") && t.is("OUTFILE") && !before.is("INSERT"):
			out.outfile = true
		case previous.is("WITH") && t.is("TOTALS"):
			out.totals = true
		case previous.is("FORMAT") && t.kind == tokenWord:
			if name, ok := formats[strings.ToLower(t.text)]; ok {
				out.format = name
			}
		}
		previous, before = t, previous
	}
}

// reachingEngines are the engines of tables and databases that reach outside and need no grant.
var reachingEngines = []string{"Backup", "DataLakeCatalog", "EmbeddedRocksDB", "Executable", "ExecutablePool"}

// reaching names what three tokens in a row would reach outside the engine, when it is something for which the engine
// itself asks for no right: the function file, disks and files named in a statement, backups, and databases elsewhere.
// first is the first word of the statement.
func reaching(a, b, c token, first string) string {
	switch {
	case first == "BACKUP", first == "RESTORE":
		return first
	case b.named("file") && c.isSymbol('('), c.named("file") && (b.is("APPLY") || a.is("APPLY") && b.isSymbol('(')):
		return "file()"
	case b.named("disk") && c.isSymbol('('):
		return "disk()"
	case a.is("FROM") && b.is("INFILE") && c.kind == tokenQuoted:
		return "FROM INFILE"
	case c.isSymbol('(') && (a.is("ENGINE") || a.isSymbol('=')) && slices.ContainsFunc(reachingEngines, b.named):
		return "the engine " + b.text
	}
	return ""
}
