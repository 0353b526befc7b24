//go:build (linux || darwin) && !noembed

package chdb

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// ClickHouse's numbers for the errors that this package itself raises or looks at.
const (
	codeBadArguments      = 36
	codeNotImplemented    = 48
	codeLogicalError      = 49
	codeSyntaxError       = 62
	codeUnknownFormat     = 73
	codeTooManyQueries    = 202
	codeReadonly          = 164
	codeCannotReadAllData = 33
	codeQueryTooLarge     = 229
	codeAuthFailed        = 516
	codeAccessDenied      = 497
)

// exception is an error in ClickHouse's words.
type exception struct {
	code int
	text string // "Code: 62. DB::Exception: ... (SYNTAX_ERROR)"
}

func (e *exception) Error() string { return e.text }

func newException(code int, name, format string, args ...any) *exception {
	return &exception{code, fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

var exceptionPrefix = regexp.MustCompile(`^Code: (\d+)\. DB::Exception: `)

// parseException reads the engine's error text. The engine sometimes wraps it two or three times; the innermost counts.
func parseException(text string) *exception {
	text = strings.TrimSpace(text)
	for {
		prefix := exceptionPrefix.FindString(text)
		if prefix == "" || !exceptionPrefix.MatchString(text[len(prefix):]) {
			break
		}
		text = text[len(prefix):]
	}
	found := exceptionPrefix.FindStringSubmatch(text)
	if found == nil {
		return newException(codeLogicalError, "LOGICAL_ERROR", "%s", text)
	}
	code, err := strconv.Atoi(found[1])
	if err != nil {
		return newException(codeLogicalError, "LOGICAL_ERROR", "%s", text)
	}
	return &exception{code, text}
}

// asException gives any error a code. Errors that are not exceptions come from reading the request.
func asException(err error) *exception {
	if e, ok := errors.AsType[*exception](err); ok {
		return e
	}
	return newException(codeCannotReadAllData, "CANNOT_READ_ALL_DATA", "%s", err)
}

// status is the HTTP status that a server answers with.
func (e *exception) status() int {
	switch e.code {
	case 194: // REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 192, 193, codeAccessDenied, codeAuthFailed: // UNKNOWN_USER, WRONG_PASSWORD
		return http.StatusForbidden
	case 6, 26, 27, 33, 36, 38, 41, 43, 53, 62, 72, 117, 321: // what the client wrote cannot be parsed or typed
		return http.StatusBadRequest
	case 16, 46, 47, 50, 60, 73, 81, 115: // UNKNOWN column, function, identifier, type, table, format, database, setting
		return http.StatusNotFound
	case 159: // TIMEOUT_EXCEEDED
		return http.StatusRequestTimeout
	case codeQueryTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
