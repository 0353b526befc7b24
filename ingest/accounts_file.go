package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

const (
	maxAccountsFile = 1 << 20 // bytes
	maxAccounts     = 1000
	maxAccountName  = 32 // characters
	maxAccountRate  = 10 // calls a second
)

// The names of the accounts that no accounts file names.
const (
	cookieAccount = "cookie"
	guestAccount  = "guest"
)

// accountEntry is an account as the operator wrote it. All but its name is
// secret, or may be.
type accountEntry struct {
	Name       string   `toml:"name"`
	Cookie     string   `toml:"cookie"`
	CookieFile string   `toml:"cookie_file"` // relative to the accounts file
	Proxy      string   `toml:"proxy"`
	Rate       *float64 `toml:"rate"` // calls a second
}

// accountSpec is an account as it is to be. Two that are equal are the same.
type accountSpec struct {
	name     string
	cookies  string // the text that they are read from
	file     string // the cookie file; empty: none
	stamp    stamp  // the file's
	proxy    string
	interval time.Duration // least time between two calls; 0: as its exit has it
}

// stamp tells the versions of a file apart. That of one that cannot be looked
// at is the zero value.
type stamp struct {
	size    int64
	modTime time.Time
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}

// accountSource is where accounts are written.
type accountSource struct {
	file       string // an accounts file; empty: one account by the other two
	cookieFile string
	cookie     string
}

func (s accountSource) validate() error {
	given := 0
	for _, text := range []string{s.file, s.cookieFile, s.cookie} {
		if text != "" {
			given++
		}
	}
	if given > 1 {
		return errors.New("accounts are given in more than one way: give an accounts file, a cookie file or a cookie")
	}
	return nil
}

// read reads the accounts but for their cookie files.
func (s accountSource) read() ([]accountSpec, error) {
	switch {
	case s.file == "" && s.cookieFile != "":
		return []accountSpec{{name: cookieAccount, file: s.cookieFile}}, nil
	case s.file == "" && s.cookie != "":
		return []accountSpec{{name: cookieAccount, cookies: s.cookie}}, nil
	case s.file == "":
		return []accountSpec{{name: guestAccount}}, nil
	}
	text, err := readSmall(s.file, maxAccountsFile)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts file: %w", err)
	}
	specs, err := parseAccounts(text, filepath.Dir(s.file))
	if err != nil {
		return nil, fmt.Errorf("reading the accounts file %s: %w", s.file, err)
	}
	return specs, nil
}

// readSmall reads a file that is not empty, as one is while it is being written
// anew, and not larger than limit.
func readSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes are too many for it to be one", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = fmt.Errorf("%s: it is empty", path)
	}
	return text, err
}

// parseAccounts reads an accounts file. Paths in it are relative to folder. Its
// errors name lines, keys and accounts, never values.
func parseAccounts(text []byte, folder string) ([]accountSpec, error) {
	var file struct {
		Account []accountEntry `toml:"account"`
	}
	decoder := toml.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, explainTOML(err)
	}
	if len(file.Account) == 0 {
		return nil, errors.New("there is no [[account]] in it")
	}
	if len(file.Account) > maxAccounts {
		return nil, fmt.Errorf("more than %d accounts", maxAccounts)
	}
	specs := make([]accountSpec, 0, len(file.Account))
	seen := make(map[string]bool)
	for n, entry := range file.Account {
		spec, err := entry.spec(folder)
		switch {
		case !validAccountName(entry.Name):
			return nil, fmt.Errorf("[[account]] number %d: its name must be 1 to %d letters, digits, '-', '_' and '.'", n+1, maxAccountName)
		case seen[entry.Name]:
			return nil, fmt.Errorf("two accounts are named %q", entry.Name)
		case err != nil:
			return nil, fmt.Errorf("account %q: %w", entry.Name, err)
		}
		seen[entry.Name] = true
		specs = append(specs, spec)
	}
	return specs, nil
}

// explainTOML says where a file is wrong. The library's own words can quote the
// line, and that may hold a cookie.
func explainTOML(err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		line, _ := unknown.Errors[0].Position()
		return fmt.Errorf("line %d: unknown key %s: an [[account]] has name, cookie or cookie_file, proxy and rate", line, quotable(strings.Join(unknown.Errors[0].Key(), ".")))
	}
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := wrong.Position()
		if key := wrong.Key(); len(key) > 0 {
			return fmt.Errorf("line %d: the value of %s is of the wrong kind: rate is a number, all others are text in quotes", line, quotable(strings.Join(key, ".")))
		}
		return fmt.Errorf("line %d, column %d: this is not TOML; are the quotes around a text missing?", line, column)
	}
	return errors.New("it is not TOML")
}

func validAccountName(name string) bool {
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			return false
		}
	}
	return name != "" && utf8.RuneCountInString(name) <= maxAccountName
}

func (e accountEntry) spec(folder string) (accountSpec, error) {
	spec := accountSpec{name: e.Name, cookies: e.Cookie, file: e.CookieFile, proxy: e.Proxy, interval: time.Second}
	if e.Cookie != "" && e.CookieFile != "" {
		return spec, errors.New("give it a cookie or a cookie_file, not both")
	}
	if e.CookieFile != "" && !filepath.IsAbs(e.CookieFile) {
		spec.file = filepath.Join(folder, e.CookieFile)
	}
	if e.Proxy != "" {
		if _, err := parseProxy(e.Proxy); err != nil {
			return spec, err
		}
	}
	if e.Rate != nil {
		if !(*e.Rate > 0 && *e.Rate <= maxAccountRate) {
			return spec, fmt.Errorf("its rate must be above 0 and at most %d calls a second", maxAccountRate)
		}
		spec.interval = time.Duration(float64(time.Second) / *e.Rate)
	}
	return spec, nil
}

// load reads the cookie file, if there is one.
func (s *accountSpec) load() error {
	if s.file == "" {
		return nil
	}
	s.stamp = stampOf(s.file)
	text, err := readSmall(s.file, maxCookieFile)
	if err != nil {
		return fmt.Errorf("reading the cookie file: %w", err)
	}
	s.cookies = string(text)
	return nil
}

// exitProxy is the proxy, nil when there is none. It was read before.
func (s accountSpec) exitProxy() *url.URL {
	if s.proxy == "" {
		return nil
	}
	proxy, err := parseProxy(s.proxy)
	if err != nil {
		return nil
	}
	return proxy
}

// warnReadable tells of a file with secrets that everybody on the machine reads.
func warnReadable(path string, logger *slog.Logger) {
	info, err := os.Stat(path)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		logger.Warn("a file with cookies can be read by everybody on this machine; use chmod 600", "file", path)
	}
}
