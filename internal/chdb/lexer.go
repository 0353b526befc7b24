//go:build (linux || darwin) && !noembed

package chdb

import "strings"

// tokenKind tells apart what matters for finding clauses; numbers count as words.
type tokenKind int

const (
	tokenEnd    tokenKind = iota // the source is used up
	tokenOpen                    // the source ends inside a quote or a comment
	tokenWord                    // keyword, name or number
	tokenQuoted                  // string or quoted name
	tokenSymbol                  // any other single byte
)

type token struct {
	kind       tokenKind
	text       string
	start, end int // byte offsets in the source
}

// is reports whether t is the keyword, which is given in upper case.
func (t token) is(keyword string) bool {
	return t.kind == tokenWord && strings.EqualFold(t.text, keyword)
}

// named reports whether t is the name, in quotes or not, or could be: one with escapes is not looked into.
func (t token) named(name string) bool {
	return (t.kind == tokenWord || t.kind == tokenQuoted) &&
		(strings.EqualFold(strings.Trim(t.text, "`\""), name) || strings.Contains(t.text, `\`))
}

func (t token) isSymbol(c byte) bool { return t.kind == tokenSymbol && t.text[0] == c }

// lexer splits SQL as far as needed to tell clauses from what stands in quotes and comments. The engine's parser has the
// last word on every statement.
type lexer struct {
	src string
	pos int
}

func (l *lexer) next() token {
	if !l.skipBlank() {
		return token{kind: tokenOpen, start: len(l.src), end: len(l.src)}
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: tokenEnd, start: start, end: start}
	}
	kind := tokenSymbol
	switch c := l.src[start]; {
	case c == '\'' || c == '"' || c == '`':
		kind = tokenQuoted
		if !l.skipQuoted(c) {
			kind = tokenOpen
		}
	case c == '$':
		kind = l.skipHeredoc()
	case isWordByte(c):
		kind = tokenWord
		for l.pos < len(l.src) && isWordByte(l.src[l.pos]) {
			l.pos++
		}
	default:
		l.pos++
	}
	return token{kind, l.src[start:l.pos], start, l.pos}
}

// skipBlank passes white space and comments. It reports false when a comment has no end.
func (l *lexer) skipBlank() bool {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v\x00", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				l.pos = len(l.src)
				return true
			}
			l.pos += end + 1
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				l.pos = len(l.src)
				return false
			}
			l.pos += 2 + end + 2
		default:
			return true
		}
	}
	return true
}

// skipQuoted passes a quoted string in which the quote is doubled or follows a backslash. It reports false without an end.
func (l *lexer) skipQuoted(quote byte) bool {
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch l.src[l.pos] {
		case '\\':
			l.pos++
		case quote:
			if l.pos+1 < len(l.src) && l.src[l.pos+1] == quote {
				l.pos++
				continue
			}
			l.pos++
			return true
		}
	}
	l.pos = len(l.src)
	return false
}

// skipHeredoc passes $tag$...$tag$, or the dollar alone when no tag follows.
func (l *lexer) skipHeredoc() tokenKind {
	rest := l.src[l.pos:]
	end := 1
	for end < len(rest) && isWordByte(rest[end]) {
		end++
	}
	if end == len(rest) || rest[end] != '$' {
		l.pos++
		return tokenSymbol
	}
	tag := rest[:end+1]
	closing := strings.Index(rest[len(tag):], tag)
	if closing < 0 {
		l.pos = len(l.src)
		return tokenOpen
	}
	l.pos += len(tag) + closing + len(tag)
	return tokenQuoted
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
