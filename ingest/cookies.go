package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxCookieFile bounds what is read of a cookie file.
const maxCookieFile = 1 << 20

// cookieStore holds the operator's cookies and those that Kuaishou has set
// since, for one host. Its errors and logs name cookies, never their values.
type cookieStore struct {
	base   *url.URL
	file   string // empty: the cookies were given once
	logger *slog.Logger

	mu      sync.Mutex // covers all below
	jar     http.CookieJar
	size    int64 // of the file when it was last looked at
	modTime time.Time
}

// newCookieStore reads text, or the file when one is named; both may be empty.
func newCookieStore(base *url.URL, text, file string, logger *slog.Logger) (*cookieStore, error) {
	s := &cookieStore{base: base, file: file, logger: logger}
	if file != "" {
		if text != "" {
			return nil, errors.New("both a cookie and a cookie file are given; give one of them")
		}
		if _, err := s.reread(); err != nil {
			return nil, err
		}
		return s, nil
	}
	jar, err := newJar(base, text)
	if err != nil {
		return nil, fmt.Errorf("reading the cookie: %w", err)
	}
	s.jar = jar
	return s, nil
}

// current returns the jar to use now, and whether the file was changed and read
// again since the last call. A changed file that cannot be read is logged once,
// and the cookies known before stay in use.
func (s *cookieStore) current() (jar http.CookieJar, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == "" {
		return s.jar, false
	}
	changed, err := s.reread()
	if err != nil {
		s.logger.Warn("keeping the cookies read before", "error", err)
	}
	return s.jar, changed
}

// reread reads the file when it is new or has changed.
func (s *cookieStore) reread() (bool, error) {
	info, err := os.Stat(s.file)
	if err != nil {
		// Remembered as changed, so that it is said once and not at every look-up.
		known := s.size >= 0
		s.size = -1
		if known {
			return false, fmt.Errorf("reading the cookie file: %w", err)
		}
		return false, nil
	}
	if info.Size() == s.size && info.ModTime().Equal(s.modTime) {
		return false, nil
	}
	s.size, s.modTime = info.Size(), info.ModTime()
	if info.Size() > maxCookieFile {
		return false, fmt.Errorf("reading the cookie file %s: %d bytes are no cookie file", s.file, info.Size())
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return false, fmt.Errorf("reading the cookie file: %w", err)
	}
	// Also what a file looks like while it is being written anew.
	if strings.TrimSpace(string(text)) == "" {
		return false, fmt.Errorf("reading the cookie file %s: it is empty", s.file)
	}
	jar, err := newJar(s.base, string(text))
	if err != nil {
		return false, fmt.Errorf("reading the cookie file %s: %w", s.file, err)
	}
	s.jar = jar
	return true, nil
}

// newJar returns a jar that sends the cookies of text to base's host only.
func newJar(base *url.URL, text string) (http.CookieJar, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	cookies, err := parseCookies(text, base.Hostname())
	if err != nil {
		return nil, err
	}
	jar.SetCookies(base, cookies)
	return jar, nil
}

// parseCookies reads a Cookie header with or without its name, name=value pairs
// on one or more lines, or Netscape's cookies.txt, of which it takes the cookies
// meant for host.
func parseCookies(text, host string) ([]*http.Cookie, error) {
	var cookies []*http.Cookie
	elsewhere := 0
	for number, line := range strings.Split(strings.TrimPrefix(text, "\uFEFF"), "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#HttpOnly_"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if fields := strings.Split(line, "\t"); len(fields) >= 6 {
			if !cookieIsFor(fields, host) {
				elsewhere++
				continue
			}
			// An empty value's tab is lost with the space at the line's end.
			line = fields[5] + "=" + strings.Join(fields[6:], "")
			cookie, err := parseCookie(line, number)
			if err != nil {
				return nil, err
			}
			cookies = append(cookies, cookie)
			continue
		}
		if name, rest, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "cookie") {
			line = rest
		}
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.TrimSpace(pair); pair == "" {
				continue
			}
			cookie, err := parseCookie(pair, number)
			if err != nil {
				return nil, err
			}
			cookies = append(cookies, cookie)
		}
	}
	if len(cookies) == 0 && elsewhere > 0 {
		return nil, fmt.Errorf("none of its %d cookies is for %s, or they have expired", elsewhere, host)
	}
	if len(cookies) == 0 && strings.TrimSpace(text) != "" {
		return nil, errors.New("there is no cookie in it")
	}
	return cookies, nil
}

func parseCookie(pair string, line int) (*http.Cookie, error) {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return nil, fmt.Errorf("line %d is neither name=value nor a line of cookies.txt", line+1)
	}
	cookie := &http.Cookie{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value), Path: "/"}
	// Valid quotes the value it does not like.
	if cookie.Valid() != nil {
		return nil, fmt.Errorf("line %d has a cookie whose name or value HTTP does not allow", line+1)
	}
	return cookie, nil
}

// cookieIsFor says whether the line of a cookies.txt (domain, subdomains too,
// path, secure, expiry, name, value) is for host and has not expired.
func cookieIsFor(fields []string, host string) bool {
	if expiry, err := strconv.ParseInt(fields[4], 10, 64); err == nil && expiry > 0 && expiry < time.Now().Unix() {
		return false
	}
	domain := strings.ToLower(strings.TrimPrefix(fields[0], "."))
	return host == domain || strings.HasSuffix(host, "."+domain) && strings.EqualFold(fields[1], "TRUE")
}
