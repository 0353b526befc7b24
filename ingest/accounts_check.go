package ingest

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// AccountCheck is what can be said of an account without asking Kuaishou.
type AccountCheck struct {
	Account string `json:"account"`
	Exit    string `json:"exit"`
	// Rate is in calls a second.
	Rate float64 `json:"rate"`
	// Cookies is how many would be sent; LoggedIn whether kuaishou.live.web_st is
	// among them, and Expires until when where a cookies.txt tells it.
	Cookies  int        `json:"cookies"`
	LoggedIn bool       `json:"logged_in"`
	Expires  *time.Time `json:"expires"`
	// File is where the cookies are from, and Saved when it was last written; empty
	// and nil where they stand in the accounts file.
	File  string     `json:"file"`
	Saved *time.Time `json:"saved"`
	// Problem says why it cannot be used; empty when it can.
	Problem string `json:"problem"`
}

// CheckAccounts reads an accounts file as NewClient does, for Kuaishou at
// baseURL (default KuaishouURL), and says what is in it. The error is about the
// file; what is about one account is its Problem.
func CheckAccounts(path, baseURL string) ([]AccountCheck, error) {
	return accountSource{file: path}.check(baseURL)
}

// CheckCookieFile is CheckAccounts for one account, with the cookies in a file.
func CheckCookieFile(path, baseURL string) ([]AccountCheck, error) {
	return accountSource{cookieFile: path}.check(baseURL)
}

func (s accountSource) check(baseURL string) ([]AccountCheck, error) {
	base, err := url.Parse(cmp.Or(baseURL, KuaishouURL))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("the address of Kuaishou is not of the form %s", KuaishouURL)
	}
	specs, err := s.read()
	if err != nil {
		return nil, err
	}
	checks := make([]AccountCheck, 0, len(specs))
	for _, spec := range specs {
		checks = append(checks, spec.check(base.Hostname()))
	}
	return checks, nil
}

func (s accountSpec) check(host string) AccountCheck {
	check := AccountCheck{Account: s.name, Exit: directExit, Rate: rateOf(s.interval)}
	if proxy := s.exitProxy(); proxy != nil {
		check.Exit = proxyHost(proxy)
	}
	if err := s.load(); err != nil {
		check.Problem = err.Error()
		return check
	}
	if check.File = s.file; s.file != "" {
		check.Saved = &s.stamp.modTime
	}
	check.Expires = loginExpiry(s.cookies)
	cookies, err := parseCookies(s.cookies, host)
	if err != nil {
		check.Problem = err.Error()
		return check
	}
	check.Cookies = len(cookies)
	for _, cookie := range cookies {
		check.LoggedIn = check.LoggedIn || cookie.Name == loginCookie
	}
	if !check.LoggedIn && check.Expires != nil {
		check.Problem = fmt.Sprintf("the login %s has expired or is for another site; log in again", loginCookie)
	}
	return check
}

// loginExpiry is when the login of a cookies.txt ends; nil where none is told.
func loginExpiry(text string) *time.Time {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) < 6 || fields[5] != loginCookie {
			continue
		}
		if seconds, err := strconv.ParseInt(fields[4], 10, 64); err == nil && seconds > 0 {
			at := time.Unix(seconds, 0).UTC()
			return &at
		}
	}
	return nil
}
