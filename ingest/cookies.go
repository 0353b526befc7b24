package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxCookieFile bounds what is read of a cookie file.
const maxCookieFile = 1 << 20

// newJar returns a jar that sends the cookies of text to base's host only, and
// whether somebody is logged in with them.
func newJar(base *url.URL, text string) (jar http.CookieJar, loggedIn bool, err error) {
	jar, err = cookiejar.New(nil)
	if err != nil {
		return nil, false, fmt.Errorf("making a cookie jar: %w", err)
	}
	cookies, err := parseCookies(text, base.Hostname())
	if err != nil {
		return nil, false, err
	}
	jar.SetCookies(base, cookies)
	for _, cookie := range cookies {
		loggedIn = loggedIn || cookie.Name == loginCookie
	}
	return jar, loggedIn, nil
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
