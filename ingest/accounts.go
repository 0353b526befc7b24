package ingest

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// soonest is the least time after which a room is looked at again that was
// refused while other accounts were well.
const soonest = time.Minute

// accounts are those that the operator has given, with their exits. Their
// errors and logs name accounts, never what they hold.
type accounts struct {
	base      *url.URL
	source    accountSource
	transport http.RoundTripper
	interval  time.Duration // between two calls of an exit
	logger    *slog.Logger
	direct    string // ClientOptions.ExitName

	mu     sync.Mutex // covers all below, and the fields of accounts and exits that say so; budgets' locks come after it
	list   []*account // in the order of the file
	exits  map[string]*exit
	files  map[string]stamp // what was looked at, as it was then
	warned map[string]bool  // files whose permissions were looked at
	fresh  bool             // an account was added or changed since takeFresh
	news   chan struct{}    // closed, and replaced, when one is
	held   map[string]int   // rooms, by live ID
}

// newAccounts reads the accounts. Everything in them must be in order.
func newAccounts(base *url.URL, source accountSource, transport http.RoundTripper, interval time.Duration, logger *slog.Logger) (*accounts, error) {
	if err := source.validate(); err != nil {
		return nil, err
	}
	s := &accounts{
		base: base, source: source, transport: transport, interval: interval, logger: logger,
		exits: make(map[string]*exit), files: make(map[string]stamp), warned: make(map[string]bool), held: make(map[string]int),
		news: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	specs, err := source.read()
	if err != nil {
		return nil, err
	}
	for i := range specs {
		if err := s.load(&specs[i]); err != nil {
			return nil, err
		}
	}
	s.remember(specs)
	if err := s.replace(specs); err != nil {
		return nil, err
	}
	s.fresh = false
	return s, nil
}

// look reads the files again that have changed since it looked last. What is
// broken is logged once, and what was read before stays.
func (s *accounts) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := make(map[string]bool)
	for file, before := range s.files {
		if now := stampOf(file); now != before {
			changed[file] = true
			s.files[file] = now
		}
	}
	if len(changed) == 0 {
		return
	}
	specs, err := s.source.read()
	if err != nil {
		if changed[s.source.file] {
			s.logger.Warn("keeping the accounts read before", "err", err)
		}
		specs = s.specs() // their cookie files may have changed all the same
	}
	broken := err != nil
	kept := make([]accountSpec, 0, len(specs))
	for _, spec := range specs {
		err := s.load(&spec)
		known := s.named(spec.name)
		told := "an account is left out until its cookies can be read"
		switch {
		case err == nil:
			kept = append(kept, spec)
			continue
		case known != nil:
			kept = append(kept, known.spec)
			told = "keeping the cookies read before"
		}
		broken = true
		if changed[spec.file] || changed[s.source.file] {
			s.logger.Warn(told, "err", err)
		}
	}
	s.remember(specs)
	if err := s.replace(kept); err != nil {
		s.logger.Warn("keeping the accounts read before", "err", err)
		return
	}
	if !broken {
		s.logger.Info("read the accounts again", "accounts", len(s.list))
	}
}

// load reads the cookies of an account and checks that they can be used.
func (s *accounts) load(spec *accountSpec) error {
	err := spec.load()
	if err == nil {
		_, err = parseCookies(spec.cookies, s.base.Hostname())
	}
	if err == nil {
		return nil
	}
	if spec.file != "" {
		return fmt.Errorf("account %q, cookie file %s: %w", spec.name, spec.file, err)
	}
	return fmt.Errorf("account %q: reading the cookie: %w", spec.name, err)
}

// remember notes which files to look at, and warns of those that everybody can
// read. The caller holds mu.
func (s *accounts) remember(specs []accountSpec) {
	files := make(map[string]stamp)
	note := func(file string) {
		if file == "" {
			return
		}
		if before, known := s.files[file]; known {
			files[file] = before
		} else {
			files[file] = stampOf(file)
		}
		if !s.warned[file] {
			s.warned[file] = true
			warnReadable(file, s.logger)
		}
	}
	note(s.source.file)
	for _, spec := range specs {
		note(spec.file)
	}
	s.files = files
}

// replace has the accounts be those of specs. One that is as it was keeps its
// health and the cookies that Kuaishou has set. One that is not may be what its
// exit was refused for, or have another password for the proxy: the exit is tried
// again, too. The caller holds mu.
func (s *accounts) replace(specs []accountSpec) error {
	list, exits, changed := make([]*account, 0, len(specs)), make(map[string]*exit), false
	for _, spec := range specs {
		known := s.named(spec.name)
		if known == nil || known.spec != spec {
			exit := s.exitOf(spec.exitProxy(), exits)
			made, err := newAccount(spec, s.base, s.transport, exit)
			if err != nil {
				return fmt.Errorf("account %q: %w", spec.name, err)
			}
			exit.health.tryAgain(time.Now())
			known, changed = made, true
		}
		list, exits[exitKey(known.proxy)] = append(list, known), known.exit
	}
	for _, old := range s.list {
		if !slices.Contains(list, old) {
			old.gone = true
			old.close()
		}
	}
	s.list, s.exits = list, exits
	if changed {
		s.fresh = true
		close(s.news)
		s.news = make(chan struct{})
	}
	return nil
}

// exitOf is the exit behind a proxy: the one there is, or a new one.
func (s *accounts) exitOf(proxy *url.URL, chosen map[string]*exit) *exit {
	key := exitKey(proxy)
	for _, known := range []*exit{chosen[key], s.exits[key]} {
		if known != nil {
			return known
		}
	}
	name := directExit
	if proxy != nil {
		name = proxyHost(proxy)
	}
	// Of several users of one proxy the further ones are numbered.
	taken := func(e *exit) bool { return e.name == name }
	for n := 2; slices.ContainsFunc(slices.Collect(maps.Values(s.exits)), taken) || slices.ContainsFunc(slices.Collect(maps.Values(chosen)), taken); n++ {
		name = fmt.Sprintf("%s #%d", proxyHost(proxy), n)
	}
	return &exit{name: name, budget: newBudget(s.interval)}
}

func (s *accounts) named(name string) *account {
	for _, a := range s.list {
		if a.spec.name == name {
			return a
		}
	}
	return nil
}

// specs are those of the accounts in use.
func (s *accounts) specs() []accountSpec {
	specs := make([]accountSpec, 0, len(s.list))
	for _, a := range s.list {
		specs = append(specs, a.spec)
	}
	return specs
}

// close ends the connections that are not in use.
func (s *accounts) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	(&http.Client{Transport: s.transport}).CloseIdleConnections()
	for _, a := range s.list {
		(&http.Client{Transport: a.transport}).CloseIdleConnections()
	}
}

// takeFresh says whether an account was added or changed since it was called
// last: then rooms that were refused are worth another look.
func (s *accounts) takeFresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := s.fresh
	s.fresh = false
	return fresh
}

// changed is closed when an account is added or changed after the call.
func (s *accounts) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}
